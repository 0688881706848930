import { constants } from 'node:fs';
import { access, readFile, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  MINIMUM_SYSTEMD_VERSION,
  ociRuntimeRefusal,
  type SystemdBackendOptions,
} from '@podwright/backend-systemd';
import { compareVersions, type ImageService, messageOf } from '@podwright/core';
import type { HostExecutor } from '@podwright/nsenter';
import type { PodNetwork } from '@podwright/sandbox';
import { type SystemdManager, systemdVersionNumber } from '@podwright/systemd';
import type { ResolvedRuntimeConfig } from '../../runtime-config.js';
import { formatBytes } from '../format/quantities.js';
import { type Check, type Finding, fail, ok, warn } from './check.js';

/** The parts of a systemd runtime that are asked; none of them has to be started. */
export interface HostParts {
  readonly config: ResolvedRuntimeConfig;
  readonly options: SystemdBackendOptions;
  readonly host: HostExecutor;
  readonly manager: SystemdManager;
  readonly network: PodNetwork;
  readonly images: ImageService;
}

const NEEDED_CONTROLLERS = ['cpu', 'memory', 'pids'];
const LITTLE_SPACE_BYTES = 1_000_000_000;
const DEFAULT_SECCOMP = '/usr/share/containers/seccomp.json';
const DEFAULT_POLICY = '/etc/containers/policy.json';
const COMMON_PACKAGE = 'apt-get install golang-github-containers-common';

/** What is no program. */
export function hostChecks(parts: HostParts): readonly Check[] {
  const { host, options, config } = parts;
  return [
    { name: 'systemd', run: () => checkSystemd(parts) },
    { name: 'cgroups', run: () => checkCgroups(host, options) },
    { name: 'overlay', run: () => checkOverlay(host) },
    { name: 'image store', run: () => checkImageStore(parts) },
    { name: 'network', run: () => checkNetwork(parts) },
    {
      name: 'seccomp profile',
      run: () => checkFile(host, options.seccompProfile ?? DEFAULT_SECCOMP, COMMON_PACKAGE),
    },
    { name: 'signature policy', run: () => checkPolicy(host, options) },
    { name: 'state directory', run: () => checkDirectory(host, config.stateDir ?? '/var/lib/podwright') },
    { name: 'run directory', run: () => checkDirectory(host, config.runDir) },
  ];
}

export function checkUser(): Finding {
  if (process.platform !== 'linux') {
    return fail(process.platform, 'the systemd backend needs Linux; the backend memory runs everywhere');
  }
  const uid = process.geteuid?.();
  if (uid === 0) return ok('root on Linux');
  return fail(`user ${uid}`, 'run it as root, e.g. sudo podwright doctor');
}

async function checkSystemd({ manager, options }: HostParts): Promise<Finding> {
  try {
    await manager.start();
    const version = await manager.version();
    const number = systemdVersionNumber(version);
    if (number === undefined || compareVersions(String(number), MINIMUM_SYSTEMD_VERSION) < 0) {
      return fail(
        version,
        `update the host to systemd ${MINIMUM_SYSTEMD_VERSION} or newer, such as Debian 12`,
      );
    }
    return ok(`${version} (${await manager.systemState()})`);
  } catch (error) {
    const bus = options.dbusAddress === undefined ? '' : ` and correct backendOptions.dbusAddress`;
    return fail(
      messageOf(error),
      `boot the host with systemd, apt-get install dbus${bus}; in a container mount /run/dbus`,
    );
  } finally {
    await manager[Symbol.asyncDispose]();
  }
}

