import { type ContainerStatus, type PodRecord, RuntimeService, type StopOptions } from '@podwright/core';
import { inject, injectable } from 'inversify';
import { PodEventHub, type PodIdentity } from './pod-event-hub.js';
import { kindOf } from './pod-views.js';

/** Ends single containers: the one path for `killPod`, `syncPod` and every end that PodRuntime brings about. */
@injectable()
export class ContainerStopper {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(PodEventHub) private readonly events: PodEventHub,
  ) {}

  /**
   * Stop signal, grace, SIGKILL.
   *
   * The place for what has to happen before a container is ended, such as a preStop hook; its time is part of the grace.
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
    await this.service.stopContainer(container.id, options);
  }
}
