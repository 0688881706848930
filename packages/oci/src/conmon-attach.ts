import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { PodwrightError, systemErrorCode, type TerminalSize, throwIfAborted } from '@podwright/core';
import { HostExecutor, type HostProcess, type HostProgram, type UsesHostPrograms } from '@podwright/nsenter';
import { inject, injectable, type ServiceIdentifier } from 'inversify';
import { attachBridge, BRIDGE_READY, bridgeExit } from './attach-bridge.js';
import { OutputRelay } from './output-relay.js';
import { checkTerminalSize } from './terminal-resize.js';

/** A client that takes nothing for so long is left, in seconds; until then it holds up the container. */
const STALL_SECONDS = 10;

export interface ConmonAttachRequest {
  /** The container's bundle on the host, in which conmon made its sockets. */
  readonly bundle: string;
  /** Write to the container's standard input. */
  readonly stdin: boolean;
  /** It has a terminal: there is no standard error. */
  readonly terminal: boolean;
  /** conmon ends the container's input when a client goes, and this client is not to have that effect. */
  readonly holdInput: boolean;
  /** Leaves when it fires. */
  readonly signal?: AbortSignal;
}

/** A connection to a container's first process. */
export interface ConmonConnection {
  readonly stdin?: Writable;
  readonly stdout: Readable;
  readonly stderr?: Readable;
  /**
   * `closed` by conmon, whose container has ended; or `left` by this side. After the output was handed on.
   * Rejects with kind `timeout` when the client took nothing for ten seconds.
   */
  readonly ended: Promise<'closed' | 'left'>;
  leave(): Promise<void>;
}

/** Connects to what conmon, the monitor of one container, offers in the container's bundle. */
export interface ConmonAttach {
  /**
   * Resolves when conmon has taken the connection: what the container writes from then on is given.
   * @throws PodwrightError kind `failed-precondition` (no conmon listens there), `missing-requirement` (perl), `cancelled`
   */
  connect(request: ConmonAttachRequest): Promise<ConmonConnection>;
  /**
   * Sets the size of the container's terminal. Of a container that has ended: nothing.
   * @throws PodwrightError kind `invalid-argument` for a size that no terminal has
   */
  resize(bundle: string, size: TerminalSize): Promise<void>;
  /**
   * Asks for the log file to be made anew under its name; it is not waited for. What lies there is lost.
   * @returns false when nobody listens: the container has ended
   */
  reopenLogs(bundle: string): Promise<boolean>;
}

export const ConmonAttach: ServiceIdentifier<ConmonAttach> = Symbol.for('podwright.oci.ConmonAttach');

/** Through a bridge of one process for each client, see attach-bridge.ts. */
@injectable()
export class BridgedConmonAttach implements ConmonAttach, UsesHostPrograms {
  constructor(@inject(HostExecutor) private readonly executor: HostExecutor) {}

  async hostPrograms(): Promise<readonly HostProgram[]> {
    return [{ name: 'perl', debianPackage: 'perl-base', version: { args: ['-v'] } }];
  }

  async connect(request: ConmonAttachRequest): Promise<ConmonConnection> {
    throwIfAborted(request.signal);
    const { bundle, stdin, terminal, holdInput, signal } = request;
    if ((await this.executor.which('perl')) === undefined) {
      throw new PodwrightError(
        'missing-requirement',
        'Attaching to a container takes perl, which this host lacks. Debian and Ubuntu have it always (perl-base); elsewhere install perl, or name its path in backendOptions.binaries.',
        { details: { program: 'perl' } },
      );
    }
    const child = await this.executor.start({
      ...attachBridge({ stdin, holdInput, stallSeconds: STALL_SECONDS }),
      cwd: bundle,
      env: { LC_ALL: 'C' },
    });
    // The bridge may end before it has read everything; its exit code tells.
    child.stdin.on('error', () => undefined);
    const leave = async () => {
      child.kill('SIGTERM');
      await child.exited;
    };
    const onAbort = () => child.kill('SIGTERM');
    signal?.addEventListener('abort', onAbort, { once: true });
    void child.exited.then(() => signal?.removeEventListener('abort', onAbort));
    if (signal?.aborted) onAbort();
    await untilReady(child, bundle, signal);
    return connection(child, { stdin, terminal, leave });
  }

