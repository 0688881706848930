import type { RestartPolicy } from '../model.js';
import type { PodContainer, PodPhase } from '../pod-types.js';

/** What a pod's phase is decided from. */
export interface PodPhaseInput {
  /** Absent when the pod's manifest is not known. */
  readonly restartPolicy?: RestartPolicy;
  /** Of init containers that end before the others begin. */
  readonly initNames: readonly string[];
  /** Of init containers that go on running beside the others. */
  readonly sidecarNames: readonly string[];
  readonly appNames: readonly string[];
  readonly containers: readonly PodContainer[];
  /** Every container was started once: what is missing now has ended and was collected. */
  readonly prepared: boolean;
  /** Nobody starts anything of it again: it was killed, or its sandbox is gone. */
  readonly final: boolean;
}

/**
 * A pod's phase by the kubelet's rules (`getPhase` in pkg/kubelet/kubelet_pods.go), with two additions: what was
 * killed is Succeeded or Failed by its exit codes, and containers that garbage collection took do not count.
 */
export function podPhase(input: PodPhaseInput): PodPhase {
  const { containers, prepared, final, restartPolicy } = input;
  const find = (kind: 'init' | 'app', name: string) =>
    containers.find((container) => container.kind === kind && container.name === name);
  if (!prepared && !final) {
    const inits = input.initNames.map((name) => find('init', name));
    if (restartPolicy === 'Never' && inits.some((init) => init !== undefined && hasFailed(init))) {
      return 'Failed';
    }
    if (inits.some((init) => init === undefined || !hasSucceeded(init))) return 'Pending';
    if (input.sidecarNames.some((name) => (find('init', name)?.attempts.length ?? 0) === 0)) return 'Pending';
    if (input.appNames.some((name) => find('app', name) === undefined)) return 'Pending';
  }
  const apps = containers.filter(({ kind }) => kind === 'app');
  const running = apps.filter(({ state }) => state === 'running');
  if (final && running.length === 0) {
    if (containers.length === 0) return 'Unknown';
    return apps.length > 0 && apps.every(hasSucceeded) ? 'Succeeded' : 'Failed';
  }
  if (apps.some((app) => app.attempts.length === 0 && app.state !== 'exited')) return 'Pending';
  if (apps.length === 0) return input.appNames.length === 0 ? 'Unknown' : 'Succeeded';
  if (running.length > 0) return 'Running';
  if (apps.some(({ state }) => state === 'waiting') || restartPolicy === 'Always') return 'Running';
  if (apps.every(hasSucceeded)) return 'Succeeded';
  return restartPolicy === 'OnFailure' ? 'Running' : 'Failed';
}

function lastExitCode(container: PodContainer): number | undefined {
  return container.attempts.at(-1)?.exitCode;
}

function hasSucceeded(container: PodContainer): boolean {
  return container.state === 'exited' && lastExitCode(container) === 0;
}

function hasFailed(container: PodContainer): boolean {
  return container.state === 'exited' && lastExitCode(container) !== 0;
}
