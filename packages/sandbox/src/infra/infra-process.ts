import type { PidMode } from '@podwright/core';
import type { ServiceIdentifier } from 'inversify';
import type { SandboxRecord } from '../sandbox-record.js';

/**
 * Keeps a sandbox's first process: the one that a shared PID namespace lives by, and that reaps what the containers
 * leave. Rebind it to keep it elsewhere, such as in a unit of the pod's slice; `infraCommand` says what to run.
 */
export interface InfraProcess {
  /**
   * Starts it inside the sandbox's namespaces, as the first one of a new PID namespace unless the pod has the node's.
   * The caller ends it when something fails later.
   * @returns its PID on the host
   * @throws PodwrightError kind `missing-requirement`, `command-failed`, `cancelled`
   */
  start(sandbox: SandboxRecord, signal?: AbortSignal): Promise<number>;
  /**
   * Ends it, and with it everything in its PID namespace. Idempotent, also when it was never started.
   * @param sandbox its id alone when its record cannot be read
   */
  stop(sandbox: Pick<SandboxRecord, 'id' | 'infra'>): Promise<void>;
}

export const InfraProcess: ServiceIdentifier<InfraProcess> = Symbol.for('podwright.sandbox.InfraProcess');

/**
 * Whether a sandbox needs a first process; as CRI-O decides it.
 * @param serverDropsInfra whether the others are done without one
 */
export function needsInfra({ pid }: { readonly pid: PidMode }, serverDropsInfra: boolean): boolean {
  return pid === 'pod' || !serverDropsInfra;
}
