import { type FSWatcher, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** Waits for the file in which a runtime tells the PID of what it has started. */
export class PidFileWatch implements Disposable {
  readonly pid: Promise<number>;
  readonly #watcher: FSWatcher;

  /** @param directory of the file, which is not there yet; both as this process reaches them */
  constructor(directory: string, path: string) {
    this.#watcher = watch(directory);
    this.pid = new Promise((resolve, reject) => {
      this.#watcher.on('error', reject);
      this.#watcher.on('change', () => {
        readPidFile(path).then((pid) => {
          if (pid !== undefined) resolve(pid);
        }, reject);
      });
    });
    this.pid.catch(() => undefined);
  }

  [Symbol.dispose](): void {
    this.#watcher.close();
  }
}

/** The PID in a file; undefined while it is not there, or not written yet. */
export async function readPidFile(path: string): Promise<number | undefined> {
  try {
    const text = await readFile(path, 'utf8');
    return /^\d+\s*$/.test(text) ? Number(text) : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
