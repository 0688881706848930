import { join } from 'node:path';
import { PodwrightError } from '@podwright/core';
import type { CniNetwork, CniPluginConfig } from '../cni/cni-config.js';
import type { SandboxOptions } from '../sandbox-options.js';
import { networkRunDir } from '../sandbox-paths.js';
import type { InterfaceAddress } from './node-addresses.js';
import { parseSubnet, subnetsOverlap } from './subnets.js';

export const DEFAULT_NETWORK_NAME = 'podwright';

/** Where host-local keeps the default network's leases; they end with the boot, as the namespaces do. */
export function leasesDir(options: SandboxOptions): string {
  return join(networkRunDir(options), 'networks');
}

/**
 * The network that pods get when the host has none configured: a bridge with masquerading.
 *
 * Version 0.4.0 of the format, which every plugin release since 2020 reads. portmap is left out for a pod without host
 * ports: it would only be asked to do nothing, at 10 ms a call.
 */
export function defaultNetwork(options: SandboxOptions, withPorts: boolean): CniNetwork {
  const { family } = parseSubnet(options.defaultSubnet);
  const bridge: CniPluginConfig = {
    type: 'bridge',
    bridge: options.defaultBridge,
    isGateway: true,
    ipMasq: true,
    hairpinMode: true,
    ipam: {
      type: 'host-local',
      dataDir: leasesDir(options),
      ranges: [[{ subnet: options.defaultSubnet }]],
      routes: [{ dst: family === 'ipv4' ? '0.0.0.0/0' : '::/0' }],
    },
  };
  const portmap: CniPluginConfig = { type: 'portmap', capabilities: { portMappings: true } };
  return {
    cniVersion: '0.4.0',
    name: DEFAULT_NETWORK_NAME,
    // CHECK of portmap 1.1 asks for IPv6 rules that ADD never made, and fails for every pod with IPv4 only.
    disableCheck: withPorts,
    plugins: withPorts ? [bridge, portmap] : [bridge],
  };
}

/** Whether a pod was connected to the default network, with the present options or others. */
export function isDefaultNetwork(network: CniNetwork, options: SandboxOptions): boolean {
  return network.name === DEFAULT_NETWORK_NAME && network.plugins[0]?.['bridge'] === options.defaultBridge;
}

/**
 * Refuses a subnet that the host already reaches in another way.
 * @throws PodwrightError kind `failed-precondition` that names the interface
 */
export function checkSubnet(options: SandboxOptions, addresses: readonly InterfaceAddress[]): void {
  const subnet = parseSubnet(options.defaultSubnet);
  for (const { interfaceName, cidr, family, internal } of addresses) {
    if (internal || interfaceName === options.defaultBridge) continue;
    const [address = '', prefix] = cidr.split('/');
    const other = { address, prefix: Number(prefix), family: family === 'IPv4' ? 'ipv4' : 'ipv6' } as const;
    if (!subnetsOverlap(subnet, other)) continue;
    throw new PodwrightError(
      'failed-precondition',
      `The pods' default subnet ${options.defaultSubnet} clashes with ${cidr} of interface ${interfaceName}. ` +
        'Set defaultSubnet to one that is free.',
      { details: { subnet: options.defaultSubnet, interfaceName, cidr } },
    );
  }
}
