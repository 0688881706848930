import { readdir } from 'node:fs/promises';
import { systemErrorCode } from '@podwright/core';

/** Names in a directory; none when it is not there. */
export async function listNames(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
