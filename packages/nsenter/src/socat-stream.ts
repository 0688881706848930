import { Duplex } from 'node:stream';
import { PodwrightError } from '@podwright/core';
import type { HostProcess } from './host-executor.js';
import { SOCAT_BROKEN, SOCAT_END_SEEN, type SocatLog } from './socat-log.js';

/** How long a connection that both sides have ended may take to deliver what is left, in milliseconds. */
const LINGER_MS = 30_000;

/** A connection through a socat between its standard streams and a socket. */
export class SocatStream extends Duplex {
  #broken = false;

  constructor(
    private readonly child: HostProcess,
    private readonly log: SocatLog,
  ) {
    super({ allowHalfOpen: true });
    child.stdout.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) child.stdout.pause();
    });
    child.stdout.once('end', () => void this.#onEnd());
    child.stdout.once('error', (error) => this.destroy(error));
    // Told to whoever wrote.
    child.stdin.on('error', () => undefined);
    child.stdout.pause();
    // After a reset socat would wait for our end; what it gave before is read still.
    void log.until(SOCAT_BROKEN).then(() => {
      this.#broken = true;
      child.kill('SIGKILL');
    });
  }

  override _read(): void {
    this.child.stdout.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.child.stdin.write(chunk, encoding, (error) => {
      if (error) void this.#cut().then(done);
      else done();
    });
  }

  override _final(done: (error?: Error | null) => void): void {
    this.child.stdin.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (error === null && this.readableEnded && this.writableFinished) {
      // socat delivers what it still holds and ends by itself; one whose peer reads nothing more does not.
      const timer = setTimeout(() => this.child.kill('SIGKILL'), LINGER_MS);
      timer.unref();
      void this.child.exited.then(() => clearTimeout(timer));
    } else {
      this.child.kill('SIGKILL');
    }
    done(error);
  }

  /** The end of socat's output is the other side's end, or that of a socat that lost the connection. */
  async #onEnd(): Promise<void> {
    const ended = await Promise.race([
      this.log.until(SOCAT_END_SEEN).then(() => !this.#broken),
      this.child.exited.then(({ exitCode }) => exitCode === 0),
    ]);
    if (ended) this.push(null);
    else this.destroy(await this.#cut());
  }

  async #cut(): Promise<PodwrightError> {
    const { exitCode } = await this.child.exited;
    const said = this.log.errors;
    const why =
      said || (exitCode === 0 ? 'the other side has closed it' : `socat ended with exit code ${exitCode}`);
    return new PodwrightError('unreachable', `The forwarded connection was cut: ${why}.`, {
      details: { exitCode, stderr: said },
    });
  }
}
