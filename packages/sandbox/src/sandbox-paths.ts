import { join } from 'node:path';
import { PodwrightError } from '@podwright/core';
import { isCniName } from './cni/cni-config.js';
import type { SandboxModes } from './namespaces/namespace-mode.js';
import type { NamespaceKind, NamespacePaths } from './namespaces/namespace-pinner.js';
import type { SandboxOptions } from './sandbox-options.js';
import type { SandboxConfig, SandboxFilePaths } from './sandbox-record.js';

type Directories = Pick<SandboxOptions, 'stateDir' | 'runDir'>;

/** Directory that has one directory of state per sandbox. */
export function sandboxesStateDir({ stateDir }: Directories): string {
  return join(stateDir, 'sandboxes');
}

/** Directory that has one directory of namespaces and mounts per sandbox. */
export function sandboxesRunDir({ runDir }: Directories): string {
  return join(runDir, 'sandboxes');
}

/** Directory of what the default network remembers: leases, and how the host was before. */
export function networkRunDir({ runDir }: Directories): string {
  return join(runDir, 'cni');
}

/** Directory of notes of the networks that sandboxes are connected to. */
export function attachmentsRunDir({ runDir }: Directories): string {
  return join(runDir, 'attachments');
}

/** Where a sandbox's things lie, on the host. */
export interface SandboxPaths {
  readonly stateDir: string;
  readonly record: string;
  readonly runDir: string;
  /** Every namespace that a sandbox may have. */
  readonly namespaces: Required<NamespacePaths>;
  /** Its own tmpfs. */
  readonly shm: string;
}

/** @throws PodwrightError kind `empty-id`; `invalid-argument` for one that cannot be a file's name or a CNI container id */
export function checkSandboxId(id: string): void {
  if (id === '') throw new PodwrightError('empty-id', 'A sandbox has to have an id.');
  if (isCniName(id)) return;
  throw new PodwrightError(
    'invalid-argument',
    `"${id}" cannot be the id of a sandbox: it has to begin with a letter or digit and have only letters, digits and _ . -`,
    { details: { id } },
  );
}

/** @throws as `checkSandboxId` */
export function sandboxPaths(directories: Directories, id: string): SandboxPaths {
  checkSandboxId(id);
  const stateDir = join(sandboxesStateDir(directories), id);
  const runDir = join(sandboxesRunDir(directories), id);
  const namespace = (name: string) => join(runDir, 'ns', name);
  return {
    stateDir,
    record: join(stateDir, 'sandbox.json'),
    runDir,
    namespaces: {
      user: namespace('user'),
      network: namespace('net'),
      ipc: namespace('ipc'),
      uts: namespace('uts'),
      pid: namespace('pid'),
    },
    shm: join(runDir, 'shm'),
  };
}

/** Kinds of namespaces that a sandbox has of its own. With the node's network it has the node's name too, as in Kubernetes. */
export function ownKinds({ network, ipc, pid, userNamespace }: SandboxModes): readonly NamespaceKind[] {
  return [
    ...(userNamespace === 'pod' ? (['user'] as const) : []),
    ...(network === 'pod' ? (['network', 'uts'] as const) : []),
    ...(ipc === 'pod' ? (['ipc'] as const) : []),
    ...(pid === 'pod' ? (['pid'] as const) : []),
  ];
}

/** Where the namespaces of its own are pinned. */
export function ownNamespaces(modes: SandboxModes, { namespaces }: SandboxPaths): NamespacePaths {
  return Object.fromEntries(ownKinds(modes).map((kind) => [kind, namespaces[kind]]));
}

export function sandboxFilePaths({ ipc }: Pick<SandboxConfig, 'ipc'>, paths: SandboxPaths): SandboxFilePaths {
  const file = (name: string) => join(paths.stateDir, name);
  return {
    hosts: file('hosts'),
    resolvConf: file('resolv.conf'),
    hostname: file('hostname'),
    shm: ipc === 'pod' ? paths.shm : '/dev/shm',
  };
}
