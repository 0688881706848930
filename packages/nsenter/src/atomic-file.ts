import { randomBytes } from 'node:crypto';
import { closeSync, fchmodSync, fsync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

export interface AtomicFileOptions {
  /** Permission bits, whatever the umask. Default 0o600: state files may hold secrets. */
  readonly mode?: number;
}

/**
 * Writes a file whole or not at all, also over a loss of power: a temporary file beside it, fsync, rename, fsync of
 * the directory. Whoever reads it at the same time sees the old content or the new one.
 *
 * Only fsync, which waits for the disk, is done beside the event loop: state files are small, and a turn of the loop for
 * each of the other steps takes longer than they do.
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
    await withFile(openSync(temporary, 'wx', mode), async (file) => {
      writeFileSync(file, data);
      fchmodSync(file, mode);
      await synced(file);
    });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Makes what was created, renamed or removed in a directory outlive a loss of power. */
export async function syncDirectory(path: string): Promise<void> {
  await withFile(openSync(path, 'r'), synced);
}

const synced = promisify(fsync);

async function withFile(file: number, work: (file: number) => Promise<void>): Promise<void> {
  try {
    await work(file);
  } finally {
    closeSync(file);
  }
}
