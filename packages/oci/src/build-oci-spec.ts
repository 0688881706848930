import {
  type ContainerConfig,
  type IdMapping,
  type OciImageConfig,
  PodwrightError,
  type Rlimit,
} from '@podwright/core';
import { capabilitySets, resolveCapabilities } from './capabilities.js';
import { type DeviceNode, deviceRules, ociDevices } from './devices.js';
import { accessLabels, type MandatoryAccess } from './mandatory-access.js';
import { containerMounts, rootfsPropagation, type SandboxMounts } from './mounts.js';
import { processArgs, processEnv, workingDirectory } from './process-settings.js';
import type { ResolvedUser } from './resolve-user.js';
import type { OciIdMapping, OciNamespace, OciNamespaceType, OciSeccomp, OciSpec } from './runtime-spec.js';

/** `host`: the host's own; `new`: one of the container's own; else the absolute path of a pinned one to join. */
export type NamespaceChoice = 'host' | 'new' | string;

/** What a container takes from its sandbox. All paths are the host's. */
export interface OciSandbox extends SandboxMounts {
  readonly namespaces: {
    readonly network: NamespaceChoice;
    readonly ipc: NamespaceChoice;
    readonly uts: NamespaceChoice;
    readonly pid: NamespaceChoice;
    /** Default: `host`. */
    readonly user?: NamespaceChoice;
  };
  /** Where the ids of its user namespace lie on the host; needed with one. */
  readonly idMappings?: readonly IdMapping[];
  /** Told to the processes as HOSTNAME, and set in a UTS namespace that is made; a joined one has its name already. */
  readonly hostname?: string;
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
  readonly mandatoryAccess: MandatoryAccess;
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
  /** Absent: unconfined. See `SeccompProfiles`. */
  readonly seccomp?: OciSeccomp;
  /** What this very runtime once made of `seccomp`, the instructions for the kernel, in base64; absent: it makes it anew. */
  readonly compiledSeccomp?: string;
  readonly host: OciHostFacts;
}

/**
 * The annotation with which crun takes a seccomp filter that is compiled, in base64, and does not compile the one of the
 * document (crun(1)). Other runtimes do not know it, and go by the document.
 */
export const COMPILED_SECCOMP_ANNOTATION = 'run.oci.seccomp_bpf_data';

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
 * Labels and annotations of the container stay out: crun obeys some annotations, and those are not for whoever writes a
 * pod.
 * CPU, memory and PID limits stay out too: they are properties of the container's unit. So do kernel parameters: they are
 * set where the pod's namespaces are made.
 * @throws PodwrightError kind `invalid-argument` (the configuration contradicts itself, or the image),
 *   `missing-requirement` (this host lacks a capability or right that it asks for), `unsupported` (it has no AppArmor or
 *   SELinux)
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
  const { user: userNamespace = 'host' } = namespaces;
  const idMappings = userNamespace === 'host' ? [] : (sandbox.idMappings ?? []);
  if (userNamespace !== 'host') checkIds(user, idMappings);
  const labels = accessLabels(security, host.mandatoryAccess);
  const propagation = rootfsPropagation(config.mounts);
  const rlimits = checkedRlimits(config.rlimits ?? [], host);
  const seccomp = privileged ? undefined : input.seccomp;
  const { compiledSeccomp } = input;

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
      ...oomScore(config.resources.oomScoreAdj, host),
      ...(labels.appArmorProfile !== undefined && { apparmorProfile: labels.appArmorProfile }),
      ...(labels.processLabel !== undefined && { selinuxLabel: labels.processLabel }),
    },
    root: { path: input.rootfsPath, readonly: readOnlyRoot },
    ...(namespaces.uts === 'new' && sandbox.hostname !== undefined && { hostname: sandbox.hostname }),
    mounts: containerMounts({
      volumes: config.mounts,
      sandbox,
      hostIpc: namespaces.ipc === 'host',
      privileged,
      readOnlyRoot,
      idMappings,
    }),
    linux: {
      namespaces: [
        { type: 'mount' },
        ...namespace('user', userNamespace),
        ...namespace('network', namespaces.network),
        ...namespace('ipc', namespaces.ipc),
        ...namespace('uts', namespaces.uts),
        ...namespace('pid', namespaces.pid),
        // A privileged container is meant to see the host's hierarchy.
        ...namespace('cgroup', privileged ? 'host' : 'new'),
      ],
      devices: ociDevices(input),
      resources: { devices: deviceRules(input) },
      ...(idMappings.length > 0 && {
        uidMappings: idMappings.map(ociMapping),
        gidMappings: idMappings.map(ociMapping),
      }),
      ...(seccomp !== undefined && { seccomp }),
      ...(propagation !== undefined && { rootfsPropagation: propagation }),
      ...(labels.mountLabel !== undefined && { mountLabel: labels.mountLabel }),
      maskedPaths: privileged ? [] : (security.maskedPaths ?? defaultMaskedPaths),
      readonlyPaths: privileged ? [] : (security.readOnlyPaths ?? defaultReadOnlyPaths),
    },
    ...(seccomp !== undefined &&
      compiledSeccomp !== undefined && {
        annotations: { [COMPILED_SECCOMP_ANNOTATION]: compiledSeccomp },
      }),
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

function ociMapping({ containerId, hostId, size }: IdMapping): OciIdMapping {
  return { containerID: containerId, hostID: hostId, size };
}

/** The kernel would refuse such a process, in words that name no id. */
function checkIds({ uid, gid, additionalGids }: ResolvedUser, mappings: readonly IdMapping[]): void {
  const isMapped = (id: number) =>
    mappings.some(({ containerId, size }) => id >= containerId && id < containerId + size);
  const wrong = [
    ...(isMapped(uid) ? [] : [`user ${uid}`]),
    ...[...new Set([gid, ...additionalGids])].filter((id) => !isMapped(id)).map((id) => `group ${id}`),
  ];
  if (wrong.length === 0) return;
  const ranges = mappings
    .map(({ containerId, size }) => `${containerId} to ${containerId + size - 1}`)
    .join(', ');
  throw new PodwrightError(
    'invalid-argument',
    `The container is to run with ${wrong.join(' and ')}, which its pod's user namespace does not have: it has ${ranges}. ` +
      'Choose lower ids, or give the pod the users of the host (hostUsers: true).',
    { details: { wrong } },
  );
}

/**
 * Without CAP_SYS_RESOURCE nothing can be made safer from the OOM killer than what starts it: then it stays as it is, as
 * in containerd (`restrict_oom_score_adj`).
 */
function oomScore(value: number | undefined, { capabilities }: OciHostFacts): { oomScoreAdj?: number } {
  if (value === undefined) return {};
  return { oomScoreAdj: capabilities.includes('CAP_SYS_RESOURCE') ? value : Math.max(0, value) };
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
