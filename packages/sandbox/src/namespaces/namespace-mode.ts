import {
  type IpcMode,
  type NetworkMode,
  type PidMode,
  PodwrightError,
  type UserNamespaceMode,
} from '@podwright/core';

/** Whose namespace it is, with the numbers of the CRI (runtime.v1, `NamespaceMode`). */
export const NamespaceMode = {
  /** One for all containers of the pod. */
  Pod: 0,
  /** One of the container's own; with the CRI only for PID. */
  Container: 1,
  /** The host's. */
  Node: 2,
  /** That of another container of the pod; only for PID. */
  Target: 3,
} as const;

export type NamespaceMode = (typeof NamespaceMode)[keyof typeof NamespaceMode];

/** The CRI's `NamespaceOption`: of a sandbox, or of a container in it. */
export interface NamespaceOptions {
  readonly network: NamespaceMode;
  readonly pid: NamespaceMode;
  readonly ipc: NamespaceMode;
  readonly user: NamespaceMode;
  /** The container whose PID namespace is joined; with `pid` of `Target` and only then. */
  readonly targetId?: string;
}

/** A sandbox's modes in the contract's words. */
export interface SandboxModes {
  readonly network: NetworkMode;
  readonly ipc: IpcMode;
  readonly pid: PidMode;
  readonly userNamespace?: UserNamespaceMode;
}

/** What of a container decides whether another one may join its PID namespace. */
export interface TargetCandidate {
  readonly id: string;
  /** Its process is there, or was. */
  readonly created: boolean;
  readonly pid: NamespaceMode;
}

const NUMBERS = {
  pod: NamespaceMode.Pod,
  container: NamespaceMode.Container,
  node: NamespaceMode.Node,
} as const;

/** A sandbox's modes as the CRI's numbers. */
export function toNamespaceOptions({
  network,
  ipc,
  pid,
  userNamespace = 'node',
}: SandboxModes): NamespaceOptions {
  return {
    network: NUMBERS[network],
    ipc: NUMBERS[ipc],
    pid: NUMBERS[pid],
    user: NUMBERS[userNamespace],
  };
}

/**
 * A sandbox's modes out of the CRI's numbers.
 * @throws PodwrightError kind `invalid-argument` for a mode that a sandbox cannot have
 */
export function toSandboxModes({ network, ipc, pid, user }: NamespaceOptions): Required<SandboxModes> {
  return {
    network: podOrNode('network', network),
    ipc: podOrNode('ipc', ipc),
    pid: pid === NamespaceMode.Container ? 'container' : podOrNode('pid', pid),
    userNamespace: podOrNode('user', user),
  };
}

/**
 * Finds the container whose PID namespace another one is to join.
 * @param find the containers of the same sandbox
 * @returns undefined when none is asked for
 * @throws PodwrightError kind `invalid-argument` (a target without the mode or the mode without a target), `not-found`
 *   (no such container in this pod), `failed-precondition` (not created yet, or without a PID namespace of its own)
 */
export function findTarget<Candidate extends TargetCandidate>(
  { network, ipc, user, pid, targetId }: NamespaceOptions,
  find: (id: string) => Candidate | undefined,
): Candidate | undefined {
  for (const [name, mode] of Object.entries({ network, ipc, user })) {
    if (mode === NamespaceMode.Target) throw invalid(name, 'Target: only a PID namespace can be joined so');
  }
  if (pid !== NamespaceMode.Target) {
    if (targetId === undefined) return undefined;
    throw invalid('pid', `${pid} and the target ${targetId}: a target goes with mode Target (3) only`);
  }
  if (targetId === undefined || targetId === '')
    throw invalid('pid', 'Target, which needs one target container');
  const target = find(targetId);
  if (target === undefined) {
    throw new PodwrightError('not-found', `The target container ${targetId} is not in this pod.`, {
      details: { targetId },
    });
  }
  if (!target.created || target.pid !== NamespaceMode.Container) {
    throw new PodwrightError(
      'failed-precondition',
      `The PID namespace of container ${targetId} cannot be joined: ` +
        (target.created ? 'it has none of its own (its mode is not Container).' : 'it was not created yet.'),
      { details: { targetId, pid: target.pid } },
    );
  }
  return target;
}

function podOrNode(name: string, mode: NamespaceMode): 'pod' | 'node' {
  if (mode === NamespaceMode.Pod) return 'pod';
  if (mode === NamespaceMode.Node) return 'node';
  throw invalid(name, `${mode}: a pod has its own (0) or the node's (2)`);
}

function invalid(name: string, why: string): PodwrightError {
  return new PodwrightError('invalid-argument', `The ${name} namespace cannot have mode ${why}.`, {
    details: { namespace: name },
  });
}
