// The disks of the virtual machine: Debian's packages as a root file system, made once and kept, and the checkout.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from '../host/throwaway-host.mjs';

const HERE = import.meta.dirname;
/** What the host of a node agent has, as in the throw-away host; and what makes a bare Debian a machine. */
const PACKAGES = [
  ...[
    'systemd',
    'systemd-sysv',
    'dbus',
    'udev',
    'kmod',
    'procps',
    'util-linux',
    'ca-certificates',
    'libstdc++6',
  ],
  ...['crun', 'runc', 'conmon', 'skopeo', 'containers-storage', 'umoci', 'socat', 'docker-registry'],
  ...['containernetworking-plugins', 'iproute2', 'nftables', 'iptables', 'busybox-static', 'uidmap'],
  // The first process of PID namespaces, and of an image that the tests are made with.
  'catatonit',
];
/** Debian's release that is tested. Of its backports, which apt takes nothing from unless told, comes a second kernel. */
const SUITE = 'bookworm';
const SOURCES = [
  ...[SUITE, `${SUITE}-updates`, `${SUITE}-backports`].map(
    (suite) => `deb http://deb.debian.org/debian ${suite} main`,
  ),
  `deb http://deb.debian.org/debian-security ${SUITE}-security main`,
];
/** Files of the kernels, as customize.sh names them. */
const KERNELS = { own: 'vmlinuz', backports: 'vmlinuz-backports' };
const EXT4 = ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-m', '0', '-E', 'lazy_itable_init=1'];

/** Programs that the machine is made and run with, by their Debian packages. */
export const VM_PACKAGES = {
  'qemu-system-x86': '/usr/bin/qemu-system-x86_64',
  mmdebstrap: '/usr/bin/mmdebstrap',
  e2fsprogs: '/sbin/mke2fs',
};

/**
 * The root file system and its kernels, made when there is none of these inputs yet: a minute, and Debian's archive must
 * be reachable.
 * @param kernel `own`: the release's, 6.1; `backports`: a newer one
 * @returns `{disk, kernel}`, paths
 */
export function ensureImage(kernel) {
  const cache = process.env.PODWRIGHT_TEST_CACHE ?? '/var/cache/podwright-tests';
  const folder = join(cache, `v2-${inputsHash()}`);
  if (!existsSync(folder)) {
    console.error(`test:v2: making the root file system of the virtual machine in ${folder}`);
    mkdirSync(cache, { recursive: true });
    const work = mkdtempSync(join(cache, 'work-'));
    try {
      makeImage(work);
      for (const name of readdirSync(cache)) {
        if (name.startsWith('v2-')) rmSync(join(cache, name), { recursive: true, force: true });
      }
      renameSync(work, folder);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  return { disk: join(folder, 'root.img'), kernel: join(folder, KERNELS[kernel]) };
}

/** A disk with the checkout as it is now, without its history. */
export function makeCheckoutDisk(path) {
  const script = '[ ! -e "$1/.git" ] || mount -t tmpfs tmpfs "$1/.git"; shift; exec "$@"';
  const mke2fs = ['mke2fs', ...EXT4, '-d', REPOSITORY, path, '1500M'];
  run('unshare', ['--mount', '--propagation', 'private', 'sh', '-ec', script, 'sh', REPOSITORY, ...mke2fs]);
}

function makeImage(work) {
  const root = join(work, 'root');
  const options = [
    ...['--variant=minbase', '--mode=root', '--quiet', `--include=${PACKAGES.join(',')}`],
    '--aptopt=Apt::Install-Recommends "false"',
    ...['doc', 'man', 'locale', 'info'].map((each) => `--dpkgopt=path-exclude=/usr/share/${each}/*`),
    `--customize-hook=sh ${join(HERE, 'customize.sh')} "$1"`,
  ];
  run('mmdebstrap', [...options, SUITE, root, ...SOURCES], {
    PODWRIGHT_NODE: process.execPath,
    PODWRIGHT_GUEST: HERE,
  });
  for (const file of Object.values(KERNELS)) renameSync(join(root, 'boot', file), join(work, file));
  run('mke2fs', [...EXT4, '-d', root, join(work, 'root.img'), '4G']);
  rmSync(root, { recursive: true, force: true });
}

function inputsHash() {
  const hash = createHash('sha256').update(process.version);
  for (const file of ['image.mjs', 'customize.sh', 'podwright-guest.service']) {
    hash.update(readFileSync(join(HERE, file)));
  }
  return hash.digest('hex').slice(0, 16);
}

function run(command, args, env = {}) {
  const result = spawnSync(command, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.status === 0) return;
  const output = result.error?.message ?? `${result.stdout}${result.stderr}`.trim();
  throw new Error(`${command} failed:\n${output.split('\n').slice(-30).join('\n')}`);
}
