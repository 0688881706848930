// What the targets on a real host have in common: the images of the tests, and the host as somebody beside a backend sees it.
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, readlink, rename, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ConformanceImageNames, HostView, KernelView } from '@podwright/conformance';
import { absentImage, authRegistry, deadRegistry, testArchives, testImages } from '../host/images.js';

export const images: ConformanceImageNames = {
  busybox: testImages.busybox,
  args: testImages.args,
  env: testImages.env,
  nonroot: testImages.nonroot,
  signal: testImages.signal,
  noCommand: testImages.noCommand,
  workdir: testImages.workdir,
  spare: testImages.layers,
  absent: absentImage,
  unreachable: `${deadRegistry}/podwright/busybox:1`,
  denied: {
    reference: authRegistry.busybox,
    auth: { username: authRegistry.username, password: authRegistry.password },
  },
  archives: testArchives,
};

/** @param folder in which directories for the cases are made */
export function hostView(folder: string): HostView {
  return {
    makeDirectory: async () => {
      const path = await mkdtemp(join(folder, 'shared-'));
      await chmod(path, 0o777);
      return path;
    },
    writeFile: (path, text) => writeFile(path, text),
    readFile: (path) => textOf(path),
    rename: (from, to) => rename(from, to),
    connect: (port) =>
      new Promise((resolve, reject) => {
        const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
        socket.once('connect', () => resolve(socket));
        socket.once('error', reject);
      }),
  };
}

/** The image store and the backend keep mounts of their own for as long as the host runs. */
export async function unmountBelow(folder: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '');
  for (const path of mounts.filter((mount) => mount.startsWith(`${folder}/`)).reverse()) {
    await promisify(execFile)('umount', ['--lazy', path]);
  }
}

/** @param hostPidOf id of a container's first process on the host */
export function kernelView(hostPidOf: KernelView['hostPidOf']): KernelView {
  return {
    hostPidOf,
    readProc: (pid, file) => textOf(`/proc/${pid}/${file}`),
    readProcLink: (pid, link) => readlink(`/proc/${pid}/${link}`),
    findProcesses: async (text) => {
      const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
      const found = await Promise.all(
        pids.map(async (pid) => ((await textOf(`/proc/${pid}/cmdline`))?.includes(text) ? [pid] : [])),
      );
      return found.flat();
    },
    hostMounts: () => readFile('/proc/1/mountinfo', 'utf8'),
    limitOf: async (id, limit) => {
      const cgroups = await readFile(`/proc/${await hostPidOf(id)}/cgroup`, 'utf8');
      for (const line of cgroups.trim().split('\n')) {
        const [, controllers = '', path = ''] = line.split(':');
        const file = limitFile(controllers, path, limit);
        const text = file === undefined ? undefined : (await textOf(file))?.trim();
        if (text !== undefined && text !== 'max') return Number(text);
      }
      return undefined;
    },
  };
}

/** Where a limit of a cgroup stands, in the unified hierarchy (v2) or in that of its controller (v1). */
function limitFile(controllers: string, path: string, limit: 'memory' | 'pids'): string | undefined {
  if (controllers === '') return `/sys/fs/cgroup${path}/${limit}.max`;
  if (!controllers.split(',').includes(limit)) return undefined;
  return `/sys/fs/cgroup/${limit}${path}/${limit === 'memory' ? 'memory.limit_in_bytes' : 'pids.max'}`;
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
