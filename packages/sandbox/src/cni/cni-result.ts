import { PodwrightError } from '@podwright/core';
import { isJsonObject, type JsonObject } from './cni-config.js';

export interface CniInterface {
  readonly name: string;
  readonly mac?: string;
  /** Path of the namespace it is in; absent for one on the host. */
  readonly sandbox?: string;
}

export interface CniAddress {
  /** With its prefix length, e.g. `10.91.0.2/16`. */
  readonly address: string;
  readonly gateway?: string;
  /** Index into `interfaces`. */
  readonly interface?: number;
}

/** What a plugin chain gave a pod, the same for every version of the format. */
export interface CniResult {
  readonly interfaces: readonly CniInterface[];
  readonly addresses: readonly CniAddress[];
  readonly nameservers: readonly string[];
}

/**
 * Reads a success result of any version: 0.1.0 and 0.2.0 have `ip4` and `ip6`, later ones a list `ips`.
 * @throws PodwrightError kind `command-failed` when it has neither form
 */
export function parseCniResult(value: unknown): CniResult {
  const refuse = (why: string) =>
    new PodwrightError('command-failed', `A CNI plugin gave a result that cannot be read: ${why}.`, {
      details: { result: value },
    });
  if (!isJsonObject(value)) throw refuse('it is not a JSON object');
  const dns = isJsonObject(value['dns']) ? value['dns'] : {};
  const nameservers = texts(dns['nameservers']);
  if ('ip4' in value || 'ip6' in value) {
    const addresses = [value['ip4'], value['ip6']].filter(isJsonObject).map((ip) => {
      const address = ip['ip'];
      if (typeof address !== 'string') throw refuse('an address has no "ip"');
      return { address, ...text('gateway', ip) };
    });
    return { interfaces: [], addresses, nameservers };
  }
  const interfaces = list(value['interfaces']).map((entry) => {
    const name = entry['name'];
    if (typeof name !== 'string') throw refuse('an interface has no "name"');
    return { name, ...text('mac', entry), ...text('sandbox', entry) };
  });
  const addresses = list(value['ips']).map((entry) => {
    const address = entry['address'];
    if (typeof address !== 'string') throw refuse('an address has no "address"');
    const index = entry['interface'];
    return { address, ...text('gateway', entry), ...(typeof index === 'number' ? { interface: index } : {}) };
  });
  return { interfaces, addresses, nameservers };
}

/** The pod's own addresses in the result's order, without prefix lengths; those of the host's interfaces are not its own. */
export function podAddresses(result: CniResult): readonly string[] {
  return result.addresses
    .filter(({ interface: index }) => index === undefined || result.interfaces[index]?.sandbox !== undefined)
    .map(({ address }) => address.replace(/\/\d+$/, ''));
}

function list(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : [];
}

/** An optional text field of an object; plugins write an empty one for none. */
function text<Name extends string>(name: Name, from: JsonObject): { readonly [key in Name]?: string } {
  const value = from[name];
  return typeof value === 'string' && value !== '' ? ({ [name]: value } as { [key in Name]: string }) : {};
}
