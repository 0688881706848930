// A burstable pod as a kubelet with cgroupDriver: systemd has it run: in a slice that it has made, with limits on both, told
// in the words of the host's cgroup version.
import { execFile } from 'node:child_process';
import { randomInt, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { status } from '@grpc/grpc-js';
import { cri } from '@podwright/cri-api';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isUnified } from '../support/cgroups.js';
import { CriBed, eventually, expectRefusal } from '../support/cri-bed.js';
import { processes } from '../support/processes.js';

const MEBIBYTE = 1024n * 1024n;
const POD_LIMIT = 96n * MEBIBYTE;
/** Of a pod whose manifest says nothing of namespaces. */
const securityContext = { namespaceOptions: { pid: cri.NamespaceMode.CONTAINER } };

let bed: CriBed;
let slice: string;

beforeAll(async () => {
  bed = await CriBed.start();
});

afterEach(async () => {
  await bed.clean();
  await run('systemctl', 'stop', slice);
});

afterAll(async () => {
  await run('systemctl', 'stop', 'kubepods.slice');
  await bed[Symbol.asyncDispose]();
});

async function run(program: string, ...args: readonly string[]): Promise<void> {
  await promisify(execFile)(program, args);
}

/** The slice of a pod of this uid, with a limit of memory, and its path as a kubelet gives it. */
async function makeSlice(uid: string): Promise<string> {
  slice = `kubepods-burstable-pod${uid.replaceAll('-', '_')}.slice`;
  const manager = [
    'org.freedesktop.systemd1',
    '/org/freedesktop/systemd1',
    'org.freedesktop.systemd1.Manager',
  ];
  const properties = ['2', 'MemoryAccounting', 'b', 'true', 'MemoryMax', 't', String(POD_LIMIT), '0'];
  const call = ['StartTransientUnit', 'ssa(sv)a(sa(sv))', slice, 'fail', ...properties];
  await run('busctl', 'call', ...manager, ...call);
  return `/kubepods.slice/kubepods-burstable.slice/${slice}`;
}

async function runPod() {
  const uid = randomUUID();
  const cgroupParent = await makeSlice(uid);
  const metadata = { name: 'web', namespace: 'default', uid, attempt: 0 };
  return { cgroupParent, pod: await bed.runPod({ metadata, linux: { cgroupParent, securityContext } }) };
}

/** What a kubelet sends of a container with this limit of memory; it wants no swap. */
function resources(memoryLimitInBytes: bigint, cpuQuota: bigint) {
  const swap = isUnified
    ? { unified: { 'memory.oom.group': '1', 'memory.swap.max': '0' } }
    : { memorySwapLimitInBytes: memoryLimitInBytes };
  const cpu = { cpuPeriod: 100_000n, cpuQuota, cpuShares: 102n };
  return { ...cpu, memoryLimitInBytes, oomScoreAdj: 900n, ...swap };
}

/** The control group of the process with this command line. */
async function controlGroup(command: string) {
  // It may still be on its way from the OCI runtime to its program.
  const [found] = await eventually(
    () => processes((process) => process.command === command),
    ({ length }) => length === 1,
  );
  const lines = (await readFile(`/proc/${found?.pid}/cgroup`, 'utf8')).split('\n');
  const of = (controller: string) =>
    lines
      .map((line) => line.split(':'))
      .find(([, names]) => (isUnified ? names === '' : names?.split(',').includes(controller)))?.[2];
  const read = async (controller: string, file: string) =>
    (await readFile(`/sys/fs/cgroup/${isUnified ? '' : controller}${of(controller)}/${file}`, 'utf8')).trim();
  return { path: of('memory'), read };
}

/** Limits as the kernel has them. */
async function limitsOf({ read }: Awaited<ReturnType<typeof controlGroup>>) {
  return isUnified
    ? {
        memory: await read('memory', 'memory.max'),
        swap: await read('memory', 'memory.swap.max'),
        cpu: await read('cpu', 'cpu.max'),
      }
    : { memory: await read('memory', 'memory.limit_in_bytes'), cpu: await read('cpu', 'cpu.cfs_quota_us') };
}

const expected = (memory: bigint, quota: number) =>
  isUnified
    ? { memory: String(memory), swap: '0', cpu: `${quota} 100000` }
    : { memory: String(memory), cpu: String(quota) };

describe('a burstable pod of a kubelet', () => {
  it('has its containers in the slice of the kubelet, with limits that can be changed, stats and probes', async () => {
    const { pod, cgroupParent } = await runPod();
    const command = ['sleep', String(randomInt(1_000_000, 2_000_000))];
    const limits = resources(64n * MEBIBYTE, 50_000n);
    const containerId = await bed.start(pod, { command, linux: { securityContext, resources: limits } });
    const group = await controlGroup(command.join(' '));
    expect(group.path).toContain(`${cgroupParent}/`);
    expect(await limitsOf(group)).toEqual(expected(64n * MEBIBYTE, 50_000));

    const linux = resources(80n * MEBIBYTE, 25_000n);
    await bed.runtime.updateContainerResources({ containerId, linux });
    expect(await limitsOf(group)).toEqual(expected(80n * MEBIBYTE, 25_000));

    const { stats } = await bed.runtime.containerStats({ containerId });
    expect(stats?.cpu?.usageCoreNanoSeconds?.value).toBeGreaterThan(0n);
    const { workingSetBytes, availableBytes } = stats?.memory ?? {};
    expect((workingSetBytes?.value ?? 0n) + (availableBytes?.value ?? 0n)).toBe(80n * MEBIBYTE);
    const ofPod = (await bed.runtime.podSandboxStats({ podSandboxId: pod.id })).stats?.linux?.memory;
    expect((ofPod?.workingSetBytes?.value ?? 0n) + (ofPod?.availableBytes?.value ?? 0n)).toBe(POD_LIMIT);

    const late = `sleep ${randomInt(2_000_000, 3_000_000)}`;
    const probe = { containerId, cmd: ['sh', '-c', `${late}; true`], timeout: 1n };
    await expectRefusal(bed.runtime.execSync(probe), status.DEADLINE_EXCEEDED);
    expect(await processes((process) => process.command === late)).toEqual([]);
    expect(await bed.exec(containerId, 'sh', '-c', 'exit 3')).toMatchObject({ exitCode: 3 });
  });

  it('tells of a container that was killed as the pod had no more memory', async () => {
    const { pod } = await runPod();
    // Without a limit of its own: a kubelet forbids it swap all the same.
    const linux = { securityContext, resources: resources(0n, 50_000n) };
    const id = await bed.start(pod, { command: ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=128M'], linux });
    expect(await bed.ended(id)).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
  });
});
