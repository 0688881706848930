import { readdir } from 'node:fs/promises';
import { systemErrorCode } from '@podwright/core';

/** Names in a directory; none when there is no such directory. */
export async function listDirectory(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}
