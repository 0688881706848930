import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface FoundFile {
  readonly path: string;
  /** Permission bits, e.g. 0o600. */
  readonly mode: number;
}

/**
 * All files below a directory that hold a text.
 * @param sinceMs only those that were written since then, in milliseconds since the epoch
 */
export async function filesWith(directory: string, text: string, sinceMs = 0): Promise<readonly FoundFile[]> {
  const needle = Buffer.from(text);
  const found: FoundFile[] = [];
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    try {
      const { mode, mtimeMs } = await lstat(path);
      if (mtimeMs >= sinceMs && (await readFile(path)).includes(needle))
        found.push({ path, mode: mode & 0o777 });
    } catch (error) {
      // Gone meanwhile, or a pinned namespace, which cannot be read.
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code !== 'ENOENT' && code !== 'ESRCH' && code !== 'EINVAL') throw error;
    }
  }
  return found;
}
