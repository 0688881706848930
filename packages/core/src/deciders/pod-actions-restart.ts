import type { ContainerStatus } from '../container-types.js';
import type { Container, Pod } from '../manifest/pod.js';
import type { RestartOwner, RestartPolicy } from '../model.js';
import { crashLoopDelayMs, type RestartBackoff } from './crash-loop.js';

/** Annotation of a container: how many runs of its series the containers of its name had before it. */
export const SERIES_ANNOTATION = 'podwright.dev/restart-series';

/** An init container that goes on running beside the others: `restartPolicy: Always` of its own. */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

/**
 * By which policy a container is started again. An init container that ends well is not, whatever the policy.
 * @param unhealthy names of containers that were ended because a probe had failed: those have failed, whatever their exit
 * code, so all but `Never` starts them again
 */
export function restartPolicyOf(
  pod: Pod,
  container: Container,
  kind: 'init' | 'app',
  unhealthy: readonly string[] = [],
): RestartPolicy {
  if (isSidecar(container)) return 'Always';
  const { restartPolicy } = pod.spec;
  if (kind === 'init') return restartPolicy === 'Always' ? 'OnFailure' : restartPolicy;
  return restartPolicy === 'OnFailure' && unhealthy.includes(container.name) ? 'Always' : restartPolicy;
}

/**
 * Who starts a container again. The backend where it can, because it does so while no agent lives too; the agent where
 * each start or end needs it: init containers, which run in order, and containers with a postStart hook, a liveness or
 * a startup probe.
 * @param supervised `features.supervisedRestart` of the backend
 */
export function restartOwner(
  pod: Pod,
  container: Container,
  kind: 'init' | 'app',
  supervised: boolean,
): RestartOwner {
  const runsOnce = kind === 'init' && !isSidecar(container);
  if (!supervised || runsOnce || needsAgent(container)) return { by: 'caller' };
  return { by: 'backend', policy: restartPolicyOf(pod, container, kind) };
}

/** Whether starts and ends of a container need a living agent. */
export function needsAgent({ lifecycle, livenessProbe, startupProbe }: Container): boolean {
  return lifecycle?.postStart !== undefined || livenessProbe !== undefined || startupProbe !== undefined;
}

/**
 * How many runs a series of restarts has so far, this container's and those before it. A run as long as the back-off's
 * `resetMs` begins a new series and is its first, as in the kubelet.
 */
export function seriesLength(status: ContainerStatus, { resetMs }: RestartBackoff): number {
  let runs = 0;
  for (const { startedAtMs, finishedAtMs = startedAtMs } of status.attempts.toReversed()) {
    runs++;
    if (finishedAtMs - startedAtMs >= resetMs) return runs;
  }
  const before = Number(status.annotations[SERIES_ANNOTATION] ?? 0);
  return runs + (Number.isSafeInteger(before) ? before : 0);
}

/**
 * When a container that has ended is to be started again. One in state `unknown` is, whatever the policy: nobody knows how
 * it ended, or whether it did.
 * @param status the newest of its name, in state `exited` or `unknown`
 * @returns milliseconds since the epoch, which may be past; undefined when it has ended for good
 */
export function restartAtMs(
  status: ContainerStatus,
  policy: RestartPolicy,
  backoff: RestartBackoff,
): number | undefined {
  const last = status.attempts.at(-1);
  const endedAtMs = last?.finishedAtMs ?? last?.startedAtMs ?? status.createdAtMs;
  if (status.state === 'unknown') return endedAtMs;
  if (policy === 'Never' || (policy === 'OnFailure' && last?.exitCode === 0)) return undefined;
  return endedAtMs + crashLoopDelayMs(seriesLength(status, backoff), backoff);
}

/** Number of the attempt that comes after a container's last one, over all containers of its name. */
export function nextAttempt(status: ContainerStatus | undefined): number {
  if (!status) return 0;
  // One that was never started did not use its number up.
  if (status.state === 'created') return status.metadata.attempt;
  return status.metadata.attempt + (status.attempts.at(-1)?.attempt ?? 0) + 1;
}
