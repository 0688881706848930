// Files that may not be there; any other failure to read them is one.
import { readFileSync } from 'node:fs';
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

/** The text of a small file, read at once; undefined when there is no such file. */
export function readNow(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (!isMissing(error)) throw error;
    return undefined;
  }
}
