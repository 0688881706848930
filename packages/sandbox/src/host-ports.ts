import { PodwrightError } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import {
  findPortConflict,
  type HeldPort,
  heldPort,
  listenerFilter,
  parseListeners,
} from './network/port-conflicts.js';
import type { SandboxConfig } from './sandbox-record.js';

/** A sandbox that has host ports or is about to get them. */
export type PortOwner = Pick<SandboxConfig, 'metadata' | 'portMappings'>;

/** Refuses host ports that somebody has. */
@injectable()
export class HostPorts {
  constructor(@inject(HostExecutor) private readonly executor: HostExecutor) {}

  /** @throws PodwrightError kind `port-in-use` when one of the owners has a port that is wanted */
  checkOwners({ portMappings }: PortOwner, owners: readonly PortOwner[]): void {
    refuseConflict(
      portMappings,
      owners.flatMap(({ metadata, portMappings: held }) =>
        held.map((mapping) => heldPort(mapping, `pod ${metadata.namespace}/${metadata.name}`)),
      ),
    );
  }

  /**
   * Looks for processes of the host that listen: a mapped port would take their connections away without a word.
   * @throws PodwrightError kind `port-in-use` that names the process
   */
  async checkListeners({ portMappings }: PortOwner, signal?: AbortSignal): Promise<void> {
    if (portMappings.length === 0) return;
    const { stdout } = await this.executor.run({
      command: 'ss',
      args: ['-HnlptuS', listenerFilter(portMappings.map(({ hostPort }) => hostPort))],
      ...(signal ? { signal } : {}),
    });
    refuseConflict(portMappings, parseListeners(stdout.toString()));
  }
}

function refuseConflict(wanted: PortOwner['portMappings'], held: readonly HeldPort[]): void {
  const conflict = findPortConflict(wanted, held);
  if (conflict === undefined) return;
  const { hostPort, protocol, hostIp } = conflict.wanted;
  throw new PodwrightError(
    'port-in-use',
    `Host port ${hostPort}/${protocol}${hostIp ? ` on ${hostIp}` : ''} is taken by ${conflict.held.holder}. ` +
      'Choose another hostPort, or end what has it.',
    { details: { port: hostPort, protocol, holder: conflict.held.holder } },
  );
}
