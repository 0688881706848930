import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { statfs } from 'node:fs/promises';
import { availableParallelism, hostname, networkInterfaces, totalmem } from 'node:os';
import type { NodeCapacity } from '@podwright/core';
import { injectable, type ServiceIdentifier } from 'inversify';

/** What pods may ask of the node they run on. Rebind it where the agent's own view is not the node's. */
export interface NodeFacts {
  name(): string;
  /** The node's addresses, the primary one first; never empty. */
  ips(): Promise<readonly string[]>;
  /** Told to containers without a limit of their own. */
  capacity(): Promise<NodeCapacity>;
}

export const NodeFacts: ServiceIdentifier<NodeFacts> = Symbol.for('podwright.pods.NodeFacts');

/** Somewhere else: only the way there is looked up, nothing is sent. Addresses for documentation, RFC 5737 and RFC 3849. */
const ELSEWHERE = { udp4: '192.0.2.1', udp6: '2001:db8::1' } as const;

/** As this process sees it: the addresses from which the node's default routes start. */
@injectable()
export class HostNodeFacts implements NodeFacts {
  name(): string {
    return hostname();
  }

  async ips(): Promise<readonly string[]> {
    const routed = await Promise.all([sourceAddress('udp4'), sourceAddress('udp6')]);
    const found = routed.filter((ip) => ip !== undefined);
    if (found.length > 0) return found;
    // Without a default route: whatever it has, and itself at the least.
    const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    const outward = all.find(({ internal, scopeid }) => !internal && !scopeid)?.address;
    return [outward ?? '127.0.0.1'];
  }

  async capacity(): Promise<NodeCapacity> {
    const { blocks, bsize } = await statfs('/');
    return {
      cpuMillis: availableParallelism() * 1000,
      memoryBytes: totalmem(),
      ephemeralStorageBytes: blocks * bsize,
    };
  }
}

async function sourceAddress(type: 'udp4' | 'udp6'): Promise<string | undefined> {
  const socket = createSocket(type);
  try {
    socket.connect(9, ELSEWHERE[type]);
    await once(socket, 'connect');
    return socket.address().address;
  } catch {
    return undefined;
  } finally {
    socket.close();
  }
}
