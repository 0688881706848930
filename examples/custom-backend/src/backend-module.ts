import {
  type BackendModuleFactory,
  ImageService,
  PodwrightError,
  RuntimeService,
  VolumeProvider,
} from '@podwright/core';
import { ContainerModule } from 'inversify';
import { RemoteHost, SocketPath } from './remote-host.js';
import { RemoteImageService } from './remote-image-service.js';
import { RemoteRuntimeService } from './remote-runtime-service.js';
import { RemoteVolumeProvider } from './remote-volume-provider.js';

/** What makes this package a backend: `createRuntime({ backend: 'podwright-backend-remote', … })` calls it. */
export const backendModule: BackendModuleFactory = ({ options }) => {
  const { socket, ...unknown } = options;
  if (Object.keys(unknown).length > 0 || typeof socket !== 'string') {
    throw new PodwrightError(
      'invalid-argument',
      'The backend remote takes one option, "socket": the path of the Unix socket at which the far side listens.',
      { details: { options } },
    );
  }
  return new ContainerModule(({ bind }) => {
    bind(SocketPath).toConstantValue(socket);
    bind(RemoteHost).toSelf().inSingletonScope();
    bind(RuntimeService).to(RemoteRuntimeService).inSingletonScope();
    bind(ImageService).to(RemoteImageService).inSingletonScope();
    bind(VolumeProvider).to(RemoteVolumeProvider).inSingletonScope();
  });
};
