import { stat } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import {
  messageOf,
  PodwrightError,
  type PortForwardOptions,
  systemErrorCode,
  throwIfAborted,
} from '@podwright/core';
import { inject, injectable, type ServiceIdentifier } from 'inversify';
import { ConnectHelper } from './connect-helper.js';
import { ForwardedStream } from './forwarded-stream.js';
import { HostExecutor } from './host-executor.js';
import type { HostProgram, UsesHostPrograms } from './host-program.js';
import { processTarget } from './nsenter-command.js';
import { type PinnedProcess, type ProcessIdentity, pinProcess } from './process-identity.js';
import { utilLinux } from './util-linux.js';

/** Whose loopback address is meant. */
export type PortForwardTarget =
  /** A pinned network namespace, by its path on the host. */
  | { readonly netnsPath: string }
  /** That of a process, which has to be the one it was, in its unit. */
  | { readonly process: ProcessIdentity; readonly unit: string }
  /** The host's own. */
  | { readonly host: true };

export interface PortForwarder extends AsyncDisposable {
  /**
   * Connects to a TCP port from inside a network namespace: on its loopback address, 127.0.0.1 or, when nothing listens
   * there, ::1; or on the host that the options name.
   * Ending the stream half-closes the connection; the stream ends when the other side has half-closed it. Destroying it
   * cuts the connection.
   * @param port 1 to 65535
   * @throws PodwrightError kind `unreachable` (nothing listens there; the port is named), `missing-requirement`
   *   (nsenter), `failed-precondition` (the namespace or the process is gone), `permission-denied`,
   *   `invalid-argument`, `cancelled`
   */
  connect(target: PortForwardTarget, port: number, options?: PortForwardOptions): Promise<Duplex>;
}

export const PortForwarder: ServiceIdentifier<PortForwarder> = Symbol.for('podwright.nsenter.PortForwarder');

/**
 * Forwards through sockets that a helper process connects in the namespace and hands over: one helper for each
 * namespace, only while connections are made; a connection costs what a socket costs. See docs/decisions/0016-sockets-handed-over.md.
 */
@injectable()
export class HelperPortForwarder implements PortForwarder, UsesHostPrograms {
  /** By the namespace's own number: a path may lead to another one later. */
  readonly #helpers = new Map<string, ConnectHelper>();

  constructor(@inject(HostExecutor) private readonly executor: HostExecutor) {}

  async hostPrograms(): Promise<readonly HostProgram[]> {
    return [utilLinux('nsenter')];
  }

  async connect(target: PortForwardTarget, port: number, options: PortForwardOptions = {}): Promise<Duplex> {
    if (!Number.isInteger(port) || port < 1 || port > 65535) {
      throw new PodwrightError('invalid-argument', `${port} is no TCP port: ports are 1 to 65535.`, {
        details: { port },
      });
    }
    throwIfAborted(options.signal);
    const pinned = 'process' in target ? await pinProcess(this.executor, target.process, target) : undefined;
    try {
      const path = this.#ownPath(netnsPathOf(target, pinned));
      const helper = await this.#helperIn(path);
      const connecting = helper.connect(port, options.host).then(
        (socket) => new ForwardedStream(socket),
        (error: unknown) => {
          throw connectError(error, path, port, options.host);
        },
      );
      return await orCancelled(connecting, options.signal);
    } finally {
      await pinned?.[Symbol.asyncDispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#helpers.values()].map((helper) => helper.end()));
  }

  async #helperIn(path: string): Promise<ConnectHelper> {
    const { dev, ino } = await stat(path).catch((cause: unknown) => {
      const kind = systemErrorCode(cause) === 'EACCES' ? 'permission-denied' : 'failed-precondition';
      throw new PodwrightError(
        kind,
        `The network namespace ${path} cannot be entered: ${messageOf(cause)}.`,
        { cause, details: { netnsPath: path } },
      );
    });
    const key = `${dev}:${ino}`;
    const known = this.#helpers.get(key);
    if (known) return known;
    const helper = new ConnectHelper(path, () => {
      if (this.#helpers.get(key) === helper) this.#helpers.delete(key);
    });
    this.#helpers.set(key, helper);
    return helper;
  }

  /** In a container of its own, the agent sees what was mounted after its start only through a process of the host. */
  #ownPath(path: string): string {
    const own = this.executor.hostPath(path);
    return own === path || path.startsWith('/proc/') ? own : this.executor.hostPath(`/proc/1/root${path}`);
  }
}

function netnsPathOf(target: PortForwardTarget, pinned: PinnedProcess | undefined): string {
  if ('netnsPath' in target) return target.netnsPath;
  const procPath = pinned?.procPath ?? '/proc/1';
  return processTarget(procPath, { namespaces: ['net'] }).namespaces.net ?? '';
}

/** A connection that comes after the caller has gone is closed. */
async function orCancelled(connecting: Promise<Duplex>, signal: AbortSignal | undefined): Promise<Duplex> {
  if (!signal) return await connecting;
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => {
      reject(
        new PodwrightError('cancelled', 'Connecting was cancelled by its caller.', { cause: signal.reason }),
      );
      connecting.then(
        (stream) => stream.destroy(),
        () => undefined,
      );
    };
  });
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([connecting, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function connectError(error: unknown, netnsPath: string, port: number, host?: string): unknown {
  if (!PodwrightError.is(error, 'unreachable')) return error;
  return new PodwrightError(
    'unreachable',
    `Nothing answers on port ${port} of ${host ?? 'the loopback address'} in ${netnsPath}: ${error.message}.`,
    { cause: error, details: { ...error.details, port, netnsPath } },
  );
}
