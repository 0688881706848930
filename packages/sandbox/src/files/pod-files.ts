import type { DnsConfig } from '@podwright/core';

/** resolv.conf(5) of a pod. */
export function formatResolvConf(dns: DnsConfig): string {
  const lines = [
    ...(dns.searches.length > 0 ? [`search ${dns.searches.join(' ')}`] : []),
    ...dns.servers.map((server) => `nameserver ${server}`),
    ...(dns.options.length > 0 ? [`options ${dns.options.join(' ')}`] : []),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** Addresses of the name servers in a resolv.conf. */
export function nameservers(resolvConf: string): readonly string[] {
  return [...resolvConf.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].flatMap((match) => match[1] ?? []);
}

/** Whether a name server can be reached on the host only: a pod with a network of its own has another loopback. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/** The hosts file of a pod with a network of its own, as the kubelet writes it. */
export function formatHosts(ips: readonly string[], hostname: string): string {
  return [
    '# Made by Podwright for this pod.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...ips.map((ip) => `${ip}\t${hostname}`),
    '',
  ].join('\n');
}
