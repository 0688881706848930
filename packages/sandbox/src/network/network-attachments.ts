import type { CniAttachment } from '../cni/cni-invocation.js';
import { parseCniResult, podAddresses } from '../cni/cni-result.js';

/** One network that a pod is connected to; after the network status of the Network Plumbing Working Group's standard. */
export interface PodNetworkAttachment {
  readonly name: string;
  /** In the pod, e.g. `eth0`. */
  readonly interface: string;
  readonly ips: readonly string[];
  readonly mac?: string;
  /** The primary network: its addresses are the pod's. */
  readonly default: boolean;
}

/** What became of a pod's attachments; those that have no result yet are left out. */
export function networkAttachments(attachments: readonly CniAttachment[]): readonly PodNetworkAttachment[] {
  return attachments.flatMap(({ network, ifName, result }, index) => {
    if (result === undefined) return [];
    const parsed = parseCniResult(result);
    const inside = parsed.interfaces.find(({ name, sandbox }) => name === ifName && sandbox !== undefined);
    return [
      {
        name: network.name,
        interface: ifName,
        ips: podAddresses(parsed),
        ...(inside?.mac === undefined ? {} : { mac: inside.mac }),
        default: index === 0,
      },
    ];
  });
}
