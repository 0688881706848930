import { readFile, realpath, rmdir, stat, unlink } from 'node:fs/promises';
import { Logger, messageOf, PodwrightError, systemErrorCode, systemErrorKind } from '@podwright/core';
import { inject, injectable } from 'inversify';
import { HostExecutor } from './host-executor.js';
import { HostMounter } from './host-mounter.js';

/** Mounts in the mount namespace that this process is in. */
@injectable()
export class LocalMounter extends HostMounter {
  constructor(@inject(HostExecutor) executor: HostExecutor, @inject(Logger) logger: Logger) {
    super(executor, logger);
  }

  protected readTable(): Promise<string> {
    return looking('/proc/self/mountinfo', (path) => readFile(path, 'utf8'));
  }

  protected realPath(path: string): Promise<string> {
    return looking(path, (each) => realpath(each));
  }

  protected deviceNumbers(paths: readonly string[]): Promise<readonly string[]> {
    return Promise.all(
      paths.map((path) => looking(path, async (each) => String((await stat(each, { bigint: true })).dev))),
    );
  }

  protected removeMountPoint(path: string): Promise<void> {
    return looking(path, async (each) => {
      await ((await stat(each)).isDirectory() ? rmdir(each) : unlink(each));
    });
  }
}

const KINDS: Readonly<Record<string, 'not-found' | 'in-use'>> = {
  ENOENT: 'not-found',
  ENOTDIR: 'not-found',
  EBUSY: 'in-use',
  ENOTEMPTY: 'in-use',
};

async function looking<T>(path: string, look: (path: string) => Promise<T>): Promise<T> {
  try {
    return await look(path);
  } catch (cause) {
    const code = systemErrorCode(cause);
    const kind = KINDS[code] ?? systemErrorKind(cause) ?? 'failed-precondition';
    throw new PodwrightError(kind, `The mount point ${path} cannot be used: ${messageOf(cause)}.`, {
      cause,
      details: { path, code },
    });
  }
}
