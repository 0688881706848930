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
import { ContainerResizer } from './container-resizer.js';
import { ContainerStarter } from './container-starter.js';
import { ContainerStopper } from './container-stopper.js';
import { ContainerVariables } from './container-variables.js';
import { EphemeralContainers } from './ephemeral-containers.js';
import { FilePodStore } from './file-pod-store.js';
import { ContainerHooks } from './hooks/container-hooks.js';
import { HookRunner } from './hooks/hook-runner.js';
import { ImageCollector } from './image-collector.js';
import { ImageEnsurer } from './image-ensurer.js';
import { ImagePullOptions } from './image-pull-options.js';
import { ImageUses, ImageUsesFile } from './image-uses.js';
import { InitContainers } from './init-containers.js';
import { LoggingEventRecorder } from './logging-event-recorder.js';
import { ManifestContainerOptionsGenerator } from './manifest-container-options-generator.js';
import { MemoryPodStore } from './memory-pod-store.js';
import { HostNodeFacts, NodeFacts } from './node-facts.js';
import { ObservedPodStore } from './observed-pod-store.js';
import { PodAccess } from './pod-access.js';
import { PodActionPerformer } from './pod-action-performer.js';
import { PodAdmission } from './pod-admission.js';
import { PodChanges } from './pod-changes.js';
import { PodCollector } from './pod-collector.js';
import { PodDeadlines } from './pod-deadlines.js';
import { PodEnder } from './pod-ender.js';
import { PodEventHub } from './pod-event-hub.js';
import { PodFinder } from './pod-finder.js';
import { PodImages } from './pod-images.js';
import { PodLocks } from './pod-locks.js';
import { PodPreparer } from './pod-preparer.js';
import { PodRestorer } from './pod-restorer.js';
import { PodStarter } from './pod-starter.js';
import { PodStatsReader } from './pod-stats.js';
import { PodSupervisor } from './pod-supervisor.js';
import { PodSyncer } from './pod-syncer.js';
import { PodVolumes } from './pod-volumes.js';
import { ObservedProbeResults } from './probes/observed-probe-results.js';
import { PodDialer } from './probes/pod-dialer.js';
import { PodHttp } from './probes/pod-http.js';
import { PodProbes } from './probes/pod-probes.js';
import { ProbeResultsFile, ProbeResultsPath } from './probes/probe-results-file.js';
import { ProbeRunner } from './probes/probe-runner.js';
import { StartupWait } from './probes/startup-wait.js';
import { CallerBackoff } from './restart-backoff.js';
import { RuntimeLife } from './runtime-life.js';
import { StorageCheckIntervalMs, StorageMonitor } from './storage-monitor.js';
import { AllowedUnsafeSysctls } from './sysctl-policy.js';

export interface PodsModuleOptions {
  /** Where pods are remembered over restarts of the agent; absent: in memory only. */
  readonly stateDir?: string;
  /** Default: `exclusive`. */
  readonly access?: RuntimeAccess;
  /** Pulls for pods that run at once; see `ImagePullOptions`. Default 1. */
  readonly maxParallelPulls?: number;
  /** See `AllowedUnsafeSysctls`. Default: none. */
  readonly allowedUnsafeSysctls?: readonly string[];
  /** Time between two looks at what pods with limits of disk use have there, in milliseconds. Default: 10,000. */
  readonly storageCheckIntervalMs?: number;
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
    bind(StorageCheckIntervalMs).toConstantValue(options.storageCheckIntervalMs ?? 10_000);
    bind(CallerBackoff)
      .toDynamicValue((context) => context.get(RestartBackoff, { optional: true }) ?? DEFAULT_RESTART_BACKOFF)
      .inSingletonScope();
    bind(ImagePullOptions).toConstantValue({ maxParallelPulls: options.maxParallelPulls ?? 1 });
    bind(AllowedUnsafeSysctls).toConstantValue(options.allowedUnsafeSysctls ?? []);
    bind(ImageUsesFile).toConstantValue(
      access === 'observe' ? undefined : stateFile(options, 'image-uses.json'),
    );
    bind(PodStore)
      .toDynamicValue(() => newPodStore(options))
      .inSingletonScope();
    bind(ContainerOptionsGenerator).to(ManifestContainerOptionsGenerator).inSingletonScope();
    bind(EventRecorder).to(LoggingEventRecorder).inSingletonScope();
    bind(NodeFacts).to(HostNodeFacts).inSingletonScope();
    bind(ProbeResultsPath).toConstantValue(stateFile(options, 'probe-results.json'));
    bind(ProbeResults).toService(access === 'observe' ? ObservedProbeResults : PodProbes);
    for (const part of [
      ContainerHooks,
      ContainerResizer,
      ContainerStarter,
      ContainerStopper,
      ContainerVariables,
      EphemeralContainers,
      HookRunner,
      ImageCollector,
      ImageEnsurer,
      ImageUses,
      InitContainers,
      ObservedProbeResults,
      PodActionPerformer,
      PodAdmission,
      PodChanges,
      PodCollector,
      PodDeadlines,
      PodDialer,
      PodEnder,
      PodEventHub,
      PodFinder,
      PodHttp,
      PodImages,
      PodLocks,
      PodVolumes,
      PodPreparer,
      PodRestorer,
      PodProbes,
      PodStarter,
      PodStatsReader,
      PodSupervisor,
      PodSyncer,
      ProbeResultsFile,
      RuntimeLife,
      ProbeRunner,
      StorageMonitor,
      StartupWait,
    ]) {
      bind<object>(part).to(part).inSingletonScope();
    }
    bind(ContainerRuntime).to(BackendPodRuntime).inSingletonScope();
  });
}

function stateFile({ stateDir }: PodsModuleOptions, name: string): string | undefined {
  return stateDir === undefined ? undefined : join(stateDir, name);
}

function newPodStore({ stateDir, access, lockTimeoutMs }: PodsModuleOptions): PodStore {
  if (stateDir === undefined) return new MemoryPodStore();
  return access === 'observe' ? new ObservedPodStore(stateDir) : new FilePodStore(stateDir, lockTimeoutMs);
}
