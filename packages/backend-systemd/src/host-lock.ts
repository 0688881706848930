import { once } from 'node:events';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';

/** Says that it has the lock, and keeps it until its input ends: when its caller is done, or dies. */
const HOLD = 'echo locked && exec cat';

/** A lock of flock(1) on the host, which ends with this process, in whatever way. */
@injectable()
export class HostLock {
  constructor(@inject(HostExecutor) private readonly host: HostExecutor) {}

  /** @param path of a file, which is made and stays */
  async run<T>(path: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const holder = await this.host.start({
      command: 'flock',
      args: ['--exclusive', path, 'sh', '-c', HOLD],
      ...(signal === undefined ? {} : { signal }),
    });
    const words: Buffer[] = [];
    holder.stderr.on('data', (chunk: Buffer) => words.push(chunk));
    try {
      const ended = holder.exited.then(({ exitCode }) => {
        throw new Error(`flock ${path} ended with exit code ${exitCode}: ${Buffer.concat(words)}`);
      });
      await Promise.race([once(holder.stdout, 'data'), ended]);
      ended.catch(() => undefined);
      return await work();
    } finally {
      holder.stdin.end();
      await holder.exited;
    }
  }
}
