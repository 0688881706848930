import {
  Clock,
  type ContainerStatus,
  fired,
  hurriedBy,
  type PodRecord,
  RuntimeService,
  type StopOptions,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { graceOf, restOfGrace } from './grace.js';
import { ContainerHooks, type HookedContainer } from './hooks/container-hooks.js';
import { PodEventHub, type PodIdentity } from './pod-event-hub.js';
import { kindOf } from './pod-views.js';

/** Absent `graceMs`: that of the manifest as it is now. */
export interface EndOptions extends StopOptions {
  /** When those began to be ended with whom it shares the grace, in milliseconds since the epoch. Absent: it shares with nobody. */
  readonly sinceMs?: number;
  /** Fires when a later call has no more time for it, see `HurriedStops`. */
  readonly hurry?: AbortSignal;
}

/** Ends single containers: the one path for `killPod`, `syncPod` and every end that PodRuntime brings about. */
@injectable()
export class ContainerStopper {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(PodEventHub) private readonly events: PodEventHub,
    @inject(ContainerHooks) private readonly hooks: ContainerHooks,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * The preStop hook, stop signal, grace, SIGKILL. The time of the hook, and of those before it, is part of the grace; when
   * they have spent it, 2 s are left, or less if the grace of the call is less.
   * @param pod `record` is absent when the store has forgotten the pod
   * @param reason a sentence for people
   */
  async stop(
    pod: { readonly identity: PodIdentity | undefined; readonly record: PodRecord | undefined },
    container: ContainerStatus,
    reason: string,
    { sinceMs, hurry, ...options }: EndOptions,
  ): Promise<void> {
    const { name } = container.metadata;
    if (pod.identity) {
      this.events.record(pod.identity, 'Killing', `Container ${name} is being ended. ${reason}`.trim(), {
        container: { name, kind: kindOf(container, pod.record) },
      });
    }
    const { record } = pod;
    const hooked = record && container.state === 'running' ? hookedIn(record, container) : undefined;
    const grace = graceOf(options.graceMs, record);
    const begunAtMs = sinceMs ?? this.clock.nowMs();
    const restMs = () => restOfGrace(grace, this.clock.nowMs() - begunAtMs, hurriedBy(hurry));
    let graceMs = sinceMs === undefined && !hurry?.aborted ? grace.wholeMs : restMs();
    if (hooked) {
      await this.hooks.beforeStop(hooked, graceMs, { signal: options.signal, hurry });
      graceMs = restMs();
    }
    const stop = (ms: number) =>
      this.service.stopContainer(container.id, {
        ...options,
        ...(Number.isFinite(ms) ? { graceMs: ms } : {}),
      });
    await this.hurriedly(stop, graceMs, restMs, hurry);
  }

  /** Stops again with less, once, when it is hurried meanwhile: the backend ends the first stop with the second. */
  private async hurriedly(
    stop: (graceMs: number) => Promise<void>,
    graceMs: number,
    restMs: () => number,
    hurry: AbortSignal | undefined,
  ): Promise<void> {
    const begunAtMs = this.clock.nowMs();
    const stopped = stop(graceMs);
    if (!hurry || hurry.aborted) return await stopped;
    const isHurried = await Promise.race([stopped.then(() => false), fired(hurry).then(() => true)]);
    if (!isHurried) return;
    // It has had the stop signal for a while.
    const leftMs = Math.max(0, restMs() - (this.clock.nowMs() - begunAtMs));
    await Promise.all([stopped, stop(leftMs)]);
  }
}

/** The container of the manifest, when it has a preStop hook. */
function hookedIn(record: PodRecord, status: ContainerStatus): HookedContainer | undefined {
  const { containers, initContainers } = record.manifest.spec;
  const container = [...containers, ...initContainers].find(({ name }) => name === status.metadata.name);
  if (!container?.lifecycle?.preStop) return undefined;
  return { pod: record, container, kind: kindOf(status, record), status };
}
