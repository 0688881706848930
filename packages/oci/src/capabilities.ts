import { type ContainerSecurity, PodwrightError } from '@podwright/core';
import type { OciCapabilities } from './runtime-spec.js';

/** Every capability with its number, as in linux/capability.h. */
export const capabilityNumbers: ReadonlyMap<string, number> = new Map(
  [
    'CAP_CHOWN',
    'CAP_DAC_OVERRIDE',
    'CAP_DAC_READ_SEARCH',
    'CAP_FOWNER',
    'CAP_FSETID',
    'CAP_KILL',
    'CAP_SETGID',
    'CAP_SETUID',
    'CAP_SETPCAP',
    'CAP_LINUX_IMMUTABLE',
    'CAP_NET_BIND_SERVICE',
    'CAP_NET_BROADCAST',
    'CAP_NET_ADMIN',
    'CAP_NET_RAW',
    'CAP_IPC_LOCK',
    'CAP_IPC_OWNER',
    'CAP_SYS_MODULE',
    'CAP_SYS_RAWIO',
    'CAP_SYS_CHROOT',
    'CAP_SYS_PTRACE',
    'CAP_SYS_PACCT',
    'CAP_SYS_ADMIN',
    'CAP_SYS_BOOT',
    'CAP_SYS_NICE',
    'CAP_SYS_RESOURCE',
    'CAP_SYS_TIME',
    'CAP_SYS_TTY_CONFIG',
    'CAP_MKNOD',
    'CAP_LEASE',
    'CAP_AUDIT_WRITE',
    'CAP_AUDIT_CONTROL',
    'CAP_SETFCAP',
    'CAP_MAC_OVERRIDE',
    'CAP_MAC_ADMIN',
    'CAP_SYSLOG',
    'CAP_WAKE_ALARM',
    'CAP_BLOCK_SUSPEND',
    'CAP_AUDIT_READ',
    'CAP_PERFMON',
    'CAP_BPF',
    'CAP_CHECKPOINT_RESTORE',
  ].map((name, number) => [name, number]),
);

/** What a container has when nothing is said: the list of Docker and containerd. */
export const defaultCapabilities: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
];

/**
 * A capability's name with `CAP_`, in capital letters.
 * @param name with or without `CAP_`, in any case
 * @throws PodwrightError kind `invalid-argument` for a name that Linux does not have
 */
export function capabilityName(name: string): string {
  const upper = name.toUpperCase();
  const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  if (!capabilityNumbers.has(full)) {
    throw new PodwrightError(
      'invalid-argument',
      `"${name}" is no capability of Linux: use a name of capabilities(7) such as NET_ADMIN, or ALL.`,
      { details: { value: name } },
    );
  }
  return full;
}

/**
 * The names in a mask as /proc/PID/status prints it (`CapBnd:`), in the order of their numbers.
 * @param hexMask up to 16 hexadecimal digits
 */
export function capabilitiesOfMask(hexMask: string): readonly string[] {
  const mask = BigInt(`0x${hexMask.trim()}`);
  return [...capabilityNumbers].filter(([, number]) => (mask >> BigInt(number)) & 1n).map(([name]) => name);
}

/**
 * The capabilities a container may use, in the order of their numbers.
 *
 * `ALL` in either list takes or leaves all of them; a single name wins over `ALL` of the other list, and dropping wins
 * over adding the same name or `ALL`, as in containerd. A capability that this host does not have is an error only when it
 * was asked for by name.
 * @param available names with `CAP_` that this host can give
 * @throws PodwrightError kind `invalid-argument` (unknown name), `missing-requirement` (this host lacks it)
 */
export function resolveCapabilities(
  security: Pick<ContainerSecurity, 'privileged' | 'addCapabilities' | 'dropCapabilities'>,
  available: readonly string[],
): readonly string[] {
  const inOrder = (names: ReadonlySet<string>) =>
    [...capabilityNumbers.keys()].filter((name) => names.has(name) && available.includes(name));
  if (security.privileged === true) return inOrder(new Set(capabilityNumbers.keys()));

  const add = split(security.addCapabilities ?? []);
  const drop = split(security.dropCapabilities ?? []);
  const missing = add.names.filter((name) => !available.includes(name) && !drop.names.includes(name));
  if (missing.length > 0) {
    throw new PodwrightError(
      'missing-requirement',
      `The container asks for ${missing.join(', ')}, which this host cannot give: it is not in the bounding set of ` +
        'its first process. Leave it out, or run on a host that has it.',
      { details: { missing } },
    );
  }
  const names = new Set<string>(drop.all ? [] : add.all ? capabilityNumbers.keys() : defaultCapabilities);
  for (const name of add.names) names.add(name);
  for (const name of drop.names) names.delete(name);
  return inOrder(names);
}

/**
 * The five sets of a process. Inheritable and ambient stay empty (CVE-2022-24769): a process of another user than root
 * has no capability after execve(2), as under containerd and CRI-O.
 */
export function capabilitySets(capabilities: readonly string[]): OciCapabilities {
  return {
    bounding: capabilities,
    effective: capabilities,
    permitted: capabilities,
    inheritable: [],
    ambient: [],
  };
}

function split(list: readonly string[]): { all: boolean; names: readonly string[] } {
  const isAll = (name: string) => ['ALL', 'CAP_ALL'].includes(name.toUpperCase());
  return { all: list.some(isAll), names: list.filter((name) => !isAll(name)).map(capabilityName) };
}
