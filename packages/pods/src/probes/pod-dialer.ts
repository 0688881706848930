import type { Duplex } from 'node:stream';
import { type Container, PodwrightError, RuntimeService } from '@podwright/core';
import { inject, injectable } from 'inversify';

/** Where a probe or a hook connects to. */
export interface PodAddress {
  readonly sandboxId: string;
  /** Absent: the pod's own IP. */
  readonly host: string | undefined;
  readonly port: number;
}

/**
 * Connects to pods from inside their network, by the backend's `portForward`: so it works with every backend, also where
 * the agent has no route to the pods. The address is the pod's own IP, as that of a kubelet's probe is, so that a server
 * that listens on the loopback address only is not taken for one that others reach. A pod on the host's network is asked
 * at the loopback address. See docs/decisions/0018-probes-from-inside.md.
 */
@injectable()
export class PodDialer {
  constructor(@inject(RuntimeService) private readonly service: RuntimeService) {}

  /** The host that is connected to, for a Host header and the like. */
  async hostOf({ sandboxId, host }: PodAddress, signal: AbortSignal): Promise<string> {
    if (host !== undefined) return host;
    const { ips, network } = await this.service.podSandboxStatus(sandboxId, { signal });
    return network === 'node' ? '127.0.0.1' : (ips[0] ?? '127.0.0.1');
  }

  /** @throws PodwrightError as `RuntimeService.portForward` */
  async connect(address: PodAddress, signal: AbortSignal): Promise<Duplex> {
    const host = await this.hostOf(address, signal);
    const connection = await this.service.portForward(address.sandboxId, address.port, { host, signal });
    // A probe that knows enough leaves, which some streams tell as an error; whoever reads one hears of it all the same.
    return connection.on('error', () => undefined);
  }
}

/**
 * The number behind a port of a probe or hook, which may be the name of one of the container's ports.
 * @throws PodwrightError kind `invalid-manifest`
 */
export function portNumber(container: Container, port: number | string): number {
  if (typeof port === 'number') return port;
  const named = container.ports.find(({ name }) => name === port);
  if (named) return named.containerPort;
  throw new PodwrightError(
    'invalid-manifest',
    `The container ${container.name} has no port with the name "${port}": name one of its ports, or give the number.`,
    { details: { container: container.name, port } },
  );
}
