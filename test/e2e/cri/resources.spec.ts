// What a container may take, over a CRI socket: limits at its start and later, devices, and who is killed first.
import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isUnified } from '../support/cgroups.js';
import {
  type ContainerInit,
  CriBed,
  eventually,
  expectRefusal,
  type ResourcesInit,
  unlessUnsupported,
} from '../support/cri-bed.js';
import { itBeyondContainerd16 } from '../support/cri-target.js';
import { processes } from '../support/processes.js';

const MEBIBYTE = 1024n * 1024n;
/** A value of a control group, and where it is in each hierarchy. */
const FILES = {
  memory: { controller: 'memory', v1: 'memory.limit_in_bytes', v2: 'memory.max' },
  cpuShares: { controller: 'cpu', v1: 'cpu.shares', v2: 'cpu.weight' },
  cpuQuota: { controller: 'cpu', v1: 'cpu.cfs_quota_us', v2: 'cpu.max' },
  cpus: { controller: 'cpuset', v1: 'cpuset.cpus', v2: 'cpuset.cpus' },
} as const;

let bed: CriBed;

beforeAll(async () => {
  bed = await CriBed.start();
});

afterEach(() => bed.clean());

afterAll(() => bed[Symbol.asyncDispose]());

/** A container whose first process can be told on the host. */
async function startKnown(init: ContainerInit): Promise<{ id: string; pid: number }> {
  const argument = String(randomInt(1_000_000, 2_000_000));
  const id = await bed.start(await bed.runPod(), { ...init, command: ['sleep', argument] });
  // It may still be on its way from the OCI runtime to its program.
  const [found] = await eventually(
    () => processes(({ command }) => command === `sleep ${argument}`),
    ({ length }) => length === 1,
  );
  return { id, pid: found?.pid ?? expect.fail('not there') };
}

/** What is written in the control group of a process. */
async function limitOf(pid: number, name: keyof typeof FILES): Promise<string> {
  const { controller, v1, v2 } = FILES[name];
  const lines = (await readFile(`/proc/${pid}/cgroup`, 'utf8')).split('\n').map((line) => line.split(':'));
  const line = lines.find(([, names]) => (isUnified ? names === '' : names?.split(',').includes(controller)));
  const folder = isUnified ? '/sys/fs/cgroup' : `/sys/fs/cgroup/${controller}`;
  return (await readFile(`${folder}${line?.[2]}/${isUnified ? v2 : v1}`, 'utf8')).trim();
}

const limits: ResourcesInit = {
  cpuPeriod: 100_000n,
  cpuQuota: 50_000n,
  cpuShares: 512n,
  memoryLimitInBytes: 64n * MEBIBYTE,
};

describe('the resources of a container', () => {
  it('are limited from its start, and told by its status', async () => {
    const { id, pid } = await startKnown({ linux: { resources: limits } });
    expect(await limitOf(pid, 'memory')).toBe(String(64n * MEBIBYTE));
    expect(await limitOf(pid, 'cpuQuota')).toBe(isUnified ? '50000 100000' : '50000');
    if (!isUnified) expect(await limitOf(pid, 'cpuShares')).toBe('512');
    expect((await bed.status(id)).state).toBe(1);
  });

  it('may have more weight than limit, and a limit of memory and swap together', async () => {
    const memory = 64n * MEBIBYTE;
    const { pid } = await startKnown({
      linux: {
        resources: {
          ...limits,
          ...{ cpuQuota: 20_000n, cpuShares: 1024n, memorySwapLimitInBytes: memory },
        },
      },
    });
    expect(await limitOf(pid, 'cpuQuota')).toBe(isUnified ? '20000 100000' : '20000');
    if (!isUnified) expect(await limitOf(pid, 'cpuShares')).toBe('1024');
  });

  it('are limited anew while it runs', async () => {
    const { id, pid } = await startKnown({ linux: { resources: limits } });
    await bed.runtime.updateContainerResources({
      containerId: id,
      linux: { cpuQuota: 25_000n, cpuPeriod: 100_000n, cpuShares: 256n, memoryLimitInBytes: 96n * MEBIBYTE },
    });
    expect(await limitOf(pid, 'memory')).toBe(String(96n * MEBIBYTE));
    expect(await limitOf(pid, 'cpuQuota')).toBe(isUnified ? '25000 100000' : '25000');
    if (!isUnified) expect(await limitOf(pid, 'cpuShares')).toBe('256');
    await bed.runtime.updateContainerResources({ containerId: id, linux: { cpuShares: 512n } });
    if (!isUnified) expect(await limitOf(pid, 'cpuShares')).toBe('512');
    expect(await limitOf(pid, 'memory')).toBe(String(96n * MEBIBYTE));
  });

  it('can be limited before it is started', async () => {
    const pod = await bed.runPod();
    const containerId = await bed.create(pod, { linux: { resources: limits } });
    await bed.runtime.updateContainerResources({
      containerId,
      linux: { ...limits, memoryLimitInBytes: 96n * MEBIBYTE },
    });
    await bed.runtime.startContainer({ containerId });
    expect((await bed.exec(containerId, 'true')).exitCode).toBe(0);
  });

  itBeyondContainerd16('are told by its status', async () => {
    const { id } = await startKnown({ linux: { resources: limits } });
    expect((await bed.status(id)).resources?.linux).toMatchObject(limits);
    const changed = { memoryLimitInBytes: 96n * MEBIBYTE };
    await bed.runtime.updateContainerResources({ containerId: id, linux: changed });
    expect((await bed.status(id)).resources?.linux).toMatchObject({ ...limits, ...changed });
  });

  it('cannot be limited when it is not there', async () => {
    const call = bed.runtime.updateContainerResources({ containerId: 'none', linux: limits });
    await expectRefusal(call, status.NOT_FOUND);
  });

  it('are those of the processors that it is given; or it says that it cannot', async () => {
    const started = await unlessUnsupported(startKnown({ linux: { resources: { cpusetCpus: '0' } } }));
    if (started !== undefined) expect(await limitOf(started.pid, 'cpus')).toBe('0');
  });
});

describe('the order in which processes are killed when memory runs out', () => {
  it.each([10n, 500n, 1000n])('is that which is asked for: %s', async (oomScoreAdj) => {
    const { pid } = await startKnown({ linux: { resources: { oomScoreAdj } } });
    expect((await readFile(`/proc/${pid}/oom_score_adj`, 'utf8')).trim()).toBe(String(oomScoreAdj));
  });
});

describe('devices of the host', () => {
  const device = { hostPath: '/dev/fuse', containerPath: '/dev/given', permissions: 'rw' };

  it('are given when they are asked for, and otherwise not', async () => {
    const pod = await bed.runPod();
    const id = await bed.start(pod, { devices: [device] });
    expect(await bed.exec(id, 'sh', '-c', 'test -c /dev/given && : <> /dev/given')).toMatchObject({
      exitCode: 0,
    });
    const securityContext = { capabilities: { addCapabilities: ['MKNOD'] } };
    const other = await bed.startSecured(pod, securityContext);
    const script = 'mknod /tmp/own c 10 229 && : <> /tmp/own';
    expect(await bed.exec(other, 'sh', '-c', script)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('Operation not permitted'),
    });
  });

  it('cannot be given when they are not there', async () => {
    const devices = [{ ...device, hostPath: '/dev/no-such' }];
    await expectRefusal(bed.start(await bed.runPod(), { devices }));
  });
});
