import { type PidMode, PodwrightError } from '@podwright/core';
import type { NamespaceChoice, OciSandbox } from '@podwright/oci';
import type { SandboxRecord } from '@podwright/sandbox';

/** Which PID namespace a container asks for; nothing: the default of its sandbox. */
export interface PidChoice {
  readonly mode?: PidMode | undefined;
  /** Path of another container's. */
  readonly target?: string | undefined;
}

/**
 * What the OCI document needs to know of a sandbox.
 * @throws PodwrightError kind `invalid-argument`, `failed-precondition` for a PID namespace that it cannot give
 */
export function ociSandbox(record: SandboxRecord, pid: PidChoice = {}): OciSandbox {
  const { namespaces, files } = record;
  return {
    namespaces: {
      network: namespaces.network ?? 'host',
      ipc: namespaces.ipc ?? 'host',
      uts: namespaces.uts ?? 'host',
      pid: pidNamespace(record, pid),
      user: namespaces.user ?? 'host',
    },
    idMappings: record.idMappings,
    hostname: record.hostname,
    shmPath: files.shm,
    resolvConfPath: files.resolvConf,
    hostsPath: files.hosts,
    hostnamePath: files.hostname,
  };
}

function pidNamespace(
  { id, pid, namespaces }: SandboxRecord,
  { mode = pid, target }: PidChoice,
): NamespaceChoice {
  if (target !== undefined) return target;
  if (mode === 'container') return 'new';
  if (mode === 'pod') {
    if (namespaces.pid !== undefined) return namespaces.pid;
    throw new PodwrightError(
      'failed-precondition',
      `The container is to share the processes of its pod (pid: pod), and sandbox ${id} has no PID namespace to share: it ` +
        `was made with pid: ${pid}. Make the sandbox with pid: pod.`,
      { details: { id, pid } },
    );
  }
  if (namespaces.user === undefined) return 'host';
  throw new PodwrightError(
    'invalid-argument',
    `The container is to see the processes of the node (pid: node), and the pod of sandbox ${id} has a user namespace of ` +
      'its own: as in Kubernetes, it can have one of both.',
    { details: { id } },
  );
}
