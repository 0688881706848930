import {
  type ContainerConfig,
  type OciImageConfig,
  PodwrightError,
  type Rlimit,
  type StringMap,
} from '@podwright/core';
import { capabilitySets, resolveCapabilities } from './capabilities.js';
import { type DeviceNode, deviceRules, ociDevices } from './devices.js';
import { containerMounts, rootfsPropagation, type SandboxMounts } from './mounts.js';
import { processArgs, processEnv, workingDirectory } from './process-settings.js';
import type { ResolvedUser } from './resolve-user.js';
import type { OciNamespace, OciNamespaceType, OciSeccomp, OciSpec } from './runtime-spec.js';
import { containerSysctls } from './sysctls.js';

/** `host`: the host's own; `new`: one of the container's own; else the absolute path of a pinned one to join. */
export type NamespaceChoice = 'host' | 'new' | string;

/** What a container takes from its sandbox. All paths are the host's. */
export interface OciSandbox extends SandboxMounts {
  readonly namespaces: {
    readonly network: NamespaceChoice;
    readonly ipc: NamespaceChoice;
    readonly uts: NamespaceChoice;
    readonly pid: NamespaceChoice;
  };
  /** Told to the processes as HOSTNAME, and set in a UTS namespace that is made; a joined one has its name already. */
  readonly hostname?: string;
  /** For the whole pod. */
  readonly sysctls?: StringMap;
}

/** Facts of the host that the document depends on; `readHostFacts` finds them. */
export interface OciHostFacts {
  /** Names with `CAP_` that a process here can be given. */
  readonly capabilities: readonly string[];
  /** 2 only when the unified hierarchy has the controllers. */
  readonly cgroupVersion: 1 | 2;
  /** Highest value of each resource limit that can be given without CAP_SYS_RESOURCE; absent: none known. */
  readonly hardLimits: Readonly<Record<string, number>>;
  /** As Go names it, which seccomp profiles do: `amd64`, `arm64`. */
  readonly arch: string;
  /** `6.1` and so on. */
  readonly kernelVersion: string;
}

export interface OciSpecInput {
  readonly config: ContainerConfig;
  readonly sandbox: OciSandbox;
  readonly image: OciImageConfig;
  readonly user: ResolvedUser;
  /** Where the container's root file system is mounted, on the host. */
  readonly rootfsPath: string;
  /** The given devices (with a privileged container: the host's) as `readDeviceNodes` found them. */
  readonly deviceNodes: readonly DeviceNode[];
  /** Only for a runtime that manages cgroups itself. */
  readonly cgroupsPath?: string;
  /** Absent: unconfined. See `SeccompProfiles`. */
  readonly seccomp?: OciSeccomp;
  readonly host: OciHostFacts;
}

/** Masked unless the container says otherwise: the list of Docker and containerd. */
export const defaultMaskedPaths: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];

/** Read-only unless the container says otherwise. */
export const defaultReadOnlyPaths: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
];

/**
 * The OCI runtime-spec document of a container. Its environment may hold secrets: write it to a 0600 file only.
 *
 * Labels and annotations stay out: crun obeys some annotations, and those are not for whoever writes a pod.
 * CPU, memory and PID limits stay out too: they are properties of the container's unit.
 * @throws PodwrightError kind `invalid-argument` (the configuration contradicts itself, or the image),
 *   `missing-requirement` (this host lacks a capability or right that it asks for)
 */
