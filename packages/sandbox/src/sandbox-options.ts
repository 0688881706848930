import type { ServiceIdentifier } from 'inversify';
import { DEFAULT_IDS, type IdRange } from './namespaces/id-ranges.js';

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
  /** Whether pods get a default bridge when `cniConfDir` has no network; otherwise they wait for one. */
  readonly defaultNetwork: boolean;
  /** Addresses of the default bridge, in CIDR form. */
  readonly defaultSubnet: string;
  /**
   * Addresses of the second family, in CIDR form, or `off`. Used where the host has IPv6 and would not lose a default
   * route by forwarding it; not with a `defaultSubnet` of IPv6.
   */
  readonly defaultSubnet6: string;
  /** Interface on the host of the default bridge. */
  readonly defaultBridge: string;
  readonly shmSizeBytes: number;
  /** Sandboxes that do not need a first process get none. */
  readonly dropInfra: boolean;
  /** Ids of the host for user namespaces: a range, or a user whose lines in /etc/subuid and /etc/subgid are the same. */
  readonly userNamespaceIds: IdRange | { readonly user: string };
  /** How long after a failed one the network's teardown is tried again: doubled from the first to the last. */
  readonly teardownRetryMs: { readonly initial: number; readonly max: number };
  /**
   * How long what all sandboxes share on the host (bridge, rules, directory of namespaces) stays after the last one, in
   * milliseconds: the next one is made faster. It goes when the manager is disposed of, too.
   */
  readonly keepSharedMs: number;
}

export const SandboxOptions: ServiceIdentifier<SandboxOptions> = Symbol.for(
  'podwright.sandbox.SandboxOptions',
);

/**
 * Completes the options. The default subnet is none of those that podman (10.88), CRI-O (10.85), Kubernetes (10.96,
 * 10.244), k3s (10.42) and Docker (172.17 and on) take by themselves; that of IPv6 is a unique local one (RFC 4193). /usr/lib/cni is Debian's directory of plugins.
 */
export function withDefaults(
  options: Pick<SandboxOptions, 'stateDir' | 'runDir'> & Partial<SandboxOptions>,
): SandboxOptions {
  return {
    stateDir: options.stateDir,
    runDir: options.runDir,
    cniConfDir: options.cniConfDir ?? '/etc/cni/net.d',
    cniBinDirs: options.cniBinDirs ?? ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'],
    defaultNetwork: options.defaultNetwork ?? true,
    defaultSubnet: options.defaultSubnet ?? '10.91.0.0/16',
    defaultBridge: options.defaultBridge ?? 'podwright0',
    defaultSubnet6: options.defaultSubnet6 ?? 'fdb7:91a3:5e10::/64',
    dropInfra: options.dropInfra ?? true,
    userNamespaceIds: options.userNamespaceIds ?? DEFAULT_IDS,
    teardownRetryMs: options.teardownRetryMs ?? { initial: 1_000, max: 60_000 },
    keepSharedMs: options.keepSharedMs ?? 0,
    shmSizeBytes: options.shmSizeBytes ?? DEFAULT_SHM_SIZE_BYTES,
  };
}
