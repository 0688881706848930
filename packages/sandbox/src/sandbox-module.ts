import { ContainerModule } from 'inversify';
import { CniClient, ExecCniClient } from './cni/cni-client.js';
import { SandboxFiles } from './files/sandbox-files.js';
import { HostPorts } from './host-ports.js';
import { HostSandboxManager } from './host-sandbox-manager.js';
import { HostInfraProcess } from './infra/host-infra-process.js';
import { InfraProcess } from './infra/infra-process.js';
import { NamespacePinner } from './namespaces/namespace-pinner.js';
import { SandboxNamespacesFactory } from './namespaces/sandbox-namespaces.js';
import { UnshareNamespacePinner } from './namespaces/unshare-namespace-pinner.js';
import { UserNamespaceRanges } from './namespaces/user-namespace-ranges.js';
import { AttachmentNotes } from './network/attachment-notes.js';
import { CniPodNetwork } from './network/cni-pod-network.js';
import { DefaultNetworkHost } from './network/default-network-host.js';
import { Ipv6Readiness } from './network/ipv6-readiness.js';
import { PodNetwork } from './network/pod-network.js';
import { SandboxBuilder } from './sandbox-builder.js';
import { SandboxManager } from './sandbox-manager.js';
import { SandboxOptions, withDefaults } from './sandbox-options.js';
import { SandboxRemover } from './sandbox-remover.js';
import { FileSandboxStore, SandboxStore } from './sandbox-store.js';

/** The directories have to be named; everything else has a default. */
export type SandboxModuleOptions = Pick<SandboxOptions, 'stateDir' | 'runDir'> & Partial<SandboxOptions>;

/**
 * Binds `SandboxManager` and what it is made of. Needs `HostExecutor`, `Logger` and `Clock`.
 * @throws PodwrightError kind `invalid-argument` for options that cannot be
 */
export function sandboxModule(options: SandboxModuleOptions): ContainerModule {
  const complete = withDefaults(options);
  return new ContainerModule(({ bind }) => {
    bind(SandboxOptions).toConstantValue(complete);
    bind(SandboxStore).to(FileSandboxStore).inSingletonScope();
    bind(NamespacePinner).to(UnshareNamespacePinner).inSingletonScope();
    bind(SandboxNamespacesFactory).toSelf().inSingletonScope();
    bind(UserNamespaceRanges).toSelf().inSingletonScope();
    bind(InfraProcess).to(HostInfraProcess).inSingletonScope();
    bind(CniClient).to(ExecCniClient).inSingletonScope();
    bind(Ipv6Readiness).toSelf().inSingletonScope();
    bind(AttachmentNotes).toSelf().inSingletonScope();
    bind(DefaultNetworkHost).toSelf().inSingletonScope();
    bind(PodNetwork).to(CniPodNetwork).inSingletonScope();
    bind(SandboxFiles).toSelf().inSingletonScope();
    bind(HostPorts).toSelf().inSingletonScope();
    bind(SandboxRemover).toSelf().inSingletonScope();
    bind(SandboxBuilder).toSelf().inSingletonScope();
    bind(SandboxManager).to(HostSandboxManager).inSingletonScope();
  });
}
