import { readFile } from 'node:fs/promises';
import { systemErrorCode } from '@podwright/core';

/**
 * Of a file that is not there, a process that has ended, a control group that was removed while its file was open, and
 * one of threads, which lists no processes (cgroups(7)).
 */
const NOTHING_THERE: readonly (string | undefined)[] = ['ENOENT', 'ESRCH', 'ENODEV', 'EOPNOTSUPP', 'ENOTSUP'];

/** A file of the kernel's, which is absent where the kernel has no such thing or the process has ended; empty then. */
export async function textIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (NOTHING_THERE.includes(systemErrorCode(error))) return '';
    throw error;
  }
}
