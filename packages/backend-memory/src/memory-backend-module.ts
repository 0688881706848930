import {
  type BackendModuleFactory,
  Clock,
  ImageService,
  RestartBackoff,
  RuntimeService,
  VolumeProvider,
} from '@podwright/core';
import { ContainerModule } from 'inversify';
import { MemoryContainers, SupervisedRestart } from './memory-containers.js';
import { MemoryHost, MemoryHostToken, OwnsMemoryHost } from './memory-host.js';
import { MemoryImageService } from './memory-image-service.js';
import { type MemoryOptions, parseMemoryOptions } from './memory-options.js';
import { MemoryOrphans } from './memory-orphans.js';
import { MemoryRuntimeService } from './memory-runtime-service.js';
import { MemorySandboxes } from './memory-sandboxes.js';
import { MemoryVolumeProvider } from './memory-volume-provider.js';

/**
 * Binds the memory backend. The clock of a machine that it makes is the container's own `Clock`.
 * @throws PodwrightError kind `invalid-argument` for an option that is wrong
 */
export function memoryBackendModule(options: MemoryOptions = {}): ContainerModule {
  const { host, supervisedRestart = true, ...hostOptions } = parseMemoryOptions({ ...options });
  return new ContainerModule(({ bind }) => {
    if (host) bind(MemoryHostToken).toConstantValue(host);
    else {
      bind(MemoryHostToken)
        .toDynamicValue((context) => new MemoryHost(hostOptions, context.get(Clock)))
        .inSingletonScope();
    }
    bind(OwnsMemoryHost).toConstantValue(host === undefined);
    bind(SupervisedRestart).toConstantValue(supervisedRestart);
    bind(RestartBackoff)
      .toDynamicValue((context) => context.get(MemoryHostToken).restartBackoff)
      .inSingletonScope();
    for (const part of [MemoryContainers, MemorySandboxes, MemoryOrphans]) {
      bind<object>(part).toSelf().inSingletonScope();
    }
    bind(RuntimeService).to(MemoryRuntimeService).inSingletonScope();
    bind(ImageService).to(MemoryImageService).inSingletonScope();
    bind(VolumeProvider).to(MemoryVolumeProvider).inSingletonScope();
  });
}

/** The memory backend by configuration: `backend: 'memory'` or `backend: '@podwright/backend-memory'`. */
export const backendModule: BackendModuleFactory = (context) =>
  memoryBackendModule(parseMemoryOptions(context.options));
