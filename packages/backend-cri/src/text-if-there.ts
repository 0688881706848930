import { readFile } from 'node:fs/promises';

/** A file of the kernel's, which is absent where the kernel has no such thing or the process has ended; empty then. */
export async function textIfThere(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch(() => '');
}
