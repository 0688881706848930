import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';

/** An address of one of the host's interfaces. */
export interface InterfaceAddress {
  readonly interfaceName: string;
  readonly address: string;
  /** With its prefix length. */
  readonly cidr: string;
  readonly family: 'IPv4' | 'IPv6';
  readonly internal: boolean;
}

/** The interface of the default route with the smallest metric, from /proc/net/route. */
export function defaultRouteInterface(routes: string): string | undefined {
  return routes
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .filter((fields) => fields[1] === '00000000' && fields[7] === '00000000')
    .sort((left, right) => Number(left[6]) - Number(right[6]))[0]?.[0];
}

/**
 * The node's addresses as a pod with the node's network shows them: one of each family of the interface that has the
 * default route, else of the first other one; the loopback address on a host that has nothing else.
 * @param bridge the pods' own bridge, which is no address of the node
 */
export function nodeAddresses(
  addresses: readonly InterfaceAddress[],
  defaultInterface: string | undefined,
  bridge: string,
): readonly string[] {
  const usable = addresses.filter(
    ({ internal, interfaceName, address }) =>
      !internal && interfaceName !== bridge && !/^fe[89ab]/i.test(address),
  );
  const chosen = usable.filter(({ interfaceName }) => interfaceName === defaultInterface);
  const from =
    chosen.length > 0 ? chosen : usable.slice(0, 1).flatMap((first) => sameInterface(usable, first));
  const firstOf = (family: 'IPv4' | 'IPv6') => from.find((entry) => entry.family === family)?.address;
  const found = [firstOf('IPv4'), firstOf('IPv6')].filter((address) => address !== undefined);
  return found.length > 0 ? found : ['127.0.0.1'];
}

/** The addresses of this machine now. */
export function interfaceAddresses(): readonly InterfaceAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([interfaceName, entries]) =>
    (entries ?? []).map(({ address, cidr, family, internal }) => ({
      interfaceName,
      address,
      cidr: cidr ?? address,
      family,
      internal,
    })),
  );
}

/** The node's addresses now. */
export async function readNodeAddresses(bridge: string): Promise<readonly string[]> {
  // A kernel without IPv4 has no such file, and then no such route.
  const routes = await readFile('/proc/net/route', 'utf8').catch(() => '');
  return nodeAddresses(interfaceAddresses(), defaultRouteInterface(routes), bridge);
}

function sameInterface(
  addresses: readonly InterfaceAddress[],
  { interfaceName }: InterfaceAddress,
): readonly InterfaceAddress[] {
  return addresses.filter((entry) => entry.interfaceName === interfaceName);
}
