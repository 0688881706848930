// What kubelets and Kubernetes' validation of runtimes ask of a backend, on a real host: slices of somebody else, log files
// byte for byte, limits of memory and swap, kernel parameters, links, and what privileged containers see.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { containerUnitName, HostLayout } from '@podwright/backend-systemd';
import type { ContainerConfig, ContainerStatus, PodSandboxConfig } from '@podwright/core';
import { concatMap, filter, firstValueFrom, startWith, timeout } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { testImages } from '../host/images.js';
import { fewer, slowness } from '../slowness.js';
import { isUnified } from './support/cgroups.js';
import { expectFailure } from './support/failure.js';
import {
  makeAgentFolder,
  pullBusybox,
  removeAgentFolder,
  startTestAgent,
  type TestAgent,
} from './support/test-agent.js';

const run = promisify(execFile);
const MIB = 1024 * 1024;

let agent: TestAgent;
/** Of one test alone. */
let shared: string;

beforeAll(async () => {
  agent = await startTestAgent(await makeAgentFolder());
  await pullBusybox(agent);
});

afterEach(async () => {
  for (const { id } of await agent.service.listPodSandboxes()) await agent.service.removePodSandbox(id);
});

afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await removeAgentFolder(agent.folder);
});

async function newShared(): Promise<string> {
  shared = await mkdtemp(join(agent.folder, 'shared-'));
  return shared;
}

async function sandbox(fields: Partial<PodSandboxConfig> = {}): Promise<string> {
  const metadata = { name: 'p', namespace: 'default', uid: randomUUID(), attempt: 0 };
  const base = { metadata, labels: {}, annotations: {}, portMappings: [] };
  return await agent.service.runPodSandbox({ ...base, network: 'node', ipc: 'pod', pid: 'pod', ...fields });
}

function config(script: string, fields: Partial<ContainerConfig> = {}): ContainerConfig {
  return {
    metadata: { name: `c-${randomUUID()}`, attempt: 0 },
    image: testImages.busybox,
    command: ['sh', '-c', script],
    ...{ env: [], mounts: [], devices: [], labels: {}, annotations: {}, resources: {}, security: {} },
    restart: { by: 'caller' },
    terminationGraceMs: 1000,
    ...fields,
  };
}

async function start(
  sandboxId: string,
  script = 'sleep 100000',
  fields: Partial<ContainerConfig> = {},
): Promise<string> {
  const id = await agent.service.createContainer(sandboxId, config(script, fields));
  await agent.service.startContainer(id);
  return id;
}

async function ended(id: string): Promise<ContainerStatus> {
  return await firstValueFrom(
    agent.service.events.pipe(
      startWith(undefined),
      concatMap(() => agent.service.containerStatus(id)),
      filter(({ state }) => state === 'exited'),
      timeout(30_000 * slowness),
    ),
  );
}

async function output(id: string, script: string): Promise<string> {
  const { stdout, stderr } = await agent.service.execSync(id, ['sh', '-c', script]);
  return `${stdout}${stderr}`;
}

async function processOf(id: string): Promise<number> {
  const { processId } = await agent.service.containerStatus(id);
  if (processId === undefined) throw new Error(`container ${id} has no process`);
  return processId;
}

