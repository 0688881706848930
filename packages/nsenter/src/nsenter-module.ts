import { ContainerModule } from 'inversify';
import { HostExecutor } from './host-executor.js';
import { LocalHostExecutor, LocalHostExecutorOptions } from './local-host-executor.js';

export interface NsenterModuleOptions extends LocalHostExecutorOptions {
  /** Where this process runs: on the host itself. */
  readonly mode: 'local';
}

/** Binds `HostExecutor`. Needs `Logger`. */
export function nsenterModule(options: NsenterModuleOptions): ContainerModule {
  return new ContainerModule(({ bind }) => {
    bind(LocalHostExecutorOptions).toConstantValue(options);
    bind(HostExecutor).to(LocalHostExecutor).inSingletonScope();
  });
}
