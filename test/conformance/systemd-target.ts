import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  access,
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HostLayout } from '@podwright/backend-systemd';
import type {
  ConformanceImageNames,
  ConformanceTarget,
  ConformanceTargetOptions,
  KernelView,
} from '@podwright/conformance';
import { ContainerRuntime, ImageService, PodwrightError, RuntimeService } from '@podwright/core';
import { createContainer } from 'podwright';
import {
  absentImage,
  authRegistry,
  deadRegistry,
  testArchives,
  testImages,
  testRegistry,
} from '../host/images.js';
import { slowness } from '../slowness.js';

const images: ConformanceImageNames = {
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

/** The systemd backend on the host that this runs on, with directories and an image store of its own. */
export async function createSystemdTarget(
  options: ConformanceTargetOptions = {},
): Promise<ConformanceTarget> {
  // On a tmpfs: the root file system of the throw-away host is an overlay, on which no overlay can stand.
  const folder = await mkdtemp('/run/podwright-conformance-');
  return startAgent(folder, options);
}

async function startAgent(folder: string, options: ConformanceTargetOptions): Promise<ConformanceTarget> {
  const layout = new HostLayout(join(folder, 'state'), join(folder, 'run'));
  const container = await createContainer({
    backend: 'systemd',
    stateDir: layout.stateDir,
    runDir: layout.runDir,
    configDir: join(folder, 'config'),
    backendOptions: {
      insecureRegistries: [testRegistry, authRegistry.address, deadRegistry],
      execHandler: options.execHandler ?? 'oci',
      allowUnconfined: options.allowUnconfined ?? false,
      supervisedRestart: options.restartsBy !== 'caller',
      restartBackoff: { initialMs: 300, maxMs: 1000, resetMs: 600_000 },
      imageStore: { root: join(folder, 'images'), runRoot: join(folder, 'images-run') },
    },
  });
  const runtime = container.get(ContainerRuntime);
  await runtime.start();
  return {
    runtime,
    runtimeService: container.get(RuntimeService),
    imageService: container.get(ImageService),
    images,
    patienceMs: 20_000 * slowness,
    kernel: kernelView(layout),
    host: {
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
    },
    plantOrphan: async () => {
      const path = join(layout.containersRunDir, randomBytes(32).toString('hex'));
      await mkdir(path, { recursive: true });
      return () =>
        access(path).then(
          () => true,
          () => false,
        );
    },
    restartAgent: async () => {
      await runtime[Symbol.asyncDispose]();
      return startAgent(folder, options);
    },
    [Symbol.asyncDispose]: async () => {
      await endAll(container.get(RuntimeService));
      await runtime[Symbol.asyncDispose]();
      await unmountBelow(folder);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What a failed case has left; after an agent that could not be started again there is nobody to ask. */
async function endAll(service: RuntimeService): Promise<void> {
  try {
    for (const { id } of await service.listPodSandboxes()) await service.removePodSandbox(id);
  } catch (error) {
    if (!PodwrightError.is(error, 'closed')) throw error;
  }
}

/** The image store and the backend keep mounts of their own for as long as the host runs. */
async function unmountBelow(folder: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '');
  for (const path of mounts.filter((mount) => mount.startsWith(`${folder}/`)).reverse()) {
    await promisify(execFile)('umount', ['--lazy', path]);
  }
}

function kernelView(layout: HostLayout): KernelView {
  const hostPidOf = async (id: string) => Number(await readFile(layout.container(id).pidFile, 'utf8'));
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
