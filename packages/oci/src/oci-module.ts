import { ContainerModule } from 'inversify';
import { BridgedConmonAttach, ConmonAttach } from './conmon-attach.js';
import { ExecHandler } from './exec-handler.js';
import { NsenterExec } from './nsenter-exec.js';
import { GatedOciExec } from './oci-exec.js';
import { OciOptions } from './oci-options.js';
import { HostOciRuntime, OciRuntime } from './oci-runtime.js';
import { HostSeccompProfiles, SeccompProfiles } from './seccomp-profiles.js';

export type OciModuleOptions = Partial<OciOptions>;

/** Where containers-common and Debian's golang-github-containers-common put it. */
const DEFAULT_SECCOMP_PROFILE = '/usr/share/containers/seccomp.json';
/** As the kubelet has /var/lib/kubelet/seccomp. */
const DEFAULT_SECCOMP_PROFILE_ROOT = '/var/lib/podwright/seccomp';

/** Binds `OciRuntime`, `ExecHandler`, `ConmonAttach` and `SeccompProfiles`. Needs `HostExecutor`. */
export function ociModule(options: OciModuleOptions = {}): ContainerModule {
  const flavour = options.flavour ?? 'crun';
  return new ContainerModule(({ bind }) => {
    bind(OciOptions).toConstantValue({
      flavour,
      runtime: flavour,
      conmon: 'conmon',
      seccompProfile: DEFAULT_SECCOMP_PROFILE,
      seccompProfileRoot: DEFAULT_SECCOMP_PROFILE_ROOT,
      execHandler: 'oci',
      allowUnconfined: false,
      ...options,
    });
    bind(OciRuntime).to(HostOciRuntime).inSingletonScope();
    bind(ExecHandler)
      .to(options.execHandler === 'nsenter' ? NsenterExec : GatedOciExec)
      .inSingletonScope();
    bind(ConmonAttach).to(BridgedConmonAttach).inSingletonScope();
    bind(SeccompProfiles).to(HostSeccompProfiles).inSingletonScope();
  });
}
