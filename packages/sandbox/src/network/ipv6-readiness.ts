import { readFile } from 'node:fs/promises';
import { PodwrightError, systemErrorCode } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';

/** Flag of a route that a router's advertisement made, RTF_ADDRCONF of the kernel's ipv6_route.h. */
const RTF_ADDRCONF = 0x0004_0000;

/** What decides whether pods can have IPv6 addresses. */
export interface Ipv6Facts {
  /** /proc/sys/net/ipv6/conf/{all,default}/disable_ipv6; undefined on a kernel without IPv6. */
  readonly disabled: readonly (string | undefined)[];
  /** /proc/sys/net/ipv6/conf/all/forwarding */
  readonly forwarding: string | undefined;
  /** accept_ra by interface, of those with an advertised default route. */
  readonly acceptRa: Readonly<Record<string, string | undefined>>;
  /** ip6tables-save works. */
  readonly packetFilter: boolean;
}

/** Why pods cannot have IPv6, in words; undefined when they can. */
export function ipv6Refusal({ disabled, forwarding, acceptRa, packetFilter }: Ipv6Facts): string | undefined {
  if (disabled.some((value) => value?.trim() !== '0')) return 'IPv6 is not there or disabled (disable_ipv6)';
  if (!packetFilter) return 'ip6tables-save does not work';
  if (forwarding?.trim() !== '0') return undefined;
  const losing = Object.entries(acceptRa).find(([, value]) => value?.trim() !== '2')?.[0];
  if (losing === undefined) return undefined;
  return `the host would lose its default route, which a router advertised on ${losing}: set net.ipv6.conf.${losing}.accept_ra=2`;
}

/** Interfaces with a default route that a router advertised. */
export function advertisedInterfaces(routes: string): readonly string[] {
  return routes.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const [destination, length] = fields;
    const isDefault = destination === '0'.repeat(32) && length === '00';
    const flags = Number.parseInt(fields[8] ?? '0', 16);
    const device = fields[9];
    return isDefault && (flags & RTF_ADDRCONF) !== 0 && device !== undefined ? [device] : [];
  });
}

/** Looks whether pods of the default network can have IPv6 addresses beside those of IPv4. */
@injectable()
export class Ipv6Readiness {
  /** Asked once: a program and a facility of the kernel do not come and go as settings do. */
  #packetFilter: Promise<boolean> | undefined;

  constructor(@inject(HostExecutor) private readonly executor: HostExecutor) {}

  /** As `ipv6Refusal`, now. */
  async refusal(): Promise<string | undefined> {
    const setting = (device: string, name: string) => this.#read(`/proc/sys/net/ipv6/conf/${device}/${name}`);
    const [all, preset, forwarding, routes] = await Promise.all([
      setting('all', 'disable_ipv6'),
      setting('default', 'disable_ipv6'),
      setting('all', 'forwarding'),
      this.#read('/proc/net/ipv6_route'),
    ]);
    const disabled = [all, preset];
    if (disabled.includes(undefined))
      return ipv6Refusal({ disabled, forwarding, acceptRa: {}, packetFilter: true });
    const devices = advertisedInterfaces(routes ?? '');
    const acceptRa = await Promise.all(devices.map(async (name) => [name, await setting(name, 'accept_ra')]));
    this.#packetFilter ??= this.#hasPacketFilter();
    return ipv6Refusal({
      disabled,
      forwarding,
      acceptRa: Object.fromEntries(acceptRa),
      packetFilter: await this.#packetFilter,
    });
  }

  async #hasPacketFilter(): Promise<boolean> {
    const found = await this.executor
      .run({ command: 'ip6tables-save', args: ['-t', 'filter'], okExitCodes: 'any' })
      .catch((error: unknown) => {
        if (PodwrightError.is(error, 'missing-requirement')) return undefined;
        throw error;
      });
    return found?.exitCode === 0;
  }

  async #read(path: string): Promise<string | undefined> {
    return readFile(this.executor.hostPath(path), 'utf8').catch((error: unknown) => {
      if (systemErrorCode(error) === 'ENOENT') return undefined;
      throw error;
    });
  }
}
