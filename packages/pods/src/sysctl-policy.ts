import { type Pod, PodwrightError } from '@podwright/core';
import type { ServiceIdentifier } from 'inversify';

/** Kernel parameters that pods may set beside the safe ones: names, or beginnings of names with `*` at the end. */
export const AllowedUnsafeSysctls: ServiceIdentifier<readonly string[]> = Symbol.for(
  'podwright.pods.AllowedUnsafeSysctls',
);

/** What a pod may set without harm to its neighbours. @see Kubernetes, "Using sysctls in a Kubernetes Cluster" */
const SAFE: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
]);

/**
 * Whether a pod may have the kernel parameters that it asks for.
 * @param allowed as `AllowedUnsafeSysctls`
 * @throws PodwrightError kind `unsupported` that says how to allow them
 */
export function checkSysctls({ metadata, spec }: Pod, allowed: readonly string[]): void {
  const refused = spec.securityContext.sysctls
    .map(({ name }) => name)
    .filter((name) => !SAFE.has(dotted(name)) && !allowed.some((pattern) => matches(dotted(name), pattern)));
  if (refused.length === 0) return;
  throw new PodwrightError(
    'unsupported',
    `The pod ${metadata.namespace}/${metadata.name} asks for ${refused.join(', ')}, which can harm other pods of the node: ` +
      'leave that out, or add it to allowedUnsafeSysctls in the configuration of the agent.',
    { details: { sysctls: refused } },
  );
}

/** sysctl(8): a name may be written with slashes, and dots then stand for themselves. */
function dotted(name: string): string {
  return /^[^./]*\//.test(name) ? name.replaceAll('/', '.') : name;
}

function matches(name: string, pattern: string): boolean {
  const wanted = dotted(pattern);
  return wanted.endsWith('*') ? name.startsWith(wanted.slice(0, -1)) : name === wanted;
}