async function checkCgroups(host: HostExecutor, { ociRuntime }: SystemdBackendOptions): Promise<Finding> {
  const unified = await readIfThere(host, '/sys/fs/cgroup/cgroup.controllers');
  if (unified !== undefined) {
    const missing = NEEDED_CONTROLLERS.filter((name) => !unified.trim().split(' ').includes(name));
    if (missing.length > 0) {
      return fail(`version 2 without ${missing.join(', ')}`, 'enable them on the kernel command line');
    }
    const refusal = ociRuntimeRefusal(ociRuntime, 2);
    return refusal === undefined
      ? ok(`version 2: ${unified.trim()}`)
      : fail(refusal, 'apt-get install crun; leave out backendOptions.ociRuntime');
  }
  const listed = await readIfThere(host, '/proc/cgroups');
  const enabled = (listed ?? '').split('\n').flatMap((line) => {
    const [name = '', hierarchy, , isEnabled] = line.split('\t');
    return hierarchy !== undefined && isEnabled === '1' ? [name] : [];
  });
  const missing = NEEDED_CONTROLLERS.filter((name) => !enabled.includes(name));
  if (missing.length > 0) return fail(`no ${missing.join(', ')}`, 'enable them on the kernel command line');
  return warn(
    'version 1; limits and OOM kills work, version 2 is what systems have now',
    'systemd.unified_cgroup_hierarchy=1 on the kernel command line',
  );
}

async function checkOverlay(host: HostExecutor): Promise<Finding> {
  const filesystems = await readIfThere(host, '/proc/filesystems');
  if (/^nodev\toverlay$/m.test(filesystems ?? '')) return ok('known to the kernel');
  return fail(
    'the kernel does not know overlay',
    'modprobe overlay; echo overlay > /etc/modules-load.d/overlay.conf',
  );
}

async function checkImageStore({ images }: HostParts): Promise<Finding> {
  try {
    const { mountpoint, usedBytes, availableBytes } = await images.imageFsInfo();
    const found = `${mountpoint}, ${formatBytes(usedBytes)} used, ${formatBytes(availableBytes)} free`;
    return availableBytes >= LITTLE_SPACE_BYTES
      ? ok(found)
      : warn(found, 'podwright rmi what is not needed, or give the store more space');
  } catch (error) {
    return fail(messageOf(error), 'see the message; /etc/containers/storage.conf says where the store is');
  }
}

async function checkNetwork({ network }: HostParts): Promise<Finding> {
  const { ready, message } = await network.status();
  if (ready) return ok(message === '' ? 'plugins and configuration are there' : message);
  return fail(message, 'apt-get install containernetworking-plugins, or correct /etc/cni/net.d');
}

async function checkPolicy(
  host: HostExecutor,
  { signaturePolicy, insecurePolicy }: SystemdBackendOptions,
): Promise<Finding> {
  if (insecurePolicy) {
    return warn('images are taken without asking any policy', 'remove insecurePolicy from backendOptions');
  }
  return checkFile(host, signaturePolicy ?? DEFAULT_POLICY, COMMON_PACKAGE);
}

async function checkFile(host: HostExecutor, path: string, fix: string): Promise<Finding> {
  const text = await readIfThere(host, path);
  if (text === undefined) return fail(`${path} cannot be read`, fix);
  try {
    JSON.parse(text);
    return ok(path);
  } catch (error) {
    return fail(`${path} is no JSON: ${messageOf(error)}`, 'correct it, or install its package again');
  }
}

/** It is made at the first start, so what counts is the directory above it that is there. */
async function checkDirectory(host: HostExecutor, path: string): Promise<Finding> {
  let existing = path;
  while (existing !== '/' && !(await isThere(host, existing))) existing = dirname(existing);
  const reached = host.hostPath(existing);
  const { bavail, bsize } = await statfs(reached);
  const space = `${formatBytes(bavail * bsize)} free`;
  try {
    await access(reached, constants.W_OK | constants.X_OK);
  } catch {
    return fail(`${path}: nobody may write to ${existing}`, 'run it as root, or choose another directory');
  }
  return ok(`${path}${existing === path ? '' : ', not made yet'}, ${space}`);
}

async function isThere(host: HostExecutor, path: string): Promise<boolean> {
  return await stat(host.hostPath(path)).then(
    () => true,
    () => false,
  );
}

async function readIfThere(host: HostExecutor, path: string): Promise<string | undefined> {
  return await readFile(host.hostPath(path), 'utf8').catch(() => undefined);
}
