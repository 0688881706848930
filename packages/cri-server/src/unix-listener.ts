import type { Stats } from 'node:fs';
import { chmod, link, lstat, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { messageOf, PodwrightError, systemErrorCode } from '@podwright/core';
import { isAnswering } from './socket-probe.js';

/** Where connections come from. */
export interface ListenAddress {
  readonly socketPath: string;
  /** A listening socket of the process' own; nothing is made at `socketPath` then. */
  readonly socketFd?: number;
}

/**
 * Listens on a unix socket that only its owner can use: of mode 0600 from the moment it can be seen, in a directory of
 * mode 0700 that is made if missing. A directory that is there stays as it is. What a dead server left is replaced.
 */
export class UnixListener {
  private server: Server | undefined;
  private readonly sockets = new Set<Socket>();
  /** Of the socket that was made. */
  private inode: number | undefined;

  constructor(private readonly address: ListenAddress) {}

  /**
   * @param onConnection may be called before this resolves
   * @throws PodwrightError kind `already-exists` (a server answers there), `permission-denied`, `invalid-argument`
   */
  async listen(onConnection: (socket: Socket) => void): Promise<void> {
    const server = createServer({ allowHalfOpen: false }, (socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
      // A client that goes away ends its own connection only.
      socket.on('error', () => socket.destroy());
      onConnection(socket);
    });
    try {
      const { socketFd } = this.address;
      if (socketFd === undefined) await this.listenAtPath(server);
      else await bind(server, { fd: socketFd });
      this.server = server;
    } catch (error) {
      server.close();
      throw PodwrightError.is(error) ? error : this.cannotListen(error);
    }
  }

  /** New connections are refused from now on; those that there are stay. */
  async stopListening(): Promise<void> {
    const { server } = this;
    if (server === undefined) return;
    this.server = undefined;
    const { socketFd, socketPath } = this.address;
    // Node would remove the name under which it was made. Another server may have taken the place of one that was removed.
    if (socketFd === undefined && (await lstatIfThere(socketPath))?.ino === this.inode) {
      await rm(socketPath, { force: true });
    }
    server.close();
  }

  /** Ends the connections that are left. */
  closeConnections(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  private async listenAtPath(server: Server): Promise<void> {
    const { socketPath } = this.address;
    const directory = dirname(socketPath);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    // Made where nobody else can look, and shown when its mode is right.
    const hidden = await mkdtemp(join(directory, '.new-'));
    try {
      await this.clearPlace(join(hidden, 'dead'));
      const path = join(hidden, 's');
      await bind(server, { path });
      await chmod(path, 0o600);
      const { ino } = await lstat(path);
      // Unlike a rename it fails when another server was faster.
      await link(path, socketPath).catch((error: unknown) => {
        throw systemErrorCode(error) === 'EEXIST' ? this.taken() : error;
      });
      this.inode = ino;
    } finally {
      await rm(hidden, { recursive: true });
    }
  }

  /** @param aside where the socket of a dead server is put, to be removed */
  private async clearPlace(aside: string): Promise<void> {
    const { socketPath } = this.address;
    const there = await lstatIfThere(socketPath);
    if (there === undefined) return;
    if (!there.isSocket()) {
      throw new PodwrightError(
        'already-exists',
        `There is something at ${socketPath} that is no socket: remove it, or listen elsewhere.`,
        { details: { path: socketPath } },
      );
    }
    if (await isAnswering(socketPath)) throw this.taken();
    await rename(socketPath, aside).catch((error: unknown) => {
      // Another that starts now has put it aside.
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    });
    if ((await lstatIfThere(aside))?.ino === there.ino || !(await isAnswering(aside))) return;
    // Another has begun to listen there in between.
    await rename(aside, socketPath);
    throw this.taken();
  }

  private taken(): PodwrightError {
    const { socketPath } = this.address;
    return new PodwrightError(
      'already-exists',
      `A server answers at ${socketPath}: stop it, or listen elsewhere.`,
      { details: { path: socketPath } },
    );
  }

  private cannotListen(error: unknown): PodwrightError {
    const { socketPath, socketFd } = this.address;
    const where = socketFd === undefined ? socketPath : `descriptor ${socketFd}, which was to be a socket`;
    const code = systemErrorCode(error);
    return new PodwrightError(
      code === 'EACCES' || code === 'EPERM' ? 'permission-denied' : 'invalid-argument',
      `The server cannot listen at ${where}: ${messageOf(error)}.`,
      { cause: error },
    );
  }
}

async function lstatIfThere(path: string): Promise<Stats | undefined> {
  return await lstat(path).catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
}

function bind(server: Server, where: { readonly path: string } | { readonly fd: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      // What fails later is the acceptance of one connection, for want of descriptors: its client hears of it.
      server.off('error', reject).on('error', () => {});
      resolve();
    });
  });
}
