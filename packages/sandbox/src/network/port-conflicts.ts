import type { PortMapping, Protocol } from '@podwright/core';

/** A port of the host and who has it, in words. */
export interface HeldPort {
  readonly protocol: Protocol;
  readonly port: number;
  /** Absent: all addresses. */
  readonly address?: string;
  readonly holder: string;
}

export interface PortConflict {
  readonly wanted: PortMapping;
  readonly held: HeldPort;
}

const PROTOCOLS: Readonly<Record<string, Protocol>> = { tcp: 'TCP', udp: 'UDP', sctp: 'SCTP' };

/** The first wanted port that somebody has on an overlapping address, also within the wanted ones themselves. */
export function findPortConflict(
  wanted: readonly PortMapping[],
  held: readonly HeldPort[],
): PortConflict | undefined {
  const taken = [...held];
  for (const mapping of wanted) {
    const conflict = taken.find(
      (other) =>
        other.protocol === mapping.protocol &&
        other.port === mapping.hostPort &&
        overlap(other.address, mapping.hostIp),
    );
    if (conflict) return { wanted: mapping, held: conflict };
    taken.push(heldPort(mapping, 'the same pod'));
  }
  return undefined;
}

/** What a port mapping holds. */
export function heldPort(mapping: PortMapping, holder: string): HeldPort {
  return {
    protocol: mapping.protocol,
    port: mapping.hostPort,
    ...(isAnyAddress(mapping.hostIp) ? {} : { address: mapping.hostIp }),
    holder,
  } as HeldPort;
}

/** Filter of ss(8) for listeners on these ports. */
export function listenerFilter(ports: readonly number[]): string {
  return ports.map((port) => `sport = :${port}`).join(' or ');
}

/** Reads `ss -H -n -l -p` of TCP, UDP and SCTP sockets: `tcp LISTEN 0 128 127.0.0.1:80 0.0.0.0:* users:(("x",pid=1,fd=3))`. */
export function parseListeners(output: string): readonly HeldPort[] {
  return output.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const protocol = PROTOCOLS[fields[0] ?? ''];
    const local = /^(.*):(\d+)$/.exec(fields[4] ?? '');
    if (protocol === undefined || local?.[1] === undefined) return [];
    const address = local[1].replace(/^\[|\]$/g, '').replace(/%.*$/, '');
    const user = /users:\(\("([^"]*)",pid=(\d+)/.exec(line);
    const holder = user ? `process ${user[2]} (${user[1]})` : 'a process of the host';
    const port = Number(local[2]);
    return [{ protocol, port, holder, ...(isAnyAddress(address) ? {} : { address }) }];
  });
}

function overlap(left: string | undefined, right: string | undefined): boolean {
  return isAnyAddress(left) || isAnyAddress(right) || left === right;
}

function isAnyAddress(address: string | undefined): boolean {
  return address === undefined || address === '' || ['*', '0.0.0.0', '::'].includes(address);
}
