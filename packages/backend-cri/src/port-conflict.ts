import type { PortMapping } from '@podwright/core';

/** The first port of the host that is asked for and taken; runtimes let the second pod of a port hang. */
export function portConflict(
  asked: readonly PortMapping[],
  taken: readonly PortMapping[],
): PortMapping | undefined {
  return asked.find((port) =>
    taken.some(
      (other) =>
        other.protocol === port.protocol &&
        other.hostPort === port.hostPort &&
        (isAll(other.hostIp) || isAll(port.hostIp) || other.hostIp === port.hostIp),
    ),
  );
}

function isAll(address: string | undefined): boolean {
  return address === undefined || address === '' || address === '0.0.0.0' || address === '::';
}
