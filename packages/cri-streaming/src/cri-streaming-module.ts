import { ContainerModule } from 'inversify';
import { HttpStreamingServer } from './server/http-streaming-server.js';
import { StreamingServer, StreamingServerOptions } from './streaming-server.js';

/** Binds `StreamingServer`, which has to be started. Needs `Logger`. */
export function criStreamingModule(options: StreamingServerOptions = {}): ContainerModule {
  return new ContainerModule(({ bind }) => {
    bind(StreamingServerOptions).toConstantValue(options);
    bind(StreamingServer).to(HttpStreamingServer).inSingletonScope();
  });
}
