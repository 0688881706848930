import { PodwrightError, type StringMap } from '@podwright/core';

/** Which of the namespaces that hold kernel parameters are not the host's. */
export interface SysctlNamespaces {
  readonly network: boolean;
  readonly ipc: boolean;
}

const IPC = /^(kernel\.(shm[a-z_]+|msg[a-z_]+|sem)|fs\.mqueue\.[a-z_]+)$/;

/**
 * Kernel parameters of a container: the pod's, the container's own by name over them. Names may be written with dots
 * or with slashes.
 * @throws PodwrightError kind `invalid-argument` for a name that is none, for a parameter that is the whole host's, or
 *   for one whose namespace is the host's
 */
export function containerSysctls(sets: readonly StringMap[], own: SysctlNamespaces): StringMap {
  const sysctls: Record<string, string> = {};
  for (const [given, value] of sets.flatMap((set) => Object.entries(set))) {
    const name = sysctlName(given);
    const namespace = name.startsWith('net.') ? 'network' : IPC.test(name) ? 'ipc' : undefined;
    if (namespace === undefined) {
      fail(given, 'it is not kept per namespace, so that it would change the whole host; set it on the host');
    } else if (!own[namespace]) {
      fail(given, `the pod uses the host's ${namespace} namespace, so that it would change the host's`);
    }
    sysctls[name] = value;
  }
  return sysctls;
}

function sysctlName(given: string): string {
  const separator = /[./]/.exec(given)?.[0];
  const other = separator === '/' ? '.' : '/';
  if (separator === undefined || !/^[\w./-]+$/.test(given) || given.split(separator).includes('')) {
    return fail(given, 'it has no such form as net.core.somaxconn');
  }
  if (given.includes(other)) {
    return fail(given, 'dots and slashes in one name cannot be told to the OCI runtime');
  }
  return given.replaceAll('/', '.');
}

function fail(name: string, why: string): never {
  throw new PodwrightError('invalid-argument', `The sysctl ${name} cannot be set: ${why}.`, {
    details: { name },
  });
}
