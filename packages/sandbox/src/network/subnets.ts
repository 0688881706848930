import { BlockList, isIP } from 'node:net';
import { PodwrightError } from '@podwright/core';

/** Address and prefix length of `10.91.0.0/16`. */
export interface Subnet {
  readonly address: string;
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** @throws PodwrightError kind `invalid-argument` */
export function parseSubnet(cidr: string): Subnet {
  const [address = '', length = ''] = cidr.split('/');
  const version = isIP(address);
  const prefix = /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  if (version === 0 || !(prefix >= 1 && prefix <= (version === 4 ? 30 : 126))) {
    throw new PodwrightError(
      'invalid-argument',
      `"${cidr}" cannot be the pods' subnet: it has to read like 10.91.0.0/16.`,
      { details: { value: cidr } },
    );
  }
  return { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' };
}

/** Whether two subnets have an address in common. */
export function subnetsOverlap(left: Subnet, right: Subnet): boolean {
  return left.family === right.family && (contains(left, right.address) || contains(right, left.address));
}

function contains({ address, prefix, family }: Subnet, candidate: string): boolean {
  const list = new BlockList();
  list.addSubnet(address, prefix, family);
  return list.check(candidate, family);
}
