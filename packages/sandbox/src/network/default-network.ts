import { join } from 'node:path';
import { PodwrightError } from '@podwright/core';
import { type CniNetwork, type CniPluginConfig, isJsonObject } from '../cni/cni-config.js';
import type { SandboxOptions } from '../sandbox-options.js';
import { networkRunDir } from '../sandbox-paths.js';
import type { InterfaceAddress } from './node-addresses.js';
import { parseSubnet, subnetsOverlap } from './subnets.js';

export const DEFAULT_NETWORK_NAME = 'podwright';

/** Where host-local keeps the default network's leases; they end with the boot, as the namespaces do. */
export function leasesDir(options: SandboxOptions): string {
  return join(networkRunDir(options), 'networks');
}

/** What of the default network depends on the pod and on the host. */
export interface DefaultNetworkNeeds {
  /** The pod has host ports. */
  readonly ports: boolean;
  /** The pod has a limit of its bandwidth. */
  readonly bandwidth: boolean;
  /** Pods get addresses of `defaultSubnet6` too. */
  readonly ipv6: boolean;
}

/**
 * The network that pods get when the host has none configured: a bridge, whose masquerading `DefaultNetworkHost` makes.
 *
 * Version 0.4.0 of the format, which every plugin release since 2020 reads. portmap and bandwidth are left out for a
 * pod that does not need them: they would only be asked to do nothing, at 10 ms a call.
 */
export function defaultNetwork(options: SandboxOptions, needs: DefaultNetworkNeeds): CniNetwork {
  const subnets = defaultSubnets(options, needs.ipv6);
  const bridge: CniPluginConfig = {
    type: 'bridge',
    bridge: options.defaultBridge,
    isGateway: true,
    hairpinMode: true,
    ipam: {
      type: 'host-local',
      dataDir: leasesDir(options),
      ranges: subnets.map((subnet) => [{ subnet }]),
      routes: subnets.map((subnet) => ({
        dst: parseSubnet(subnet).family === 'ipv4' ? '0.0.0.0/0' : '::/0',
      })),
    },
  };
  const portmap: CniPluginConfig = { type: 'portmap', capabilities: { portMappings: true } };
  const bandwidth: CniPluginConfig = { type: 'bandwidth', capabilities: { bandwidth: true } };
  return {
    cniVersion: '0.4.0',
    name: DEFAULT_NETWORK_NAME,
    // CHECK of portmap 1.1 asks for IPv6 rules that ADD never made, and fails for every pod with IPv4 only.
    disableCheck: needs.ports,
    plugins: [bridge, ...(needs.ports ? [portmap] : []), ...(needs.bandwidth ? [bandwidth] : [])],
  };
}

/** The subnets with which a default network was made, the primary one first. */
export function subnetsOf({ plugins }: CniNetwork): readonly string[] {
  const ipam = plugins[0]?.['ipam'];
  const ranges = isJsonObject(ipam) && Array.isArray(ipam['ranges']) ? ipam['ranges'].flat() : [];
  return ranges.flatMap((range: unknown) =>
    isJsonObject(range) && typeof range['subnet'] === 'string' ? [range['subnet']] : [],
  );
}

function defaultSubnets(options: SandboxOptions, ipv6: boolean): readonly string[] {
  return ipv6 && options.defaultSubnet6 !== 'off'
    ? [options.defaultSubnet, options.defaultSubnet6]
    : [options.defaultSubnet];
}

/** Whether a pod was connected to the default network, with the present options or others. */
export function isDefaultNetwork(network: CniNetwork, options: SandboxOptions): boolean {
  return network.name === DEFAULT_NETWORK_NAME && network.plugins[0]?.['bridge'] === options.defaultBridge;
}

/**
 * Refuses subnets that the host already reaches in another way.
 * @throws PodwrightError kind `failed-precondition` that names the interface
 */
export function checkSubnets(
  subnets: readonly string[],
  bridge: string,
  addresses: readonly InterfaceAddress[],
): void {
  for (const text of subnets) {
    const subnet = parseSubnet(text);
    for (const { interfaceName, cidr, family, internal } of addresses) {
      if (internal || interfaceName === bridge) continue;
      const [address = '', prefix] = cidr.split('/');
      const other = {
        address,
        prefix: Number(prefix),
        family: family === 'IPv4' ? 'ipv4' : 'ipv6',
      } as const;
      if (!subnetsOverlap(subnet, other)) continue;
      const option = subnet.family === 'ipv4' ? 'defaultSubnet' : 'defaultSubnet6';
      throw new PodwrightError(
        'failed-precondition',
        `The pods' default subnet ${text} clashes with ${cidr} of interface ${interfaceName}. ` +
          `Set ${option} to one that is free.`,
        { details: { subnet: text, interfaceName, cidr } },
      );
    }
  }
}
