import { join } from 'node:path';
import { type Mount, PodwrightError } from '@podwright/core';
import { shellQuote } from '@podwright/nsenter';
import type { SandboxRecord } from '@podwright/sandbox';
import type { ContainerPaths } from './host-layout.js';

/** A user namespace that a container is started in. */
export interface LaunchUsers {
  /** Where it is pinned. */
  readonly path: string;
  /** The host's id of its root, user and group alike. */
  readonly rootId: number;
}

/**
 * What a unit mounts for a container with other users than the host's lies here, in the unit's mount namespace alone; on
 * the host it is an empty directory. The container's root has to get there, which it cannot below the agent's own
 * directories.
 */
const DIRECTORY = '/run/podwright-rootfs';

const ROOTFS = join(DIRECTORY, 'root');

type Users = Pick<SandboxRecord, 'namespaces' | 'idMappings'>;

/** The user namespace of a sandbox; undefined: the host's. */
export function launchUsers({ namespaces, idMappings }: Users): LaunchUsers | undefined {
  const root = idMappings.find(({ containerId }) => containerId === 0);
  if (namespaces.user === undefined || root === undefined) return undefined;
  return { path: namespaces.user, rootId: root.hostId };
}

/** Where the files of a container lie when it runs in a sandbox. */
export function launchPaths(paths: ContainerPaths, sandbox: Users): ContainerPaths {
  return launchUsers(sandbox) === undefined ? paths : { ...paths, rootfs: ROOTFS };
}

/** The kernel takes back what a mount namespace of other users would give the host, mount_namespaces(7). */
export function checkPropagation(mounts: readonly Mount[], sandbox: Users): void {
  const mount = mounts.find(({ propagation }) => propagation === 'bidirectional');
  if (mount === undefined || launchUsers(sandbox) === undefined) return;
  throw new PodwrightError(
    'unsupported',
    `The volume at ${mount.containerPath} cannot be mounted with the propagation Bidirectional: no mount reaches the host ` +
      'from a pod with a user namespace of its own. Use HostToContainer, or hostUsers: true.',
    { details: { path: mount.containerPath } },
  );
}

/**
 * Shows directories with ids as a user namespace has them, at other places (mount_setattr(2)). mount(8) can do it from
 * version 2.39 on, older ones do nothing and say nothing; perl is in every Debian, and its numbers of system calls are the
 * same on all machines. Arguments: the namespace, a directory to make the places in, and the directories; their places
 * are 0, 1, 2 and so on.
 */
const IDMAP = `use strict;
my ($namespace, $base, @sources) = @ARGV;
my ($AT_FDCWD, $AT_EMPTY_PATH, $OPEN_TREE_CLONE, $O_CLOEXEC) = (-100, 0x1000, 1, 02000000);
my ($MOUNT_ATTR_IDMAP, $MOVE_MOUNT_F_EMPTY_PATH) = (0x100000, 4);
my $none = "";
open(my $users, "<", $namespace) or die "$namespace: $!\\n";
my $number = 0;
for my $source (@sources) {
  my $target = "$base/" . $number++;
  mkdir($target) or die "$target: $!\\n";
  my $tree = syscall(428, $AT_FDCWD, "$source", $OPEN_TREE_CLONE | $O_CLOEXEC);
  die "$source cannot be opened: $!\\n" if $tree < 0;
  my $attributes = pack("Q4", $MOUNT_ATTR_IDMAP, 0, 0, fileno($users));
  syscall(442, $tree, $none, $AT_EMPTY_PATH, $attributes, length($attributes)) == 0
    or die "$source lies on a file system that cannot be shown with other ids: $!\\n";
  syscall(429, $tree, $none, $AT_FDCWD, "$target", $MOVE_MOUNT_F_EMPTY_PATH) == 0
    or die "$source cannot be mounted at $target: $!\\n";
}
`;

/**
 * The part of the launch script that mounts the root file system of a container with a user namespace: its layers as they
 * are on disk, shown with the ids of the namespace, below a writable layer that has those ids on disk.
 *
 * The OCI runtime gives standard input to the container's root, which conmon opened as /dev/null: so that this is not the
 * host's, the unit has one of its own.
 */
export function mountRootfsFor(
  users: LaunchUsers,
  lowerDirs: readonly string[],
  { upper, work }: Pick<ContainerPaths, 'upper' | 'work'>,
): string {
  const words = (argv: readonly string[]) => argv.map(shellQuote).join(' ');
  const layers = join(DIRECTORY, 'layers');
  const lower = lowerDirs.map((_, index) => index).join(':');
  const escaped = (path: string) => path.replace(/[\\:,]/g, (character) => `\\${character}`);
  const options = `lowerdir=${lower},upperdir=${escaped(upper)},workdir=${escaped(work)}`;
  return `# What is mounted from here on is this unit's alone.
out=$(mount --make-rslave / 2>&1 && mkdir -p ${DIRECTORY} 2>&1 &&
  mount -t tmpfs -o mode=0755,size=1m podwright-rootfs ${DIRECTORY} 2>&1 && mkdir ${layers} ${ROOTFS} 2>&1 &&
  mknod -m 0666 ${DIRECTORY}/null c 1 3 2>&1 && mount --bind ${DIRECTORY}/null /dev/null 2>&1) ||
  fail "The place of the root file system cannot be made: $out"
out=$(perl -e ${shellQuote(IDMAP)} ${words([users.path, layers, ...lowerDirs])} 2>&1) ||
  fail "The layers of the image cannot be shown in the pod's user namespace: $out"
out=$(chown ${users.rootId}:${users.rootId} ${words([upper, work])} 2>&1 &&
  cd ${layers} && mount -t overlay overlay -o ${shellQuote(options)} ${ROOTFS} 2>&1) ||
  fail "The root file system cannot be mounted: $out"
`;
}
