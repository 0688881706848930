import type { ServiceIdentifier } from 'inversify';

/** Size of a pod's /dev/shm when nothing else is said; what Docker, CRI-O and containerd give. */
export const DEFAULT_SHM_SIZE_BYTES = 64 * 1024 * 1024;

/** How sandboxes are made on this host. All paths are the host's own. */
export interface SandboxOptions {
  /** What has to outlive a reboot lies here; of this agent alone. */
  readonly stateDir: string;
  /** What ends with the boot: namespaces, /dev/shm, address leases. Best on a tmpfs, such as /run/podwright. */
  readonly runDir: string;
  /** Where network configurations are looked for; the first valid one in lexical order counts. */
  readonly cniConfDir: string;
  /** Where CNI plugins are looked for, first to last. */
  readonly cniBinDirs: readonly string[];
  /** Addresses of the default bridge, in CIDR form; used when `cniConfDir` has no network. */
  readonly defaultSubnet: string;
  /** Interface on the host of the default bridge. */
  readonly defaultBridge: string;
  readonly shmSizeBytes: number;
}

export const SandboxOptions: ServiceIdentifier<SandboxOptions> = Symbol.for(
  'podwright.sandbox.SandboxOptions',
);

/**
 * Completes the options. The default subnet is none of those that podman (10.88), CRI-O (10.85), Kubernetes (10.96,
 * 10.244), k3s (10.42) and Docker (172.17 and on) take by themselves. /usr/lib/cni is Debian's directory of plugins.
 */
export function withDefaults(
  options: Pick<SandboxOptions, 'stateDir' | 'runDir'> & Partial<SandboxOptions>,
): SandboxOptions {
  return {
    stateDir: options.stateDir,
    runDir: options.runDir,
    cniConfDir: options.cniConfDir ?? '/etc/cni/net.d',
    cniBinDirs: options.cniBinDirs ?? ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'],
    defaultSubnet: options.defaultSubnet ?? '10.91.0.0/16',
    defaultBridge: options.defaultBridge ?? 'podwright0',
    shmSizeBytes: options.shmSizeBytes ?? DEFAULT_SHM_SIZE_BYTES,
  };
}