describe('a slice that somebody else made', () => {
  const slice = 'kubepods-burstable-podcd9c2c86_4242.slice';
  const path = `/kubepods.slice/kubepods-burstable.slice/${slice}`;
  const isActive = async (unit: string) =>
    (await run('systemctl', ['is-active', unit]).catch(() => ({ stdout: 'gone' }))).stdout.trim() ===
    'active';

  beforeAll(async () => {
    const manager = [
      'org.freedesktop.systemd1',
      '/org/freedesktop/systemd1',
      'org.freedesktop.systemd1.Manager',
    ];
    const properties = ['2', 'MemoryAccounting', 'b', 'true', 'MemoryMax', 't', String(256 * MIB), '0'];
    await run('busctl', [
      'call',
      ...manager,
      'StartTransientUnit',
      'ssa(sv)a(sa(sv))',
      slice,
      'fail',
      ...properties,
    ]);
  });

  afterAll(async () => {
    await run('systemctl', ['stop', slice, 'kubepods.slice']);
  });

  it.each([slice, path])(
    'named %s has the containers and the first process of the pod',
    async (cgroupParent) => {
      const sandboxId = await sandbox({ cgroupParent });
      const id = await start(sandboxId);
      const cgroup = await readFile(`/proc/${await processOf(id)}/cgroup`, 'utf8');
      expect(cgroup).toContain(`${path}/${containerUnitName(id)}`);
      const infra = await run('systemctl', ['show', '-P', 'Slice', `podwright-infra-${sandboxId}.service`]);
      expect(infra.stdout.trim()).toBe(slice);
      const [stats] = await agent.service.listPodSandboxStats({ id: sandboxId });
      expect(stats?.memory.availableBytes).toBeGreaterThan(0);
      expect((stats?.memory.availableBytes ?? 0) + (stats?.memory.workingSetBytes ?? 0)).toBe(256 * MIB);
    },
  );

  it('outlives its pods, and is no orphan', async () => {
    const sandboxId = await sandbox({ cgroupParent: slice });
    const id = await start(sandboxId);
    await agent.service.stopPodSandbox(sandboxId);
    expect(await isActive(containerUnitName(id))).toBe(false);
    await agent.service.removePodSandbox(sandboxId);
    const { removed } = await agent.service.removeOrphans({ graceMs: 0 });
    expect(removed.filter((what) => what.includes('kubepods'))).toEqual([]);
    expect(await isActive(slice)).toBe(true);
    expect(await isActive('kubepods.slice')).toBe(true);
  });

  it('has limits of its maker alone', async () => {
    const limits = { cgroupParent: slice, resources: { memoryLimitBytes: MIB } };
    await expectFailure(() => sandbox(limits), 'invalid-argument', /leave resources out/);
    const sandboxId = await sandbox({ cgroupParent: slice });
    const update = () => agent.service.updatePodSandboxResources(sandboxId, { pidsLimit: 7 });
    await expectFailure(update, 'unsupported', /kubepods-burstable-pod/);
  });

  it.each([
    '/kubepods/burstable/pod1',
    'pod1',
    'a--b.slice',
    '-.slice',
    'x.service',
    '/wrong.slice/a-b.slice',
    '',
  ])('cannot be "%s"', async (cgroupParent) => {
    await expectFailure(() => sandbox({ cgroupParent }), 'invalid-argument', /cgroupDriver: systemd/);
    expect(await agent.service.listPodSandboxes()).toEqual([]);
  });
});

describe('a log file', () => {
  it('has what was written byte for byte, and a part of a line is one', async () => {
    const logPath = join(await newShared(), 'pods', 'a b', '0.log');
    const script = "printf 'a\\0b\\377\\376c\\n'; printf 'no end'";
    await ended(await start(await sandbox(), script, { logPath }));
    const lines = (await readFile(logPath, 'latin1')).split('\n');
    expect(lines[0]).toMatch(/^\S+ stdout F a\0b\xff\xfec$/);
    expect(lines[1]).toMatch(/^\S+ stdout P no end$/);
    expect(lines.slice(2)).toEqual(['']);
    expect((await stat(join(shared, 'pods', 'a b'))).mode & 0o777).toBe(0o755);
  });

  it('has no greatest size, and its owner only may read it', async () => {
    const logPath = join(await newShared(), '0.log');
    const count = fewer(50_000);
    await ended(await start(await sandbox(), `seq ${count}`, { logPath }));
    // conmon reads 8 KiB at once: a line that lies across two of those is divided.
    const lines = (await readFile(logPath, 'utf8')).trimEnd().split('\n');
    const text = lines
      .map((line) => /^\S+ stdout ([PF]) (.*)$/.exec(line) ?? [])
      .map(([, tag, part = '']) => (tag === 'F' ? `${part}\n` : part))
      .join('');
    expect(text).toBe([...Array(count).keys()].map((index) => `${index + 1}\n`).join(''));
    expect((await stat(logPath)).mode & 0o077).toBe(0);
  });

  it('is made anew also where its directory was removed', async () => {
    const logPath = join(await newShared(), 'pod', '0.log');
    const id = await start(await sandbox(), 'while :; do echo x; sleep 0.05; done', { logPath });
    await rm(join(shared, 'pod'), { recursive: true });
    await agent.service.reopenContainerLog(id);
    expect((await stat(logPath)).isFile()).toBe(true);
    expect((await agent.service.containerStatus(id)).state).toBe('running');
  });

  it('that somebody else has put in its place is written to after a reopening', async () => {
    const logPath = join(await newShared(), '0.log');
    const id = await start(await sandbox(), 'while [ ! -e /go ]; do sleep 0.02; done; echo after', {
      logPath,
    });
    await rename(logPath, `${logPath}.1`);
    await writeFile(logPath, '');
    await agent.service.reopenContainerLog(id);
    await output(id, 'touch /go');
    await ended(id);
    expect(await readFile(logPath, 'utf8')).toMatch(/ stdout F after\n$/);
  });

  it.each(['/var/log/a:b.log', '/var/log/a\0b.log'])('cannot be %j', async (logPath) => {
    const sandboxId = await sandbox();
    const create = () => agent.service.createContainer(sandboxId, config('true', { logPath }));
    await expectFailure(create, 'invalid-argument', /colon or a NUL/);
  });

  it('that cannot be made fails the start, and says why', async () => {
    await writeFile(join(await newShared(), 'file'), '');
    const sandboxId = await sandbox();
    const logPath = join(shared, 'file', 'below', '0.log');
    await expectFailure(
      () => start(sandboxId, 'true', { logPath }),
      'container-start-failed',
      /cannot be made on the host/,
    );
  });
});

