import {
  ContainerOptionsGenerator,
  ContainerRuntime,
  EventRecorder,
  PodStore,
  ProbeResults,
} from '@podwright/core';
import { ContainerModule } from 'inversify';
import { BackendPodRuntime } from './backend-pod-runtime.js';
import { FilePodStore } from './file-pod-store.js';
import { ImageEnsurer } from './image-ensurer.js';
import { LoggingEventRecorder } from './logging-event-recorder.js';
import { ManifestContainerOptionsGenerator } from './manifest-container-options-generator.js';
import { MemoryPodStore } from './memory-pod-store.js';
import { PodCollector } from './pod-collector.js';
import { PodEnder } from './pod-ender.js';
import { PodEventHub } from './pod-event-hub.js';
import { PodFinder } from './pod-finder.js';
import { PodImages } from './pod-images.js';
import { PodLocks } from './pod-locks.js';
import { PodStarter } from './pod-starter.js';
import { SucceedingProbeResults } from './succeeding-probe-results.js';

export interface PodsModuleOptions {
  /** Where pods are remembered over restarts of the agent; absent: in memory only. */
  readonly stateDir?: string;
}

/**
 * Binds `ContainerRuntime`, and as defaults to rebind: `PodStore`, `ContainerOptionsGenerator`, `EventRecorder` and
 * `ProbeResults`. Needs `RuntimeService`, `ImageService` and `VolumeProvider` of a backend, `Logger` and `Clock`.
 */
export function podsModule(options: PodsModuleOptions = {}): ContainerModule {
  const { stateDir } = options;
  return new ContainerModule(({ bind }) => {
    bind(PodStore)
      .toDynamicValue(() => (stateDir === undefined ? new MemoryPodStore() : new FilePodStore(stateDir)))
      .inSingletonScope();
    bind(ContainerOptionsGenerator).to(ManifestContainerOptionsGenerator).inSingletonScope();
    bind(EventRecorder).to(LoggingEventRecorder).inSingletonScope();
    bind(ProbeResults).to(SucceedingProbeResults).inSingletonScope();
    for (const part of [ImageEnsurer, PodCollector, PodEnder, PodEventHub, PodFinder, PodImages, PodLocks]) {
      bind<object>(part).to(part).inSingletonScope();
    }
    bind(PodStarter).to(PodStarter).inSingletonScope();
    bind(ContainerRuntime).to(BackendPodRuntime).inSingletonScope();
  });
}
