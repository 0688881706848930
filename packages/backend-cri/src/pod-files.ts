import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { type DnsConfig, Logger, type PodSandboxConfig, systemErrorCode } from '@podwright/core';
import { writeFileAtomic } from '@podwright/nsenter';
import { fitDns, formatHosts, isLoopback, mergeDns, nodeHosts, parseResolvConf } from '@podwright/sandbox';
import { inject, injectable } from 'inversify';

/** systemd-resolved's own list of servers, beside the stub that /etc/resolv.conf then names. */
const RESOLVED_CONF = '/run/systemd/resolve/resolv.conf';

/** What a pod has in /etc. The CRI leaves /etc/hosts to its client, which mounts it, as the kubelet does. */
@injectable()
export class PodFiles {
  constructor(@inject(Logger) private readonly logger: Logger) {}

  /** The pod's own hosts file, in the place of the node's. */
  async writeHosts(path: string, config: PodSandboxConfig, ips: readonly string[]): Promise<void> {
    const { hostname = '', domain, hostAliases = [], network } = config;
    const content =
      network === 'node'
        ? nodeHosts(await textOf('/etc/hosts'), hostAliases)
        : formatHosts({ ips, hostname, hostAliases, ...(domain === undefined ? {} : { domain }) });
    await writeFileAtomic(path, content, { mode: 0o644 });
  }

  /** What a pod's resolv.conf is to say; undefined: what the node's says, which the runtime copies. */
  async dns({ metadata, dns, dnsPolicy, network }: PodSandboxConfig): Promise<DnsConfig | undefined> {
    if (dns === undefined || dnsPolicy !== 'Default') return dns;
    const node = parseResolvConf(await this.nodeResolvConf(network === 'pod'));
    const { dns: merged, dropped } = fitDns(mergeDns(node, dns));
    if (dropped.length > 0) {
      this.logger.warn('a pod’s resolv.conf would have more than resolvers read: the rest is left out', {
        podUid: metadata.uid,
        dropped,
      });
    }
    return merged;
  }

  /** Where the node only has systemd-resolved's stub on loopback: the servers behind it. */
  private async nodeResolvConf(ownNetwork: boolean): Promise<string> {
    const text = await textOf('/etc/resolv.conf');
    const { servers } = parseResolvConf(text);
    if (!ownNetwork || !servers.some(isLoopback) || !servers.includes('127.0.0.53')) return text;
    return (await textOf(RESOLVED_CONF)) || text;
  }
}

/** The node's addresses, IPv4 first; loopback ones only where there are no others. */
export function nodeAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const outside = all.filter(({ internal, address }) => !internal && !address.startsWith('fe80:'));
  const found = (outside.length > 0 ? outside : all).map(({ address, family }) => ({ address, family }));
  return found.sort((a, b) => a.family.localeCompare(b.family)).map(({ address }) => address);
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return '';
    throw error;
  }
}
