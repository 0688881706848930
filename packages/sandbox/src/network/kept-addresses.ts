import { type CniNetwork, type CniPluginConfig, isJsonObject } from '../cni/cni-config.js';
import type { CniAttachment } from '../cni/cni-invocation.js';
import type { PodNetworkAttachment } from './network-attachments.js';

/**
 * Has a network asked for the addresses that a pod had on it, by the conventional argument `args.cni.ips`, which
 * host-local reads (CONVENTIONS.md of the CNI specification). Other plugins give what they give.
 * @param before what the pod was connected to
 */
export function askForAddresses(
  attachment: CniAttachment,
  before: readonly PodNetworkAttachment[],
): CniAttachment {
  const { network, ifName } = attachment;
  const ips =
    before.find(({ name, interface: known }) => name === network.name && known === ifName)?.ips ?? [];
  if (ips.length === 0 || !network.plugins.some(hasHostLocal)) return attachment;
  return { ...attachment, network: withArguments(network, ips) };
}

function withArguments(network: CniNetwork, ips: readonly string[]): CniNetwork {
  return {
    ...network,
    plugins: network.plugins.map((plugin) => {
      if (!hasHostLocal(plugin)) return plugin;
      const args = isJsonObject(plugin['args']) ? plugin['args'] : {};
      const cni = isJsonObject(args['cni']) ? args['cni'] : {};
      return { ...plugin, args: { ...args, cni: { ...cni, ips } } };
    }),
  };
}

function hasHostLocal(plugin: CniPluginConfig): boolean {
  const ipam = plugin['ipam'];
  return isJsonObject(ipam) && ipam['type'] === 'host-local';
}