  async resize(bundle: string, size: TerminalSize): Promise<void> {
    checkTerminalSize(size);
    await this.control(bundle, `1 ${size.rows} ${size.columns}`);
  }

  async reopenLogs(bundle: string): Promise<boolean> {
    // A line has three numbers, whatever the first one asks for (conmon's ctrl.c).
    return await this.control(bundle, '2 0 0');
  }

  /** Writes a line to the FIFO that conmon takes orders from. @returns false when nobody reads it */
  private async control(bundle: string, line: string): Promise<boolean> {
    const path = this.executor.hostPath(join(bundle, 'ctl'));
    try {
      // Non-blocking: of a FIFO that nobody reads, opening it would wait for ever.
      const fifo = await open(path, constants.O_WRONLY | constants.O_NONBLOCK);
      try {
        await fifo.write(`${line}\n`);
        return true;
      } finally {
        await fifo.close();
      }
    } catch (error) {
      if (!['ENOENT', 'ENXIO', 'EPIPE'].includes(systemErrorCode(error) ?? '')) throw error;
      return false;
    }
  }
}

async function untilReady(
  child: HostProcess,
  bundle: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const ready = await firstByte(child.stdout);
  if (ready?.equals(BRIDGE_READY)) return;
  const { exitCode } = await child.exited;
  throwIfAborted(signal);
  const said = String(child.stderr.read() ?? '').trim();
  const details = { bundle, exitCode, said };
  if (exitCode === bridgeExit.cannotConnect && /No such file|Connection refused/.test(said)) {
    throw new PodwrightError('failed-precondition', 'The container does not run: its monitor is gone.', {
      details,
    });
  }
  throw new PodwrightError('command-failed', `The container cannot be attached to: ${said || exitCode}.`, {
    details,
  });
}

/** The first byte, or undefined at the end; what follows stays unread. */
async function firstByte(stream: Readable): Promise<Buffer | undefined> {
  for (;;) {
    const byte: Buffer | null = stream.read(1);
    if (byte !== null) return byte;
    if (stream.readableEnded || stream.destroyed) return undefined;
    await new Promise<void>((resolve) => {
      const done = () => {
        for (const name of ['readable', 'end', 'close']) stream.off(name, done);
        resolve();
      };
      for (const name of ['readable', 'end', 'close']) stream.on(name, done);
    });
  }
}

function connection(
  child: HostProcess,
  options: { readonly stdin: boolean; readonly terminal: boolean; readonly leave: () => Promise<void> },
): ConmonConnection {
  const stdout = new OutputRelay(child.stdout);
  const stderr = new OutputRelay(child.stderr);
  // Who takes nothing may not listen for errors either; who reads gets it all the same, and `ended` tells it.
  for (const { output } of [stdout, stderr]) output.on('error', () => undefined);
  const ended = child.exited.then(async ({ exitCode, signal }) => {
    if (exitCode === bridgeExit.slowClient) {
      const error = new PodwrightError(
        'timeout',
        `The client took nothing of the container's output for ${STALL_SECONDS} s and was left: it would have held up the container.`,
      );
      for (const { output } of [stdout, stderr]) output.destroy(error);
      throw error;
    }
    stdout.ended();
    stderr.ended();
    await Promise.all([stdout.done, options.terminal ? undefined : stderr.done]);
    if (exitCode === bridgeExit.left || signal !== undefined) return 'left';
    if (exitCode === 0) return 'closed';
    throw new PodwrightError('internal', `The bridge to the container ended with exit code ${exitCode}.`);
  });
  // Whoever does not ask is not to be ended by it.
  ended.catch(() => undefined);
  if (options.terminal) stderr.output.resume();
  return {
    ...(options.stdin && { stdin: child.stdin }),
    stdout: stdout.output,
    ...(!options.terminal && { stderr: stderr.output }),
    ended,
    leave: options.leave,
  };
}
