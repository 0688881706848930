import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

export interface AtomicFileOptions {
  /** Permission bits, whatever the umask. Default 0o600: state files may hold secrets. */
  readonly mode?: number;
}

/**
 * Writes a file whole or not at all, also over a loss of power: a temporary file beside it, fsync, rename, fsync of
 * the directory. Whoever reads it at the same time sees the old content or the new one.
 * @param path as this process sees it; its directory exists
 * @throws the system's error; the temporary file is gone then
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  options: AtomicFileOptions = {},
): Promise<void> {
  const mode = options.mode ?? 0o600;
  // Begins with a dot and ends in .tmp, so that whoever lists the directory after a crash can tell it apart.
  const temporary = join(
    dirname(path),
    `.${basename(path)}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`,
  );
  try {
    await withFile(await open(temporary, 'wx', mode), async (file) => {
      await file.writeFile(data);
      await file.chmod(mode);
      await file.sync();
    });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Makes what was created, renamed or removed in a directory outlive a loss of power. */
export async function syncDirectory(path: string): Promise<void> {
  await withFile(await open(path, 'r'), (directory) => directory.sync());
}

async function withFile(file: FileHandle, work: (file: FileHandle) => Promise<void>): Promise<void> {
  try {
    await work(file);
  } finally {
    await file.close();
  }
}
