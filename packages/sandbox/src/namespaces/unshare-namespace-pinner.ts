import { mkdirSync, statfsSync, writeFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf, PodwrightError } from '@podwright/core';
import { HostExecutor, type HostProgram, type UsesHostPrograms, utilLinux } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import {
  NAMESPACE_FILES,
  type NamespaceKind,
  type NamespacePinner,
  type PinnedKind,
  type PinRequest,
} from './namespace-pinner.js';

/** File system type of namespace files, statfs(2). */
const NSFS_MAGIC = 0x6e736673;

const FLAGS: Readonly<Record<PinnedKind, string>> = {
  user: '--user',
  network: '--net',
  ipc: '--ipc',
  uts: '--uts',
};

/**
 * Runs inside the new namespaces. Kernel parameters are written by the shell itself, so that a sandbox costs as few
 * processes as can be. Arguments: whether to set up the loopback interface, the hostname or nothing, then file and
 * value of each kernel parameter.
 */
const SET_UP = `set -e
if [ "$1" = yes ]; then ip link set lo up; fi
if [ -n "$2" ]; then hostname -- "$2"; fi
shift 2
while [ $# -gt 0 ]; do
  printf %s "$2" >"/proc/sys/$1" || { echo "the kernel parameter $1 cannot be set to $2" >&2; exit 1; }
  shift 2
done`;

/** Mounts a pod's /dev/shm, in the host's mount namespace. Arguments: path or nothing, options. */
const MOUNT_SHM = `if [ -n "$1" ]; then mount -t tmpfs -o "$2" shm "$1" || exit 1; fi
shift 2`;

/**
 * Makes namespaces inside a new user namespace. Only who has rights outside of it may write its maps and mount its
 * files (user_namespaces(7)), so a process holds them until that is done; then what is to be set inside is set by the
 * pod's own root, whose IPC namespace takes nobody else's word. Arguments: id map, flags of unshare, then pairs of a
 * name in /proc/PID/ns and a path, \`--\`, and the arguments of \`SET_UP\`.
 */
const PIN_WITH_USERS = `map=$1 flags=$2
shift 2
unshare $flags -- sh -c 'echo $$; exec sleep 60' | {
  set -e
  read -r holder
  trap 'kill "$holder"' EXIT
  printf %s "$map" >"/proc/$holder/uid_map"
  printf %s "$map" >"/proc/$holder/gid_map"
  while [ "$1" != -- ]; do
    mount --bind "/proc/$holder/ns/$1" "$2"
    shift 2
  done
  shift
  nsenter -t "$holder" -U -n -i -u -S 0 -G 0 -- sh -c "$SET_UP" sandbox "$@"
}`;

/** A mount of its own that is private: what is mounted below it is not copied to every other mount namespace. */
const MAKE_PRIVATE = `set -e
propagation=$(findmnt -n -o PROPAGATION -M "$1") || { mount --bind "$1" "$1"; propagation=; }
if [ "$propagation" != private ]; then mount --make-private "$1"; fi`;

/** Pins namespaces with bind mounts by unshare(1): no process is kept. */
@injectable()
export class UnshareNamespacePinner implements NamespacePinner, UsesHostPrograms {
  constructor(@inject(HostExecutor) private readonly executor: HostExecutor) {}

  async hostPrograms(): Promise<readonly HostProgram[]> {
    return [
      utilLinux('unshare'),
      { name: 'findmnt', debianPackage: 'util-linux' },
      { name: 'mount', debianPackage: 'mount' },
      { name: 'umount', debianPackage: 'mount' },
      { name: 'ip', debianPackage: 'iproute2' },
      { name: 'hostname', debianPackage: 'hostname' },
    ];
  }

  async pin(request: PinRequest, signal?: AbortSignal): Promise<void> {
    const kinds = Object.entries(request.paths) as [PinnedKind, string][];
    const { shm } = request;
    const made = [...kinds.map(([, path]) => path), ...(shm ? [shm.path] : [])];
    // At once: a turn of the event loop for each takes longer than making it, and a start waits for this.
    for (const [, path] of kinds) {
      mkdirSync(this.executor.hostPath(dirname(path)), { recursive: true, mode: 0o700 });
      writeFileSync(this.executor.hostPath(path), '', { mode: 0o600 });
    }
    if (shm) mkdirSync(this.executor.hostPath(shm.path), { recursive: true, mode: 0o700 });
    if (kinds.length === 0) return;
    try {
      await this.#make(request, kinds, signal);
    } catch (error) {
      await this.unpin(made).catch((cause: unknown) => {
        throw new AggregateError([error, cause], `${messageOf(error)} Besides, ${messageOf(cause)}`);
      });
      throw error;
    }
  }

  async pinOf(pid: number, kind: NamespaceKind, path: string): Promise<void> {
    await mkdir(this.executor.hostPath(dirname(path)), { recursive: true, mode: 0o700 });
    await writeFile(this.executor.hostPath(path), '', { mode: 0o600 });
    await this.executor.run({
      command: 'mount',
      args: ['--bind', `/proc/${pid}/ns/${NAMESPACE_FILES[kind]}`, path],
    });
  }

  async unpin(paths: readonly string[]): Promise<void> {
    if (paths.length === 0) return;
    await this.#unmount(paths);
    // Removing the mount points also lets go of their copies in mount namespaces of running containers (unlink(2) and
    // rmdir(2) detach what is mounted there elsewhere).
    for (const path of paths) await this.#removeMountPoint(path);
  }