describe('memory and swap together', () => {
  /** What a container may have of both, in bytes. */
  async function limitOf(id: string): Promise<number> {
    const lines = (await readFile(`/proc/${await processOf(id)}/cgroup`, 'utf8')).trim().split('\n');
    const path = (controller: string) =>
      lines
        .map((line) => line.split(':'))
        .find(([, names = '']) => names.split(',').includes(controller))?.[2];
    const read = async (file: string) => Number(await readFile(`/sys/fs/cgroup/${file}`, 'utf8'));
    if (!isUnified) return await read(`memory${path('memory')}/memory.memsw.limit_in_bytes`);
    return (await read(`${path('')}/memory.max`)) + (await read(`${path('')}/memory.swap.max`));
  }

  it('are limited, also when that changes, and in the next attempt', async () => {
    const limits = { memoryLimitBytes: 32 * MIB, memorySwapLimitBytes: 32 * MIB };
    const id = await start(await sandbox(), 'sleep 100000', {
      resources: limits,
      restart: { by: 'backend', policy: 'Always' },
    });
    expect(await limitOf(id)).toBe(32 * MIB);
    const more = { memoryLimitBytes: 64 * MIB, memorySwapLimitBytes: 80 * MIB };
    await agent.service.updateContainerResources(id, more);
    expect(await limitOf(id)).toBe(80 * MIB);
    expect((await agent.service.containerStatus(id)).resources).toEqual(more);
    await agent.service.updateContainerResources(id, limits);
    expect(await limitOf(id)).toBe(32 * MIB);
    const first = await processOf(id);
    process.kill(first, 'SIGKILL');
    const again = await firstValueFrom(
      agent.service.events.pipe(
        concatMap(() => agent.service.containerStatus(id)),
        filter(({ processId }) => processId !== undefined && processId !== first),
        timeout(30_000 * slowness),
      ),
    );
    expect(again.attempts).toHaveLength(2);
    expect(await limitOf(id)).toBe(32 * MIB);
  });

  it('end a container that wants more', async () => {
    const resources = { memoryLimitBytes: 15 * MIB, memorySwapLimitBytes: 15 * MIB };
    const id = await start(await sandbox(), 'dd if=/dev/zero of=/dev/null bs=20M', { resources });
    const { attempts } = await ended(id);
    expect(attempts.at(-1)).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
  });
});

describe('a sandbox', () => {
  it('takes kernel parameters of its namespaces that Kubernetes calls unsafe', async () => {
    const sysctls = {
      'kernel.shm_rmid_forced': '1',
      'fs.mqueue.msg_max': '100',
      'net.ipv4.ip_forward': '1',
      'kernel.msgmax': '65535',
    };
    const id = await start(await sandbox({ network: 'pod', sysctls }));
    const files = 'kernel/shm_rmid_forced fs/mqueue/msg_max net/ipv4/ip_forward kernel/msgmax';
    expect(await output(id, `cd /proc/sys && cat ${files}`)).toBe('1\n100\n1\n65535\n');
  });

  it('takes names and uids of any text', async () => {
    const name = `NamespaceOption-PodSandbox-${randomUUID()}-${'x'.repeat(40)}`;
    const metadata = {
      name,
      namespace: 'cri-test-Namespace_1',
      uid: `cri-test-uid-${randomUUID()}/% \\ é`,
      attempt: 3,
    };
    const sandboxId = await sandbox({ metadata, network: 'pod' });
    expect((await agent.service.podSandboxStatus(sandboxId)).metadata).toEqual(metadata);
    const id = await start(sandboxId, undefined, { metadata: { name: `Upper_${name}/é`, attempt: 7 } });
    expect(await output(id, 'hostname')).toMatch(/^NamespaceOption-PodSandbox-/);
  });

  it('with a shared PID namespace ends with all its processes', async () => {
    const sandboxId = await sandbox();
    const id = await start(sandboxId, 'sleep 100000 & sleep 100000');
    const infra = `podwright-infra-${sandboxId}.service`;
    expect(await output(id, 'cat /proc/1/cmdline')).not.toContain('sleep');
    await agent.service.stopPodSandbox(sandboxId);
    const units = ['list-units', '--all', '--no-legend', infra, containerUnitName(id)];
    // systemd forgets a unit a moment after its end.
    await expect
      .poll(async () => (await run('systemctl', units)).stdout, { timeout: 10_000 * slowness })
      .toBe('');
  });
});

