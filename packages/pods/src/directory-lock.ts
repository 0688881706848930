import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises';
import { createConnection, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, PodwrightError } from '@podwright/core';

const PREFIX = 'lock-';
const SUFFIX = '.sock';
/** A process that does not answer for so long is stopped or stuck; it is alive all the same. */
const ANSWER_TIMEOUT_MS = 2000;
const CANDIDATE_POLL_MS = 20;
/** Between two tries for a directory that is held. */
const HELD_POLL_MS = 100;

type Answer = { readonly state: 'gone' } | { readonly state: 'candidate' | 'holder'; readonly pid: string };

/**
 * Keeps a directory for one process at a time, and lets go of it when the process dies, in whatever way.
 *
 * Node has no flock(2). A listening unix socket serves: the kernel closes it with the process, and a socket in the file
 * system is reached from every network and PID namespace, which an abstract one or a PID in a file is not. Each process
 * listens on a name of its own that is never used again, shows it by a rename, and only then looks at the others. So of
 * two that start together at least one sees the other; the one with the greater name gives way.
 */
export class DirectoryLock {
  private server: Server | undefined;
  private name: string | undefined;
  private state: 'candidate' | 'holder' = 'candidate';

  constructor(private readonly directory: string) {}

  /**
   * @param timeoutMs how long to try while a living process holds the directory
   * @throws PodwrightError kind `failed-precondition` when it still does then
   */
  async acquire(timeoutMs = 0): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      try {
        return await this.tryToAcquire();
      } catch (error) {
        const isHeld = PodwrightError.is(error) && error.details['pid'] !== undefined;
        if (!isHeld || performance.now() >= deadline) throw error;
      }
      await delay(HELD_POLL_MS);
    }
  }

  private async tryToAcquire(): Promise<void> {
    const id = randomUUID();
    const handle = await open(this.directory, 'r');
    try {
      const server = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.end(`${this.state} ${process.pid}`);
      });
      await listen(server, shortPath(this.directory, handle, `new-${id}${SUFFIX}`));
      // The lock alone is no reason for the process to live.
      server.unref();
      this.server = server;
      this.name = `${PREFIX}${id}${SUFFIX}`;
      // Visible only now: between bind(2) and listen(2) it would have looked like the socket of a dead process.
      await rename(join(this.directory, `new-${id}${SUFFIX}`), join(this.directory, this.name));
      await this.contend(handle, this.name);
      this.state = 'holder';
    } catch (error) {
      await this.release();
      if (PodwrightError.is(error)) throw error;
      throw new PodwrightError(
        'failed-precondition',
        `The state directory ${this.directory} cannot be locked: ${messageOf(error)}. It has to lie on a file system that allows unix sockets.`,
        { cause: error, details: { path: this.directory } },
      );
    } finally {
      await handle.close();
    }
  }

  async release(): Promise<void> {
    const { server, name } = this;
    this.server = undefined;
    this.name = undefined;
    this.state = 'candidate';
    if (name !== undefined) await rm(join(this.directory, name), { force: true });
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  private async contend(handle: FileHandle, own: string): Promise<void> {
    for (const other of await readdir(this.directory)) {
      if (!other.startsWith(PREFIX) || !other.endsWith(SUFFIX) || other === own) continue;
      for (;;) {
        const answer = await ask(shortPath(this.directory, handle, other));
        if (answer.state === 'gone') {
          await rm(join(this.directory, other), { force: true });
          break;
        }
        if (answer.state === 'holder' || other < own) throw this.held(answer.pid);
        // The other one came at the same time and has to give way, unless it has not seen this one.
        await delay(CANDIDATE_POLL_MS);
      }
    }
  }

  private held(pid: string): PodwrightError {
    return new PodwrightError(
      'failed-precondition',
      `The state directory ${this.directory} is used by another agent (process ${pid}): stop that one, or give this one a state directory of its own.`,
      { details: { path: this.directory, pid } },
    );
  }
}

/** Addresses of unix sockets end at 107 bytes; on Linux a directory's descriptor makes any path short. */
function shortPath(directory: string, handle: FileHandle, name: string): string {
  return process.platform === 'linux' ? `/proc/self/fd/${handle.fd}/${name}` : join(directory, name);
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function ask(path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = createConnection(path);
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => {
      socket.destroy();
      resolve({ state: 'holder', pid: 'that does not answer' });
    });
    socket.setEncoding('utf8');
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve({ state: 'gone' });
      else if (error.code !== 'ECONNRESET') reject(error);
    });
    socket.on('close', () => {
      const [state, pid] = text.split(' ');
      // Closed without a word: it died while it was asked.
      if (state !== 'candidate' && state !== 'holder') resolve({ state: 'gone' });
      else resolve({ state, pid: pid ?? 'unknown' });
    });
  });
}
