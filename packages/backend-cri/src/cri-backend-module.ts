import { type BackendModuleFactory, ImageService, RestartBackoff, RuntimeService } from '@podwright/core';
import { nsenterModule } from '@podwright/nsenter';
import { VolumeImages, volumesModule } from '@podwright/sandbox';
import { ContainerModule } from 'inversify';
import { BackendLayout, BackendLayoutToken } from './backend-layout.js';
import { CriBackendOptions, parseCriBackendOptions } from './backend-options.js';
import { ContainerCheck } from './container-check.js';
import { ContainerLogs } from './container-logs.js';
import { ContainerMaker } from './container-maker.js';
import { ContainerRemains } from './container-remains.js';
import { ContainerStates } from './container-states.js';
import { CriConnection } from './cri-connection.js';
import { CriContainers } from './cri-containers.js';
import { CriImageService } from './cri-image-service.js';
import { CriMetrics } from './cri-metrics.js';
import { CriRuntimeService, StateAccess } from './cri-runtime-service.js';
import { CriSandboxes } from './cri-sandboxes.js';
import { CriStats } from './cri-stats.js';
import { CriStreams } from './cri-streams.js';
import { HostFacilities } from './host-facilities.js';
import { ImageLookup } from './image-lookup.js';
import { NoImageVolumes } from './no-image-volumes.js';
import { OrphanCollector } from './orphan-collector.js';
import { PodFiles } from './pod-files.js';
import { RuntimeFacts } from './runtime-facts.js';
import { StateRecords } from './state-records.js';
import { StateWatcher } from './state-watcher.js';
import { TerminationMessages } from './termination-messages.js';
import { VolumeParts } from './volume-parts.js';

/**
 * The backend `cri`. Binds `RuntimeService`, `ImageService` and `VolumeProvider`, and everything below them, each to be
 * rebound. Needs `Logger` and `Clock`.
 * @throws PodwrightError kind `invalid-argument` for an option it does not know
 */
export const backendModule: BackendModuleFactory = ({ stateDir, runDir, access = 'exclusive', options }) => {
  const parsed = parseCriBackendOptions(options);
  const layout = new BackendLayout(stateDir, runDir, parsed);
  const parts = [nsenterModule({ mode: 'local' }), volumesModule(layout.volumes)];
  return new ContainerModule(async (load) => {
    for (const part of parts) await part.load(load);
    const { bind } = load;
    bind(CriBackendOptions).toConstantValue(parsed);
    bind(BackendLayoutToken).toConstantValue(layout);
    bind(RestartBackoff).toConstantValue(parsed.restartBackoff);
    bind(StateAccess).toConstantValue(access);
    for (const type of [
      CriConnection,
      RuntimeFacts,
      HostFacilities,
      StateRecords,
      ContainerStates,
      StateWatcher,
      PodFiles,
      TerminationMessages,
      VolumeParts,
      ContainerRemains,
      ContainerCheck,
      ImageLookup,
      CriSandboxes,
      ContainerMaker,
      CriContainers,
      CriStreams,
      CriStats,
      CriMetrics,
      ContainerLogs,
      OrphanCollector,
    ]) {
      bind<object>(type).toSelf().inSingletonScope();
    }
    bind(VolumeImages).to(NoImageVolumes).inSingletonScope();
    bind(RuntimeService).to(CriRuntimeService).inSingletonScope();
    bind(ImageService).to(CriImageService).inSingletonScope();
  });
};
