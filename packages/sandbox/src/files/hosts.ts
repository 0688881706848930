import type { HostAlias } from '@podwright/core';

/** What a pod's hosts file says of it. */
export interface HostsContent {
  readonly ips: readonly string[];
  readonly hostname: string;
  /** With it, the pod is known by `hostname.domain` too. */
  readonly domain?: string;
  readonly hostAliases: readonly HostAlias[];
}

/** The hosts file of a pod with a network of its own, as the kubelet writes it. */
export function formatHosts({ ips, hostname, domain, hostAliases }: HostsContent): string {
  const names = podNames(hostname, domain).join('\t');
  return [
    '# Made by Podwright for this pod.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...ips.map((ip) => `${ip}\t${names}`),
    ...aliasLines(hostAliases),
    '',
  ].join('\n');
}

/** The node's hosts file for a pod with the node's network, with the pod's aliases behind it. */
export function nodeHosts(text: string, hostAliases: readonly HostAlias[]): string {
  if (hostAliases.length === 0) return text;
  return `${text.replace(/\n*$/, '\n')}${aliasLines(hostAliases).join('\n')}\n`;
}

/** The fully qualified name first, hosts(5). A host name that is the whole of it (`setHostnameAsFQDN`) is cut for the short one. */
function podNames(hostname: string, domain: string | undefined): readonly string[] {
  if (domain === undefined || domain === '') return [hostname];
  const short = hostname.endsWith(`.${domain}`) ? hostname.slice(0, -domain.length - 1) : hostname;
  return [`${short}.${domain}`, short];
}

function aliasLines(aliases: readonly HostAlias[]): readonly string[] {
  if (aliases.length === 0) return [];
  return [
    '',
    '# hostAliases of the pod',
    ...aliases.map(({ ip, hostnames }) => [ip, ...hostnames].join('\t')),
  ];
}
