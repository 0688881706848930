import { readFile } from 'node:fs/promises';

/** The words of a runtime that failed: the errors among the JSON lines of its log; undefined when there are none. */
export function runtimeErrors(log: string): string | undefined {
  const messages = log.split('\n').flatMap((line) => {
    const entry = parseEntry(line);
    return entry !== undefined && ['error', 'fatal'].includes(entry.level) ? [entry.msg] : [];
  });
  return messages.length === 0 ? undefined : messages.join('; ');
}

function parseEntry(line: string): { level: string; msg: string } | undefined {
  if (line.trim() === '') return undefined;
  try {
    const { level, msg } = JSON.parse(line) as { level?: unknown; msg?: unknown };
    return { level: String(level), msg: String(msg) };
  } catch {
    // A line that is cut off is still its last word.
    return { level: 'error', msg: line };
  }
}

/** The same of a log file; of one that is not there: undefined. */
export async function readRuntimeErrors(path: string): Promise<string | undefined> {
  try {
    return runtimeErrors(await readFile(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
