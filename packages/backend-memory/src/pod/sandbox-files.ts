import type { DnsConfig } from '@podwright/core';
import type { SimulatedSandbox } from './simulated-sandbox.js';

/** What the node's own resolv.conf says. */
const NODE_DNS: DnsConfig = { servers: ['192.0.2.53'], searches: [], options: [] };

/** Files that all containers of a sandbox see, by path: its names, and its kernel parameters. */
export function sandboxFiles(sandbox: SimulatedSandbox): Readonly<Record<string, string>> {
  const { sysctls = {} } = sandbox.config;
  return {
    '/etc/hostname': `${sandbox.hostname}\n`,
    '/etc/hosts': hosts(sandbox),
    '/etc/resolv.conf': resolvConf(sandbox),
    ...Object.fromEntries(
      Object.entries(sysctls).map(([name, value]) => [
        `/proc/sys/${name.replaceAll('.', '/')}`,
        `${value}\n`,
      ]),
    ),
  };
}

function hosts({ hostname, network, config: { domain, hostAliases = [] } }: SimulatedSandbox): string {
  const short =
    domain !== undefined && hostname.endsWith(`.${domain}`)
      ? hostname.slice(0, -domain.length - 1)
      : hostname;
  const names = domain === undefined ? hostname : `${short}.${domain}\t${short}`;
  return [
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost',
    ...network.ips.map((ip) => `${ip}\t${names}`),
    ...hostAliases.map(({ ip, hostnames }) => [ip, ...hostnames].join('\t')),
    '',
  ].join('\n');
}

function resolvConf({ config: { dns, dnsPolicy = 'None' } }: SimulatedSandbox): string {
  const { servers, searches, options } =
    dns === undefined ? NODE_DNS : dnsPolicy === 'None' ? dns : added(dns);
  return [
    ...servers.map((server) => `nameserver ${server}`),
    ...(searches.length > 0 ? [`search ${searches.join(' ')}`] : []),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
    '',
  ].join('\n');
}

function added({ servers, searches, options }: DnsConfig): DnsConfig {
  return {
    servers: [...new Set([...NODE_DNS.servers, ...servers])],
    searches: [...NODE_DNS.searches, ...searches],
    options: [...NODE_DNS.options, ...options],
  };
}