describe('a mount', () => {
  it.each([true, false])(
    'shows what a link on the host leads to (createHostPath: %s)',
    async (createHostPath) => {
      await mkdir(join(await newShared(), 'real'));
      await writeFile(join(shared, 'real', 'flag'), 'seen');
      await symlink(join(shared, 'real'), join(shared, 'link'));
      const mounts = [
        { hostPath: join(shared, 'link'), containerPath: join(shared, 'link'), createHostPath },
      ];
      const id = await start(await sandbox(), undefined, { mounts });
      expect(await output(id, `cat ${shared}/link/flag`)).toBe('seen');
    },
  );

  it('has its directory on the host made with mode 0755, also below one that is missing', async () => {
    const hostPath = join(await newShared(), "a 'b'", 'c');
    await start(await sandbox(), undefined, {
      mounts: [{ hostPath, containerPath: '/x', createHostPath: true }],
    });
    expect((await stat(hostPath)).mode & 0o777).toBe(0o755);
  });

  it('says which directory cannot be made', async () => {
    await writeFile(join(await newShared(), 'file'), '');
    const mounts = [{ hostPath: join(shared, 'file', 'x'), containerPath: '/x', createHostPath: true }];
    const sandboxId = await sandbox();
    await expectFailure(
      () => start(sandboxId, 'true', { mounts }),
      'container-start-failed',
      /\/file\/x cannot be made/,
    );
  });
});

describe('a container', () => {
  it('that is privileged has the devices of the host and a /sys to write to', async () => {
    const id = await start(await sandbox({ network: 'pod' }), undefined, { security: { privileged: true } });
    const options = await output(id, 'grep -E " (/sys|/sys/fs/cgroup) " /proc/mounts | cut -d" " -f2,4');
    expect(options).toMatch(/^\/sys rw/m);
    const plain = await start(await sandbox());
    const devices = async (container: string) => Number(await output(container, 'ls /dev | wc -l'));
    expect(await devices(id)).toBeGreaterThan(await devices(plain));
    expect(await output(id, 'ip link set lo mtu 1400 && echo set')).toBe('set\n');
    expect(await output(id, 'grep -E "^Seccomp:" /proc/self/status')).toMatch(/0\n$/);
  });

  it('takes a seccomp profile by its path, and is ended by no name that the kernel lacks', async () => {
    const profile = join(await newShared(), 'block.json');
    const names = ['chmod', 'fchmodat', 'no_such_call_of_any_kernel'];
    const syscalls = [{ names, action: 'SCMP_ACT_ERRNO' }];
    await writeFile(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls }));
    const seccomp = { type: 'Localhost', localhostPath: profile } as const;
    const id = await start(await sandbox(), undefined, { security: { seccomp } });
    expect(await output(id, 'chmod 400 / || true')).toContain('Operation not permitted');
  });

  it('has the groups of its image beside those it asks for, and a user by name', async () => {
    const security = { runAsUserName: 'nobody', supplementalGroups: [1234, 5678] };
    const id = await start(await sandbox(), undefined, { security });
    expect(await output(id, 'id -nu')).toBe('nobody\n');
    const groups = (await output(id, 'id -G')).trim().split(' ').map(Number);
    expect(groups).toEqual(expect.arrayContaining([1234, 5678]));
    const { user } = await agent.service.containerStatus(id);
    expect(user?.supplementalGroups).toEqual(expect.arrayContaining([...groups]));
  });

  it('takes an oomScoreAdj as far as this host can give it', async () => {
    const id = await start(await sandbox(), undefined, { resources: { oomScoreAdj: 987 } });
    expect(await output(id, 'cat /proc/1/oom_score_adj')).toBeDefined();
    expect(await readFile(`/proc/${await processOf(id)}/oom_score_adj`, 'utf8')).toBe('987\n');
    // What takes a right that the host may not have is left as it is there.
    await start(await sandbox(), undefined, { resources: { oomScoreAdj: -997 } });
  });

  it('keeps its log, its user and its process over agents', async () => {
    const logPath = join(await newShared(), '0.log');
    const id = await start(await sandbox(), undefined, { logPath, security: { runAsUser: 1000 } });
    const before = await agent.service.containerStatus(id);
    const { folder } = agent;
    await agent[Symbol.asyncDispose]();
    agent = await startTestAgent(folder);
    const { logPath: path, user, processId, resources } = await agent.service.containerStatus(id);
    expect({ logPath: path, user, processId, resources }).toEqual({
      ...{ logPath, user: before.user, processId: before.processId, resources: {} },
    });
    expect(new HostLayout(join(folder, 'state'), join(folder, 'run')).container(id).pidFile).toBeDefined();
    await agent.service.reopenContainerLog(id);
  });
});
