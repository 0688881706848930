import { type ContainerStatus, type PodRecord, RuntimeService, type StopOptions } from '@podwright/core';
import { inject, injectable } from 'inversify';
import { ContainerHooks, type HookedContainer } from './hooks/container-hooks.js';
import { PodEventHub, type PodIdentity } from './pod-event-hub.js';
import { kindOf } from './pod-views.js';

/** Ends single containers: the one path for `killPod`, `syncPod` and every end that PodRuntime brings about. */
@injectable()
export class ContainerStopper {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(PodEventHub) private readonly events: PodEventHub,
    @inject(ContainerHooks) private readonly hooks: ContainerHooks,
  ) {}

  /**
   * The preStop hook, stop signal, grace, SIGKILL. The hook's time is part of the grace.
   * @param pod `record` is absent when the store has forgotten the pod
   * @param reason a sentence for people
   */
  async stop(
    pod: { readonly identity: PodIdentity | undefined; readonly record: PodRecord | undefined },
    container: ContainerStatus,
    reason: string,
    options: StopOptions,
  ): Promise<void> {
    const { name } = container.metadata;
    if (pod.identity) {
      this.events.record(pod.identity, 'Killing', `Container ${name} is being ended. ${reason}`.trim(), {
        container: { name, kind: kindOf(container, pod.record) },
      });
    }
    const { record } = pod;
    // Of the manifest as it is now; the backend knows that with which the container was made.
    const ownMs = record && record.manifest.spec.terminationGracePeriodSeconds * 1000;
    const graceMs = options.graceMs ?? ownMs;
    if (graceMs === undefined) {
      await this.service.stopContainer(container.id, options);
      return;
    }
    const hooked = record && container.state === 'running' ? hookedIn(record, container) : undefined;
    const rest = hooked ? await this.hooks.beforeStop(hooked, graceMs, options.signal) : graceMs;
    await this.service.stopContainer(container.id, { ...options, graceMs: rest });
  }
}

/** The container of the manifest, when it has a preStop hook. */
function hookedIn(record: PodRecord, status: ContainerStatus): HookedContainer | undefined {
  const { containers, initContainers } = record.manifest.spec;
  const container = [...containers, ...initContainers].find(({ name }) => name === status.metadata.name);
  if (!container?.lifecycle?.preStop) return undefined;
  return { pod: record, container, kind: kindOf(status, record), status };
}
