import { join } from 'node:path';
import {
  ContainerOptionsGenerator,
  ContainerRuntime,
  DEFAULT_RESTART_BACKOFF,
  EventRecorder,
  PodStore,
  ProbeResults,
  RestartBackoff,
  type RuntimeAccess,
} from '@podwright/core';
import { ContainerModule } from 'inversify';
import { BackendPodRuntime } from './backend-pod-runtime.js';
import { ContainerStarter } from './container-starter.js';
import { ContainerStopper } from './container-stopper.js';
import { ContainerVariables } from './container-variables.js';
import { EphemeralContainers } from './ephemeral-containers.js';
import { FilePodStore } from './file-pod-store.js';
import { ImageCollector } from './image-collector.js';
import { ImageEnsurer } from './image-ensurer.js';
import { ImagePullOptions } from './image-pull-options.js';
import { ImageUses, ImageUsesFile } from './image-uses.js';
import { LoggingEventRecorder } from './logging-event-recorder.js';
import { ManifestContainerOptionsGenerator } from './manifest-container-options-generator.js';
import { MemoryPodStore } from './memory-pod-store.js';
import { HostNodeFacts, NodeFacts } from './node-facts.js';
import { ObservedPodStore } from './observed-pod-store.js';
import { PodAccess } from './pod-access.js';
import { PodCollector } from './pod-collector.js';
import { PodEnder } from './pod-ender.js';
import { PodEventHub } from './pod-event-hub.js';
import { PodFinder } from './pod-finder.js';
import { PodImages } from './pod-images.js';
import { PodLocks } from './pod-locks.js';
import { PodPreparer } from './pod-preparer.js';
import { PodStarter } from './pod-starter.js';
import { PodSupervisor } from './pod-supervisor.js';
import { PodSyncer } from './pod-syncer.js';
import { PodVolumes } from './pod-volumes.js';
import { CallerBackoff } from './restart-backoff.js';
import { SucceedingProbeResults } from './succeeding-probe-results.js';

export interface PodsModuleOptions {
  /** Where pods are remembered over restarts of the agent; absent: in memory only. */
  readonly stateDir?: string;
  /** Default: `exclusive`. */
  readonly access?: RuntimeAccess;
  /** Pulls for pods that run at once; see `ImagePullOptions`. Default 1. */
  readonly maxParallelPulls?: number;
  /** How long `start()` waits while another process holds the state directory, in milliseconds. Default: not at all. */
  readonly lockTimeoutMs?: number;
}

/**
 * Binds `ContainerRuntime`, and as defaults to rebind: `PodStore`, `ContainerOptionsGenerator`, `EventRecorder` and
 * `ProbeResults`. Needs `RuntimeService`, `ImageService` and `VolumeProvider` of a backend, `Logger` and `Clock`.
 */
export function podsModule(options: PodsModuleOptions = {}): ContainerModule {
  const { access = 'exclusive' } = options;
  return new ContainerModule(({ bind }) => {
    bind(PodAccess).toConstantValue(access);
    bind(CallerBackoff)
      .toDynamicValue((context) => context.get(RestartBackoff, { optional: true }) ?? DEFAULT_RESTART_BACKOFF)
      .inSingletonScope();
    bind(ImagePullOptions).toConstantValue({ maxParallelPulls: options.maxParallelPulls ?? 1 });
    bind(ImageUsesFile).toConstantValue(imageUsesFile(options));
    bind(PodStore)
      .toDynamicValue(() => newPodStore(options))
      .inSingletonScope();
    bind(ContainerOptionsGenerator).to(ManifestContainerOptionsGenerator).inSingletonScope();
    bind(EventRecorder).to(LoggingEventRecorder).inSingletonScope();
    bind(NodeFacts).to(HostNodeFacts).inSingletonScope();
    bind(ProbeResults).to(SucceedingProbeResults).inSingletonScope();
    for (const part of [
      ContainerStarter,
      ContainerStopper,
      ContainerVariables,
      EphemeralContainers,
      ImageCollector,
      ImageEnsurer,
      ImageUses,
      PodCollector,
      PodEnder,
      PodEventHub,
      PodFinder,
      PodImages,
      PodLocks,
      PodVolumes,
      PodPreparer,
      PodStarter,
      PodSupervisor,
      PodSyncer,
    ]) {
      bind<object>(part).to(part).inSingletonScope();
    }
    bind(ContainerRuntime).to(BackendPodRuntime).inSingletonScope();
  });
}

function imageUsesFile({ stateDir, access }: PodsModuleOptions): string | undefined {
  return stateDir === undefined || access === 'observe' ? undefined : join(stateDir, 'image-uses.json');
}

function newPodStore({ stateDir, access, lockTimeoutMs }: PodsModuleOptions): PodStore {
  if (stateDir === undefined) return new MemoryPodStore();
  return access === 'observe' ? new ObservedPodStore(stateDir) : new FilePodStore(stateDir, lockTimeoutMs);
}
