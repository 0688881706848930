import type { Duplex } from 'node:stream';
import { PodwrightError } from '@podwright/core';
import { inject, injectable, type ServiceIdentifier } from 'inversify';
import { HostExecutor, type HostProcess } from './host-executor.js';
import type { HostProgram, UsesHostPrograms } from './host-program.js';
import { nsenterCommand, processTarget } from './nsenter-command.js';
import { type PinnedProcess, type ProcessIdentity, pinProcess } from './process-identity.js';
import { SOCAT_CONNECTED, SocatLog } from './socat-log.js';
import { SocatStream } from './socat-stream.js';
import { utilLinux } from './util-linux.js';

/** Whose loopback address is meant. */
export type PortForwardTarget =
  /** A pinned network namespace, by its path on the host. */
  | { readonly netnsPath: string }
  /** That of a process, which has to be the one it was, in its unit. */
  | { readonly process: ProcessIdentity; readonly unit: string }
  /** The host's own. */
  | { readonly host: true };

export interface PortForwarder {
  /**
   * Connects to a TCP port on a network namespace's loopback address, 127.0.0.1 or, when nothing listens there, ::1.
   * Ending the stream half-closes the connection; the stream ends when the other side has half-closed it. Destroying it
   * cuts the connection.
   * @param port 1 to 65535
   * @throws PodwrightError kind `unreachable` (nothing listens there; the port is named), `missing-requirement`
   *   (socat or nsenter), `failed-precondition` (the namespace or the process is gone), `permission-denied`,
   *   `invalid-argument`, `cancelled`
   */
  connect(
    target: PortForwardTarget,
    port: number,
    options?: { readonly signal?: AbortSignal },
  ): Promise<Duplex>;
}

export const PortForwarder: ServiceIdentifier<PortForwarder> = Symbol.for('podwright.nsenter.PortForwarder');

/** For the loopback address a long time; a full accept queue would let it hang without one. */
const CONNECT_TIMEOUT_SECONDS = 10;
/** Socat ends half-closed connections after this time; the default is half a second. */
const HALF_CLOSED_SECONDS = 10 ** 8;
const REFUSED = /Connection refused|Cannot assign requested address|Address family not supported/;

/** Forwards through socat over pipes: one process for each connection, nothing that listens. */
@injectable()
export class SocatPortForwarder implements PortForwarder, UsesHostPrograms {
  constructor(@inject(HostExecutor) private readonly executor: HostExecutor) {}

  async hostPrograms(): Promise<readonly HostProgram[]> {
    return [{ name: 'socat', debianPackage: 'socat', version: { args: ['-V'] } }, utilLinux('nsenter')];
  }

  async connect(
    target: PortForwardTarget,
    port: number,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Duplex> {
    if (!Number.isInteger(port) || port < 1 || port > 65535) {
      throw new PodwrightError('invalid-argument', `${port} is no TCP port: ports are 1 to 65535.`, {
        details: { port },
      });
    }
    const socat = await this.executor.which('socat');
    if (socat === undefined) {
      const message = 'Ports are forwarded by socat, which was not found: install it, or configure its path.';
      throw new PodwrightError('missing-requirement', message, { details: { program: 'socat' } });
    }
    const pinned = 'process' in target ? await pinProcess(this.executor, target.process, target) : undefined;
    try {
      const path = netnsPathOf(target, pinned);
      const first = await this.#tryConnect(path, [socat, `TCP4:127.0.0.1:${port}`], options.signal);
      if (first.stream) return first.stream;
      const second = await this.#tryConnect(path, [socat, `TCP6:[::1]:${port}`], options.signal);
      if (second.stream) return second.stream;
      const message = `Nothing listens on port ${port} of the loopback address: 127.0.0.1 and ::1 refused the connection.`;
      throw new PodwrightError('unreachable', message, {
        details: { port, said: [first.refused, second.refused] },
      });
    } finally {
      await pinned?.[Symbol.asyncDispose]();
    }
  }

  async #tryConnect(
    netnsPath: string,
    [socat, address]: readonly [string, string],
    signal: AbortSignal | undefined,
  ): Promise<{ readonly stream?: Duplex; readonly refused?: string }> {
    // shut-close: without it the end of what the other side sends is told only when the connection is gone.
    const argv = [
      socat,
      ...['-d', '-d', '-t', String(HALF_CLOSED_SECONDS)],
      'STDIO,shut-close',
      `${address},connect-timeout=${CONNECT_TIMEOUT_SECONDS}`,
    ];
    const child = await this.executor.start({
      ...nsenterCommand({ namespaces: { net: netnsPath } }, argv),
      env: { LC_ALL: 'C' },
    });
    const log = new SocatLog(child.stderr);
    const onAbort = () => child.kill();
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    try {
      const connected = await Promise.race([log.until(SOCAT_CONNECTED), child.exited.then(() => false)]);
      if (signal?.aborted) {
        throw new PodwrightError('cancelled', 'Connecting was cancelled by its caller.', {
          cause: signal.reason,
        });
      }
      if (connected) return { stream: new SocatStream(child, log) };
      await log.ended;
      if (REFUSED.test(log.errors)) return { refused: log.errors };
      throw connectError(address, netnsPath, log.errors, child);
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }
}

function netnsPathOf(target: PortForwardTarget, pinned: PinnedProcess | undefined): string {
  if ('netnsPath' in target) return target.netnsPath;
  const procPath = pinned?.procPath ?? '/proc/1';
  return processTarget(procPath, { namespaces: ['net'] }).namespaces.net ?? '';
}

function connectError(
  address: string,
  netnsPath: string,
  said: string,
  { pid }: HostProcess,
): PodwrightError {
  const details = { address, netnsPath, pid, stderr: said };
  if (/nsenter: (cannot open|reassociate to namespace)/.test(said)) {
    const kind = /not permitted|Permission denied/.test(said) ? 'permission-denied' : 'failed-precondition';
    return new PodwrightError(kind, `The network namespace ${netnsPath} cannot be entered: ${said}`, {
      details,
    });
  }
  return new PodwrightError('unreachable', `${address} cannot be reached in ${netnsPath}: ${said}`, {
    details,
  });
}
