import { PodwrightError, type StringMap } from '@podwright/core';
import type { NamespaceKind } from './namespace-pinner.js';

/** A kernel parameter and the file below /proc/sys that sets it. */
export interface SysctlFile {
  readonly name: string;
  readonly path: string;
  readonly value: string;
}

/** Parameters that are a namespace's own (namespaces(7), ipc_namespaces(7)); every other one is the whole host's. */
const NAMESPACE_OF: readonly (readonly [RegExp, NamespaceKind])[] = [
  [/^net\//, 'network'],
  [/^kernel\/(shm|msg)[a-z_]+$/, 'ipc'],
  [/^kernel\/(sem|sem_next_id|auto_msgmni)$/, 'ipc'],
  [/^fs\/mqueue\//, 'ipc'],
  [/^kernel\/domainname$/, 'uts'],
];

/**
 * Finds the files of kernel parameters.
 * @param sysctls by name, with dots or slashes as sysctl(8) reads them
 * @param own namespaces that the pod has of its own
 * @throws PodwrightError kind `invalid-argument` for a name that is none, or one that is not of these namespaces
 */
export function sysctlFiles(sysctls: StringMap, own: ReadonlySet<NamespaceKind>): readonly SysctlFile[] {
  return Object.entries(sysctls).map(([name, value]) => {
    const path = sysctlPath(name);
    if (path === undefined || /[\0\n]/.test(value)) {
      throw new PodwrightError(
        'invalid-argument',
        `"${name}=${value}" is no kernel parameter: a name reads like net.core.somaxconn, a value is one line.`,
        { details: { name, value } },
      );
    }
    const kind = NAMESPACE_OF.find(([pattern]) => pattern.test(path))?.[1];
    if (kind === undefined) {
      throw new PodwrightError(
        'invalid-argument',
        `The kernel parameter ${name} belongs to the whole host; a pod may set net.*, fs.mqueue.* and kernel.shm*, ` +
          `kernel.msg*, kernel.sem and kernel.domainname.`,
        { details: { name } },
      );
    }
    if (!own.has(kind)) {
      throw new PodwrightError(
        'invalid-argument',
        `The kernel parameter ${name} cannot be set: the pod has the node's ${kind} namespace.`,
        { details: { name, namespace: kind } },
      );
    }
    return { name, path, value };
  });
}

/** sysctl(8): the first separator is the one that counts; with dots first, a slash stands for a dot in a name. */
function sysctlPath(name: string): string | undefined {
  if (!/^[a-zA-Z0-9_*-]+([./][a-zA-Z0-9_*-]+)+$/.test(name)) return undefined;
  if (/^[^./]*\//.test(name)) return name;
  return name.replace(/[./]/g, (separator) => (separator === '.' ? '/' : '.'));
}
