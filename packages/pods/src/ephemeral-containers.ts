import {
  type CallOptions,
  CONTAINER_KIND_ANNOTATION,
  type Container,
  ContainerOptionsGenerator,
  type ContainerStatus,
  type EphemeralContainer,
  type Pod,
  type PodRef,
  PodStore,
  PodwrightError,
  parsePod,
  RuntimeService,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { ContainerVariables } from './container-variables.js';
import { describe, PodFinder } from './pod-finder.js';
import { PodImages } from './pod-images.js';
import { PodLocks } from './pod-locks.js';
import { attemptsOf } from './pod-views.js';

/** Adds containers to running pods, for debugging. They are never restarted, and removed with their pod. */
@injectable()
export class EphemeralContainers {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(ContainerOptionsGenerator) private readonly generator: ContainerOptionsGenerator,
    @inject(ContainerVariables) private readonly variables: ContainerVariables,
    @inject(PodStore) private readonly store: PodStore,
    @inject(PodImages) private readonly images: PodImages,
    @inject(PodFinder) private readonly finder: PodFinder,
    @inject(PodLocks) private readonly locks: PodLocks,
  ) {}

  /** @throws PodwrightError as `ContainerRuntime.runEphemeralContainer` */
  async run(ref: PodRef, ephemeral: EphemeralContainer, options: CallOptions): Promise<void> {
    const uid = await this.finder.find(ref, options);
    const record = uid === undefined ? undefined : await this.store.get(uid);
    if (uid === undefined || !record) {
      throw new PodwrightError(
        'not-found',
        `There is no pod ${describe(ref)}: a container can be added to one that runs.`,
        {
          details: { ...ref },
        },
      );
    }
    const { manifest, objects } = record;
    const container = containerOf(manifest, ephemeral);
    await this.locks.work(uid, options.signal, async (signal) => {
      const sandbox = await this.finder.readySandbox({ uid }, { signal });
      const containers = await this.service.listContainers({ podUid: uid }, { signal });
      checkName(manifest, container.name, containers);
      const inSandbox = containers.filter(({ sandboxId }) => sandboxId === sandbox.id);
      const target = targetOf(ephemeral, inSandbox);
      // As the kubelet: where the pod's containers have no PID namespaces of their own, all see the target's processes.
      const pidTarget = sandbox.pid === 'container' ? target : undefined;
      const onlyThis: Pod = {
        ...manifest,
        spec: { ...manifest.spec, initContainers: [], containers: [container] },
      };
      await this.images.ensureAll(onlyThis, signal, objects);
      const config = await this.generator.generate({
        pod: manifest,
        container,
        kind: 'ephemeral',
        sandbox,
        env: await this.variables.of(record, container, 'ephemeral', sandbox),
        volumeMounts: [],
        attempt: 0,
      });
      const id = await this.service.createContainer(
        sandbox.id,
        {
          ...config,
          metadata: { name: container.name, attempt: 0 },
          annotations: { ...config.annotations, [CONTAINER_KIND_ANNOTATION]: 'ephemeral' },
          restart: { by: 'caller' },
          ...(pidTarget === undefined ? {} : { pidTarget }),
        },
        { signal },
      );
      try {
        await this.service.startContainer(id, { signal });
      } catch (error) {
        await this.service.removeContainer(id);
        throw error;
      }
    });
  }
}

/** Fields of other containers that are nothing for one that comes to a running pod, as in Kubernetes; `volumeMounts` are not there. */
const NOT_EPHEMERAL = [
  ...['ports', 'resources', 'resizePolicy', 'lifecycle', 'restartPolicy', 'volumeMounts'],
  ...['livenessProbe', 'readinessProbe', 'startupProbe'],
];

/**
 * With the defaults of a manifest, and checked as one.
 * @throws PodwrightError kind `invalid-manifest`, and `invalid-argument` for what callers without types may give
 */
function containerOf({ metadata }: Pod, ephemeral: EphemeralContainer): Container {
  const { targetContainerName: _target, ...fields } = ephemeral;
  const refused = NOT_EPHEMERAL.filter((field) => field in fields);
  if (refused.length > 0) {
    throw new PodwrightError(
      'invalid-argument',
      `The container ${ephemeral.name} has ${refused.join(', ')}, which a container that is added to a running pod cannot have: leave it out.`,
      { details: { container: ephemeral.name, fields: refused } },
    );
  }
  const { name, namespace } = metadata;
  const parsed = parsePod({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: { containers: [fields] },
  });
  const [container] = parsed.spec.containers;
  if (!container) throw new PodwrightError('internal', 'A manifest of one container has none.');
  return container;
}

function checkName({ metadata, spec }: Pod, name: string, containers: readonly ContainerStatus[]): void {
  const taken = [
    ...[...spec.initContainers, ...spec.containers].map((container) => container.name),
    ...containers.map((container) => container.metadata.name),
  ];
  if (!taken.includes(name)) return;
  throw new PodwrightError(
    'already-exists',
    `The pod ${metadata.namespace}/${metadata.name} has a container ${name}: choose another name.`,
    { details: { container: name } },
  );
}

function targetOf(
  { name, targetContainerName }: EphemeralContainer,
  containers: readonly ContainerStatus[],
): string | undefined {
  if (targetContainerName === undefined) return undefined;
  const target = attemptsOf(containers, targetContainerName).at(-1);
  if (target?.state === 'running') return target.id;
  throw new PodwrightError(
    target ? 'failed-precondition' : 'not-found',
    `The container ${name} cannot join the processes of ${targetContainerName}: ${target ? `it does not run, it is ${target.state}` : 'the pod has no such container'}.`,
    { details: { container: targetContainerName } },
  );
}