  async arePinned(paths: readonly string[]): Promise<boolean> {
    if (paths.every((path) => this.executor.hostPath(path) === path)) {
      return paths.every((path) => fileSystemOf(path) === NSFS_MAGIC);
    }
    // From inside a container the host's private mounts are not seen: a command on the host has to look.
    const { stdout, exitCode } = await this.executor.run({
      command: 'stat',
      args: ['-f', '-c', '%t', '--', ...paths],
      okExitCodes: 'any',
    });
    const types = stdout.toString().trim().split('\n');
    return exitCode === 0 && types.every((type) => Number.parseInt(type, 16) === NSFS_MAGIC);
  }

  async prepare(directory: string): Promise<void> {
    await mkdir(this.executor.hostPath(directory), { recursive: true, mode: 0o700 });
    await this.executor.run({ command: 'sh', args: ['-c', MAKE_PRIVATE, 'prepare', directory] });
  }

  async release(directory: string): Promise<void> {
    await this.#unmount([directory]);
  }

  async #make(
    { paths, hostname, sysctls, shm, idMappings }: PinRequest,
    kinds: readonly (readonly [PinnedKind, string])[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const setUp = [
      paths.network === undefined ? 'no' : 'yes',
      paths.uts === undefined ? '' : hostname,
      ...sysctls.flatMap(({ path, value }) => [path, value]),
    ];
    const owner = idMappings.find(({ containerId }) => containerId === 0)?.hostId ?? 0;
    const shmOptions = `size=${shm?.sizeBytes ?? 0},mode=1777,uid=${owner},gid=${owner},nosuid,nodev,noexec`;
    const shmArgs = [shm?.path ?? '', shmOptions];
    const making =
      paths.user === undefined
        ? {
            command: 'unshare',
            args: [
              ...kinds.map(([kind, path]) => `${FLAGS[kind]}=${path}`),
              '--',
              // The shell would only make it longer where there is nothing to set up.
              ...(shm !== undefined && setUp.join('') === 'no'
                ? ['mount', '-t', 'tmpfs', '-o', shmOptions, 'shm', shm.path]
                : ['sh', '-c', `${MOUNT_SHM}\n${SET_UP}`, 'sandbox', ...shmArgs, ...setUp]),
            ],
          }
        : {
            command: 'sh',
            args: [
              ...['-c', `${MOUNT_SHM}\n${PIN_WITH_USERS}`, 'sandbox', ...shmArgs],
              idMappings
                .map(({ containerId, hostId, size }) => `${containerId} ${hostId} ${size}\n`)
                .join(''),
              kinds.map(([kind]) => FLAGS[kind]).join(' '),
              ...kinds.flatMap(([kind, path]) => [NAMESPACE_FILES[kind], path]),
              ...['--', ...setUp],
            ],
            env: { SET_UP },
          };
    const { exitCode, stderr } = await this.executor.run({
      ...making,
      okExitCodes: 'any',
      ...(signal ? { signal } : {}),
    });
    if (exitCode !== 0) throw pinError(kinds, exitCode, stderr.toString().trim());
  }

  async #unmount(paths: readonly string[]): Promise<void> {
    const { exitCode, stderr } = await this.executor.run({
      command: 'umount',
      args: ['--', ...paths],
      okExitCodes: 'any',
      env: { LC_ALL: 'C' },
    });
    if (exitCode === 0) return;
    const errors = stderr
      .toString()
      .split('\n')
      .filter((line) => line !== '' && !/not mounted|no mount point specified|not found/.test(line));
    if (errors.length === 0) return;
    throw new PodwrightError('command-failed', `Unmounting failed: ${errors.join('; ')}`, {
      details: { paths, exitCode, stderr: stderr.toString() },
    });
  }

  async #removeMountPoint(path: string): Promise<void> {
    try {
      await rm(this.executor.hostPath(path), { force: true, recursive: true });
    } catch (cause) {
      throw new PodwrightError('in-use', `${path} cannot be removed: something is still mounted there.`, {
        cause,
        details: { path },
      });
    }
  }
}

/** Type of the file system that a file lies on, statfs(2); undefined when it cannot be looked at. */
function fileSystemOf(path: string): number | undefined {
  try {
    return statfsSync(path).type;
  } catch {
    return undefined;
  }
}

/** In the words of unshare(1), ip(8), hostname(1), mount(8) or the shell: whichever failed. */
function pinError(
  kinds: readonly (readonly [PinnedKind, string])[],
  exitCode: number,
  stderr: string,
): PodwrightError {
  const names = kinds.map(([kind]) => kind).join(', ');
  const missing = /(\S+): (?:command )?not found/.exec(stderr)?.[1];
  const kind =
    missing !== undefined
      ? 'missing-requirement'
      : /Operation not permitted|Permission denied/.test(stderr)
        ? 'permission-denied'
        : 'command-failed';
  return new PodwrightError(
    kind,
    `The ${names} namespaces of a pod could not be made: ${stderr || `unshare ended with ${exitCode}`}. ` +
      'It takes root with CAP_SYS_ADMIN, unshare and mount of util-linux, ip of iproute2, and hostname.',
    { details: { exitCode, stderr } },
  );
}
