import { ContainerModule } from 'inversify';
import { HostExecutor } from './host-executor.js';
import { HostRootNsenter } from './host-root-nsenter.js';
import { LocalHostExecutor, LocalHostExecutorOptions } from './local-host-executor.js';
import { LocalMounter } from './local-mounter.js';
import { Mounter } from './mounter.js';
import { AgentExecutor, Nsenter, NsenterOptions } from './nsenter.js';
import { NsenterHostExecutor } from './nsenter-host-executor.js';
import { NsenterMounter } from './nsenter-mounter.js';
import { HelperPortForwarder, PortForwarder } from './port-forwarder.js';

export type NsenterModuleOptions =
  /** This process runs on the host itself. */
  | ({ readonly mode: 'local' } & LocalHostExecutorOptions)
  /** This process runs in a privileged container with the host's PID namespace and the host's root mounted. */
  | ({ readonly mode: 'in-container' } & NsenterOptions & Pick<LocalHostExecutorOptions, 'outputLimitBytes'>);

/** Binds `HostExecutor`, `Mounter` and `PortForwarder`; in a container `Nsenter` and `AgentExecutor` too. Needs `Logger`. */
export function nsenterModule(options: NsenterModuleOptions): ContainerModule {
  return new ContainerModule(({ bind }) => {
    bind(PortForwarder).to(HelperPortForwarder).inSingletonScope();
    if (options.mode === 'local') {
      bind(LocalHostExecutorOptions).toConstantValue(options);
      bind(HostExecutor).to(LocalHostExecutor).inSingletonScope();
      bind(Mounter).to(LocalMounter).inSingletonScope();
      return;
    }
    const { outputLimitBytes, ...nsenterOptions } = options;
    // The configured binaries are the host's, none of the agent's own container.
    bind(LocalHostExecutorOptions).toConstantValue(
      outputLimitBytes === undefined ? {} : { outputLimitBytes },
    );
    bind(NsenterOptions).toConstantValue(nsenterOptions);
    bind(AgentExecutor).to(LocalHostExecutor).inSingletonScope();
    bind(Nsenter).to(HostRootNsenter).inSingletonScope();
    bind(HostExecutor).to(NsenterHostExecutor).inSingletonScope();
    bind(Mounter).to(NsenterMounter).inSingletonScope();
  });
}
