import { PodwrightError, type RuntimeService } from '@podwright/core';

const LINES = 10;

/** The end of a container's output for an error message; empty when there is none or it cannot be read. */
export async function lastWords(service: RuntimeService, containerId: string): Promise<string> {
  const lines: string[] = [];
  try {
    for await (const entry of service.containerLogs(containerId, { tail: LINES })) {
      lines.push(entry.line.toString('utf8'));
    }
  } catch (error) {
    // The message it is for tells of the failure that matters; this one only has less to say.
    if (!PodwrightError.is(error)) throw error;
  }
  return lines.join('\n');
}
