import { criStreamingModule, type StreamingServerOptions } from '@podwright/cri-streaming';
import { ContainerModule, type Newable } from 'inversify';
import { ContainerCalls } from './calls/container-calls.js';
import { ContainerStatuses } from './calls/container-statuses.js';
import { IdFinder } from './calls/id-finder.js';
import { RuntimeCalls } from './calls/runtime-calls.js';
import { SandboxCalls } from './calls/sandbox-calls.js';
import { StreamingCalls } from './calls/streaming-calls.js';
import { CriRuntimeService } from './cri-runtime-service.js';
import { CriServer } from './cri-server.js';
import { CriServerOptions } from './cri-server-options.js';
import { ContainerEvents } from './events/container-events.js';
import { CriImageService } from './images/cri-image-service.js';
import { OrphanSweeper } from './orphan-sweeper.js';
import { CriStats } from './stats/cri-stats.js';

/** What `criServerModule` is told; only the path of the socket has no default. */
export interface CriServerModuleOptions
  extends Pick<CriServerOptions, 'socketPath'>,
    Partial<Omit<CriServerOptions, 'socketPath'>> {
  /** The server of exec, attach and port-forward. */
  readonly streaming?: StreamingServerOptions;
}

/** Less than systemd waits before it kills (TimeoutStopSec, 90 s), and more than most calls take. */
const SHUTDOWN_GRACE_MS = 20_000;

/**
 * Binds `CriServer`, which has to be started, and the streaming server. Needs `RuntimeService` and `ImageService` of a
 * backend, `Logger` and `Clock`.
 */
export function criServerModule({ streaming, ...options }: CriServerModuleOptions): ContainerModule {
  const streamingModule = criStreamingModule(streaming);
  return new ContainerModule((load) => {
    // Done when it returns: nothing in it waits.
    void streamingModule.load(load);
    const { bind } = load;
    bind(CriServerOptions).toConstantValue({
      version: '0.1.0',
      shutdownGraceMs: SHUTDOWN_GRACE_MS,
      ...options,
    });
    const parts: readonly Newable<object>[] = [
      ContainerCalls,
      ContainerEvents,
      ContainerStatuses,
      CriImageService,
      CriRuntimeService,
      CriServer,
      CriStats,
      IdFinder,
      OrphanSweeper,
      RuntimeCalls,
      SandboxCalls,
      StreamingCalls,
    ];
    for (const part of parts) bind(part).toSelf().inSingletonScope();
  });
}
