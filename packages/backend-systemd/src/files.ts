// Files that may not be there; any other failure to read them is one.
import { readFile, stat } from 'node:fs/promises';
import { systemErrorCode } from '@podwright/core';

export function isMissing(error: unknown): boolean {
  return systemErrorCode(error) === 'ENOENT';
}

/** Resolves to undefined instead of failing because there is no such file. */
export async function ignoreMissing<T>(done: Promise<T>): Promise<T | undefined> {
  return await done.catch((error: unknown) => {
    if (!isMissing(error)) throw error;
    return undefined;
  });
}

/** The empty text for a file that is not there. */
export async function readIfThere(path: string): Promise<string> {
  return (await ignoreMissing(readFile(path, 'utf8'))) ?? '';
}

export async function isThere(path: string): Promise<boolean> {
  return (await ignoreMissing(stat(path))) !== undefined;
}
