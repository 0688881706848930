// What this machine needs for the real thing, each with the way to get it.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { commOf } from './processes.mjs';

/** Debian packages, with the file that shows each to be there. Installed by scripts/setup.mjs. */
export const DEBIAN_PACKAGES = {
  'systemd-container': '/usr/bin/systemd-nspawn',
  systemd: '/lib/systemd/systemd',
  dbus: '/usr/bin/dbus-daemon',
  crun: '/usr/bin/crun',
  runc: '/usr/sbin/runc',
  conmon: '/usr/bin/conmon',
  skopeo: '/usr/bin/skopeo',
  'containers-storage': '/usr/bin/containers-storage',
  umoci: '/usr/bin/umoci',
  socat: '/usr/bin/socat',
  'containernetworking-plugins': '/usr/lib/cni/bridge',
  iproute2: '/usr/sbin/ip',
  nftables: '/usr/sbin/nft',
  iptables: '/usr/sbin/iptables',
  'docker-registry': '/usr/bin/docker-registry',
  'busybox-static': '/bin/busybox',
  bindfs: '/usr/bin/bindfs',
  catatonit: '/usr/bin/catatonit',
  containerd: '/usr/bin/containerd',
};

/** Whether this machine is itself booted with systemd: then no throw-away host is needed. */
export function isSystemdMachine() {
  return process.platform === 'linux' && commOf(1) === 'systemd';
}

/** Why no throw-away host can be booted here: one sentence that says what is missing and how to get it, or undefined. */
export function whyNoHost() {
  if (process.platform !== 'linux')
    return `systemd needs Linux and this is ${process.platform}: use a Linux machine or virtual machine (Debian 12 is tested)`;
  if (process.getuid() !== 0)
    return 'the right to make namespaces and mounts is missing: run it as root (sudo)';
  if (isSystemdMachine()) return undefined;
  for (const program of ['systemd-nspawn', 'nsenter', 'unshare', 'mount']) {
    if (!isInPath(program))
      return `the program ${program} is missing: run scripts/setup.mjs, or install the package ${program === 'systemd-nspawn' ? 'systemd-container' : 'util-linux'}`;
  }
  const trial = spawnSync('unshare', [
    '--mount',
    '--pid',
    '--net',
    '--fork',
    'mount',
    '-t',
    'tmpfs',
    'tmpfs',
    '/mnt',
  ]);
  if (trial.status !== 0)
    return `the right to make namespaces and mounts is missing (${String(trial.stderr).trim()}): run it on a machine, or in a container started with --privileged`;
  return undefined;
}

export function isInPath(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
