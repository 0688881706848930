import {
  CONTAINER_HASH_ANNOTATION,
  CONTAINER_KIND_ANNOTATION,
  type Container,
  ContainerOptionsGenerator,
  containerHash,
  containerResources,
  messageOf,
  oomScoreAdj,
  type Pod,
  type PodRecord,
  type PodSandboxStatus,
  PodwrightError,
  RESOURCES_ANNOTATION,
  RuntimeService,
  restartOwner,
  SERIES_ANNOTATION,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { containerMounts } from './container-mounts.js';
import { ContainerStopper } from './container-stopper.js';
import { ContainerVariables } from './container-variables.js';
import { ContainerHooks } from './hooks/container-hooks.js';
import { NodeFacts } from './node-facts.js';
import { PodEventHub } from './pod-event-hub.js';
import { PodProbes } from './probes/pod-probes.js';

/** Where containers of a pod are made. */
export interface PodSurroundings {
  readonly record: PodRecord;
  readonly sandbox: PodSandboxStatus;
  /** The path on the backend's host for each volume name. */
  readonly volumePaths: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
}

/** A container of the manifest. */
export interface PodMember {
  readonly container: Container;
  readonly kind: 'init' | 'app';
}

/** Makes and starts single containers: the one path for `runPod`, `syncPod` and every restart by PodRuntime. */
@injectable()
export class ContainerStarter {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(ContainerOptionsGenerator) private readonly options: ContainerOptionsGenerator,
    @inject(ContainerVariables) private readonly variables: ContainerVariables,
    @inject(NodeFacts) private readonly node: NodeFacts,
    @inject(ContainerHooks) private readonly hooks: ContainerHooks,
    @inject(ContainerStopper) private readonly stopper: ContainerStopper,
    @inject(PodProbes) private readonly probes: PodProbes,
    @inject(PodEventHub) private readonly events: PodEventHub,
  ) {}

  /**
   * @param run `series`: how many runs the present series of restarts has had before this container
   * @returns the id of the container
   * @throws PodwrightError as `RuntimeService.createContainer`, with the container's name
   */
  create(
    surroundings: PodSurroundings,
    member: PodMember,
    run: { readonly attempt: number; readonly series: number },
  ): Promise<string> {
    const { record, sandbox, volumePaths, signal } = surroundings;
    const { manifest: pod } = record;
    const { container, kind } = member;
    return this.telling(pod, member, 'created', async () => {
      const { supervisedRestart, recursiveReadOnly } = this.service.features;
      const env = await this.variables.of(record, container, kind, sandbox);
      const volumeMounts = containerMounts({ pod, container, volumePaths, env, recursiveReadOnly });
      const { attempt } = run;
      const known = { pod, container, kind, sandbox, env, volumeMounts, attempt };
      const config = await this.options.generate(known);
      const restart = restartOwner(pod, container, kind, supervisedRestart);
      // Whatever the generator says: identity and restarts are PodRuntime's own.
      const annotations = {
        ...config.annotations,
        [CONTAINER_KIND_ANNOTATION]: kind,
        [CONTAINER_HASH_ANNOTATION]: containerHash(pod, container, restart),
        [RESOURCES_ANNOTATION]: JSON.stringify(containerResources(container)),
        ...(run.series > 0 ? { [SERIES_ANNOTATION]: String(run.series) } : {}),
      };
      const metadata = { name: container.name, attempt };
      const { memoryBytes } = await this.node.capacity();
      const score = oomScoreAdj(pod, containerResources(container).memoryRequestBytes, memoryBytes);
      const resources = { oomScoreAdj: score, ...config.resources };
      const full = { ...config, metadata, annotations, resources, restart };
      const id = await this.service.createContainer(sandbox.id, full, { signal });
      this.probes.expect(id, sandbox.id, { record, container, kind });
      return id;
    });
  }

  /**
   * Resolves when the container's first process was executed and its postStart hook has ended. A container whose hook
   * fails is ended, and started again by the pod's policy; that is no failure of the start.
   *
   * A container with a postStart hook is never restarted by the backend (`restartOwner`), so each of its starts comes by
   * here.
   * @throws PodwrightError as `RuntimeService.startContainer`, with the container's name
   */
  async start(record: PodRecord, member: PodMember, id: string, signal: AbortSignal): Promise<void> {
    const start = () => this.service.startContainer(id, { signal });
    await this.telling(record.manifest, member, 'started', start);
    const { container, kind } = member;
    if (!container.lifecycle?.postStart) return;
    const status = await this.service.containerStatus(id, { signal });
    const failure = await this.hooks.afterStart({ pod: record, container, kind, status }, signal);
    if (failure === undefined) return;
    await this.stopper.stop({ identity: record, record }, status, failure, { signal });
  }

  /** Adds to a failure which container it was about, and records it. */
  async telling<T>(
    pod: Pod,
    { container: { name }, kind }: PodMember,
    verb: 'created' | 'started',
    action: () => Promise<T>,
  ): Promise<T> {
    try {
      return await action();
    } catch (error) {
      if (PodwrightError.is(error, 'cancelled')) throw error;
      const words = `The ${kind === 'init' ? 'init container' : 'container'} ${name} could not be ${verb}`;
      this.events.record(pod.metadata, 'Failed', `${words}: ${messageOf(error)}`, {
        container: { name, kind },
        warning: true,
      });
      const errorKind = PodwrightError.is(error) ? error.kind : 'container-start-failed';
      const details = PodwrightError.is(error) ? error.details : {};
      throw new PodwrightError(errorKind, `${words}: ${messageOf(error)}`, {
        cause: error,
        details: { ...details, container: name },
      });
    }
  }
}
