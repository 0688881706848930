import { posix } from 'node:path';
import { type IdMapping, type Mount, type MountPropagation, PodwrightError } from '@podwright/core';
import type { OciMount } from './runtime-spec.js';

/** Size of /dev/shm when the sandbox brings none: 64 MiB, as with Docker and Kubernetes. */
const SHM_BYTES = 64 * 1024 * 1024;

const PROPAGATION: Readonly<Record<MountPropagation, 'rprivate' | 'rslave' | 'rshared'>> = {
  private: 'rprivate',
  'host-to-container': 'rslave',
  bidirectional: 'rshared',
};

/** Files below /proc that one may put a mount on, as runc allows it (for lxcfs). */
const PROC_TARGETS = new Set(
  ['cpuinfo', 'diskstats', 'meminfo', 'stat', 'swaps', 'uptime', 'loadavg', 'slabinfo', 'net/dev'].map(
    (name) => `/proc/${name}`,
  ),
);

/** Files and directories of the sandbox that its containers share. */
export interface SandboxMounts {
  /** A directory for /dev/shm; absent: the host's with the host's IPC namespace, else one of the container's own. */
  readonly shmPath?: string;
  readonly resolvConfPath?: string;
  readonly hostsPath?: string;
  readonly hostnamePath?: string;
}

export interface MountSettings {
  readonly volumes: readonly Mount[];
  readonly sandbox: SandboxMounts;
  readonly hostIpc: boolean;
  readonly privileged: boolean;
  readonly readOnlyRoot: boolean;
  /** Of its pod's user namespace; empty: the container has the host's users. */
  readonly idMappings: readonly IdMapping[];
}

/**
 * All mounts of a container, parents before children. A volume takes the place of a default mount at the same path.
 * @throws PodwrightError kind `invalid-argument` for a relative path, for `/`, for /proc, or for two volumes at one path
 */
export function containerMounts(settings: MountSettings): readonly OciMount[] {
  const mounts = new Map(defaultMounts(settings).map((mount) => [mount.destination, mount]));
  const seen = new Set<string>();
  for (const volume of settings.volumes) {
    const destination = mountTarget(volume.containerPath);
    if (seen.has(destination)) {
      throw new PodwrightError(
        'invalid-argument',
        `Two volumes are to be mounted at ${destination}: each needs a path of its own.`,
        { details: { path: destination } },
      );
    }
    seen.add(destination);
    // Deleted first, so that the order among mounts of one depth is the manifest's.
    mounts.delete(destination);
    mounts.set(destination, bindMount(volume, destination, settings.idMappings));
  }
  const depth = (path: string) => path.split('/').length;
  return [...mounts.values()].sort((a, b) => depth(a.destination) - depth(b.destination));
}

/**
 * How mounts travel between the host and the container's root: as far as the most open volume needs. Without a volume
 * that asks for it the runtime's default holds: nothing travels.
 */
export function rootfsPropagation(volumes: readonly Mount[]): 'rslave' | 'rshared' | undefined {
  const has = (propagation: MountPropagation) => volumes.some((volume) => volume.propagation === propagation);
  if (has('bidirectional')) return 'rshared';
  return has('host-to-container') ? 'rslave' : undefined;
}

function defaultMounts({
  sandbox,
  hostIpc,
  privileged,
  readOnlyRoot,
  idMappings,
}: MountSettings): OciMount[] {
  const guard = ['nosuid', 'noexec', 'nodev'];
  const access = privileged ? 'rw' : 'ro';
  const mounts: OciMount[] = [
    { destination: '/proc', type: 'proc', source: 'proc', options: guard },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: guard },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...guard, access] },
    {
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: [...guard, 'relatime', access],
    },
  ];
  const shmPath = sandbox.shmPath ?? (hostIpc ? '/dev/shm' : undefined);
  mounts.push(
    shmPath === undefined
      ? {
          destination: '/dev/shm',
          type: 'tmpfs',
          source: 'shm',
          options: [...guard, 'mode=1777', `size=${SHM_BYTES}`],
        }
      : { destination: '/dev/shm', type: 'bind', source: shmPath, options: ['rbind', 'rprivate', ...guard] },
  );
  const files = {
    hosts: sandbox.hostsPath,
    'resolv.conf': sandbox.resolvConfPath,
    hostname: sandbox.hostnamePath,
  };
  for (const [name, source] of Object.entries(files)) {
    if (source === undefined) continue;
    const options = ['rbind', 'rprivate', readOnlyRoot ? 'ro' : 'rw', ...idmap(idMappings)];
    mounts.push({ destination: `/etc/${name}`, type: 'bind', source, options });
  }
  return mounts;
}

function bindMount(volume: Mount, destination: string, idMappings: readonly IdMapping[]): OciMount {
  if (!volume.hostPath.startsWith('/')) {
    throw new PodwrightError(
      'invalid-argument',
      `The volume for ${destination} has the host path "${volume.hostPath}": it has to begin with "/".`,
      { details: { path: volume.hostPath } },
    );
  }
  return {
    destination,
    type: 'bind',
    source: volume.hostPath,
    options: [
      'rbind',
      PROPAGATION[volume.propagation ?? 'private'],
      access(volume),
      ...(volume.idMapped === true ? idmap(idMappings) : []),
    ],
  };
}

/**
 * Of crun, see crun(1), "idmap mount options". Without the mappings in it, crun takes those of the container's process, which
 * it does not find in a PID namespace that is joined.
 */
function idmap(mappings: readonly IdMapping[]): readonly string[] {
  if (mappings.length === 0) return [];
  const ranges = mappings
    .map(({ containerId, hostId, size }) => `${containerId}-${hostId}-${size}`)
    .join('#');
  return [`idmap=uids=${ranges};gids=${ranges}`];
}

/** `rro`: with all that is mounted below it. @see OCI runtime-spec, config.md, "Linux mount options" */
function access({
  readOnly,
  recursiveReadOnly,
  containerPath,
  propagation = 'private',
}: Mount): 'rw' | 'ro' | 'rro' {
  if (recursiveReadOnly === true && readOnly !== true) {
    throw new PodwrightError(
      'invalid-argument',
      `The volume at ${containerPath} has recursiveReadOnly, which needs readOnly beside it.`,
      { details: { path: containerPath } },
    );
  }
  if (recursiveReadOnly === true && propagation !== 'private') {
    throw new PodwrightError(
      'invalid-argument',
      `The volume at ${containerPath} has recursiveReadOnly and the propagation ${propagation}: a mount that comes later ` +
        'would not be read-only. Leave one of them out.',
      { details: { path: containerPath } },
    );
  }
  if (readOnly !== true) return 'rw';
  return recursiveReadOnly === true ? 'rro' : 'ro';
}

function mountTarget(path: string): string {
  const fail = (why: string): never => {
    throw new PodwrightError('invalid-argument', `A volume cannot be mounted at "${path}": ${why}.`, {
      details: { path },
    });
  };
  if (!path.startsWith('/')) fail('the path has to begin with "/"');
  if (path.includes('\0')) fail('the path has a NUL character');
  const normal = posix.normalize(path).replace(/\/+$/, '');
  if (normal === '') fail('the root file system is the image');
  if ((normal === '/proc' || normal.startsWith('/proc/')) && !PROC_TARGETS.has(normal)) {
    fail("/proc shows the container's own processes");
  }
  return normal;
}
