import type { DnsConfig } from '@podwright/core';

/** Most that the resolver of a C library takes (resolv.conf(5), MAXNS), and that the kubelet writes. */
const SERVERS_MAX = 3;
const SEARCHES_MAX = 32;

/** Reads resolv.conf(5). The last search or domain line counts; options of several lines add up. */
export function parseResolvConf(text: string): DnsConfig {
  const servers: string[] = [];
  const options: string[] = [];
  let searches: readonly string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver') servers.push(...values.slice(0, 1));
    if (keyword === 'search') searches = values;
    if (keyword === 'domain') searches = values.slice(0, 1);
    if (keyword === 'options') options.push(...values);
  }
  return { servers, searches, options };
}

/**
 * Adds a pod's `dnsConfig` to the node's configuration as the kubelet does: servers and search domains behind the
 * node's, each once; an option replaces the node's of the same name.
 */
export function mergeDns(node: DnsConfig, pod: DnsConfig): DnsConfig {
  const nameOf = (option: string) => option.split(':')[0];
  const own = new Set(pod.options.map(nameOf));
  return {
    servers: unique([...node.servers, ...pod.servers]),
    searches: unique([...node.searches, ...pod.searches]),
    options: [...node.options.filter((option) => !own.has(nameOf(option))), ...pod.options],
  };
}

/** Cuts off what no resolver would read. @returns also what was cut off, in words */
export function fitDns(dns: DnsConfig): { readonly dns: DnsConfig; readonly dropped: readonly string[] } {
  return {
    dns: {
      servers: dns.servers.slice(0, SERVERS_MAX),
      searches: dns.searches.slice(0, SEARCHES_MAX),
      options: dns.options,
    },
    dropped: [
      ...dns.servers.slice(SERVERS_MAX).map((server) => `nameserver ${server}`),
      ...dns.searches.slice(SEARCHES_MAX).map((search) => `search ${search}`),
    ],
  };
}

/** resolv.conf(5) of a pod. */
export function formatResolvConf(dns: DnsConfig): string {
  const lines = [
    ...(dns.searches.length > 0 ? [`search ${dns.searches.join(' ')}`] : []),
    ...dns.servers.map((server) => `nameserver ${server}`),
    ...(dns.options.length > 0 ? [`options ${dns.options.join(' ')}`] : []),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** Whether a name server can be reached on the host only: a pod with a network of its own has another loopback. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

function unique(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)];
}