export function buildOciSpec(input: OciSpecInput): OciSpec {
  const { config, sandbox, image, user, host } = input;
  const { security } = config;
  const privileged = security.privileged === true;
  if (privileged && security.allowPrivilegeEscalation === false) {
    throw new PodwrightError(
      'invalid-argument',
      'A privileged container cannot have allowPrivilegeEscalation: false: leave one of them out.',
    );
  }
  const readOnlyRoot = security.readOnlyRootFilesystem === true;
  const { namespaces } = sandbox;
  const sysctls = containerSysctls([sandbox.sysctls ?? {}, config.sysctls ?? {}], {
    network: namespaces.network !== 'host',
    ipc: namespaces.ipc !== 'host',
  });
  const propagation = rootfsPropagation(config.mounts);
  const rlimits = checkedRlimits(config.rlimits ?? [], host);

  return {
    ociVersion: '1.0.2',
    process: {
      terminal: config.tty === true,
      user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
      args: processArgs(config, image),
      env: processEnv(config.env, image, {
        home: user.home,
        ...(config.tty === true && { term: 'xterm' }),
        ...(sandbox.hostname !== undefined && { hostname: sandbox.hostname }),
      }),
      cwd: workingDirectory(config, image),
      capabilities: capabilitySets(resolveCapabilities(security, host.capabilities)),
      ...(rlimits.length > 0 && { rlimits }),
      noNewPrivileges: security.allowPrivilegeEscalation === false,
    },
    root: { path: input.rootfsPath, readonly: readOnlyRoot },
    ...(namespaces.uts === 'new' && sandbox.hostname !== undefined && { hostname: sandbox.hostname }),
    mounts: containerMounts({
      volumes: config.mounts,
      sandbox,
      hostIpc: namespaces.ipc === 'host',
      privileged,
      readOnlyRoot,
    }),
    linux: {
      namespaces: [
        { type: 'mount' },
        ...namespace('network', namespaces.network),
        ...namespace('ipc', namespaces.ipc),
        ...namespace('uts', namespaces.uts),
        ...namespace('pid', namespaces.pid),
        // A privileged container is meant to see the host's hierarchy.
        ...namespace('cgroup', privileged ? 'host' : 'new'),
      ],
      devices: ociDevices(input),
      ...(input.cgroupsPath !== undefined && { cgroupsPath: input.cgroupsPath }),
      resources: { devices: deviceRules(input) },
      ...(Object.keys(sysctls).length > 0 && { sysctl: sysctls }),
      ...(input.seccomp !== undefined && !privileged && { seccomp: input.seccomp }),
      ...(propagation !== undefined && { rootfsPropagation: propagation }),
      maskedPaths: privileged ? [] : (security.maskedPaths ?? defaultMaskedPaths),
      readonlyPaths: privileged ? [] : (security.readOnlyPaths ?? defaultReadOnlyPaths),
    },
  };
}

function namespace(type: OciNamespaceType, choice: NamespaceChoice): readonly OciNamespace[] {
  if (choice === 'host') return [];
  if (choice === 'new') return [{ type }];
  if (choice.startsWith('/')) return [{ type, path: choice }];
  throw new PodwrightError(
    'invalid-argument',
    `The ${type} namespace "${choice}" is neither "host" nor "new" nor an absolute path.`,
    { details: { value: choice } },
  );
}

function checkedRlimits(rlimits: readonly Rlimit[], host: OciHostFacts): readonly Rlimit[] {
  const seen = new Set<string>();
  for (const { type, soft, hard } of rlimits) {
    const fail = (why: string): never => {
      throw new PodwrightError('invalid-argument', `The resource limit ${type} cannot be set: ${why}.`, {
        details: { type, soft, hard },
      });
    };
    if (!/^RLIMIT_[A-Z]+$/.test(type)) fail('its type has to be a name of setrlimit(2), e.g. RLIMIT_NOFILE');
    if (seen.has(type)) fail('it is there twice');
    seen.add(type);
    if (!Number.isSafeInteger(soft) || !Number.isSafeInteger(hard) || soft < 0 || hard < 0) {
      fail('soft and hard have to be whole numbers from 0');
    }
    if (soft > hard) fail(`its soft value ${soft} is above its hard value ${hard}`);
    const highest = host.hardLimits[type];
    if (highest !== undefined && hard > highest && !host.capabilities.includes('CAP_SYS_RESOURCE')) {
      throw new PodwrightError(
        'missing-requirement',
        `The container asks for ${type} up to ${hard}, but this host cannot go above ${highest}: raising it takes ` +
          'CAP_SYS_RESOURCE, which its first process does not have. Ask for less, or give the host that capability.',
        { details: { type, hard, highest } },
      );
    }
  }
  return rlimits;
}
