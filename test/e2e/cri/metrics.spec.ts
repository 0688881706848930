// Metrics over a CRI socket: what a kubelet with the feature gate PodAndContainerStatsFromCRI gives Prometheus instead of
// cAdvisor's, and what critest expects. Each is compared with what the container itself sees, or was made to do.
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cri } from '@podwright/cri-api';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished } from 'vitest';
import { CriBed, type CriPod, eventually, PAUSE } from '../support/cri-bed.js';
import { itBeyondContainerd16 } from '../support/cri-target.js';

let bed: CriBed;

beforeAll(async () => {
  bed = await CriBed.start();
});

afterEach(() => bed.clean());

afterAll(() => bed[Symbol.asyncDispose]());

const MIB = 1024 * 1024;
const BUSY = ['sh', '-c', 'trap "exit 0" TERM; while :; do :; done'];

/** What the host may not count: huge pages, I/O of disks, and time waited for. */
const MAY_BE_ABSENT = /^container_(hugetlb|blkio|fs_reads|fs_writes|pressure)_/;

/** Values by name and the values of the labels that not every metric has: `container_cpu_usage_seconds_total total`. */
type Values = ReadonlyMap<string, number>;

const COMMON = ['id', 'image', 'namespace', 'pod', 'container'];

async function descriptors(): Promise<ReadonlyMap<string, cri.MetricDescriptor>> {
  const { descriptors } = await bed.runtime.listMetricDescriptors();
  return new Map(descriptors.map((each) => [each.name, each]));
}

async function metricsOf(
  pod: CriPod,
): Promise<{ ofPod: readonly cri.Metric[]; of: Map<string, readonly cri.Metric[]> }> {
  const { podMetrics } = await bed.runtime.listPodSandboxMetrics();
  const found = podMetrics.find(({ podSandboxId }) => podSandboxId === pod.id);
  return {
    ofPod: found?.metrics ?? [],
    of: new Map((found?.containerMetrics ?? []).map(({ containerId, metrics }) => [containerId, metrics])),
  };
}

async function valuesOf(metrics: readonly cri.Metric[]): Promise<Values> {
  const described = await descriptors();
  return new Map(
    metrics.map(({ name, labelValues, value }) => {
      const keys = described.get(name)?.labelKeys ?? [];
      const own = labelValues.filter((_, index) => !COMMON.includes(keys[index] ?? ''));
      return [[name, ...own].join(' '), Number(value?.value)];
    }),
  );
}

async function containerValues(pod: CriPod, id: string): Promise<Values> {
  return await valuesOf((await metricsOf(pod)).of.get(id) ?? []);
}

const at = (values: Values, name: string) => values.get(`container_${name}`) ?? Number.NaN;

/** What counts I/O of a cgroup, as a container sees its own: version 2, and 1. */
const IO_FILES = ['/sys/fs/cgroup/io.stat', '/sys/fs/cgroup/blkio/blkio.throttle.io_service_bytes_recursive'];

/** Of each device with a counter. */
function countedIo(text: string): readonly { readonly read: number; readonly written: number }[] {
  const unified = [...text.matchAll(/^\d+:\d+ .*?rbytes=(\d+) wbytes=(\d+)/gm)];
  const reads = [...text.matchAll(/^\d+:\d+ Read (\d+)$/gm)];
  const writes = [...text.matchAll(/^\d+:\d+ Write (\d+)$/gm)];
  return [
    ...unified.map(([, read, written]) => ({ read: Number(read), written: Number(written) })),
    ...reads.map(([, read], index) => ({ read: Number(read), written: Number(writes[index]?.[1]) })),
  ];
}

describe('metrics', () => {
  itBeyondContainerd16('are all there of a container, each with a value for every label', async () => {
    const pod = await bed.runPod();
    const resources = {
      ...{ cpuPeriod: 100_000n, cpuQuota: 20_000n, cpuShares: 1024n },
      ...{ memoryLimitInBytes: BigInt(64 * MIB), memorySwapLimitInBytes: BigInt(64 * MIB) },
    };
    const id = await bed.start(pod, { linux: { resources } });
    const described = await descriptors();
    const { ofPod, of } = await metricsOf(pod);
    const all = [...ofPod, ...(of.get(id) ?? [])];
    const told = new Set(all.map(({ name }) => name));
    const missing = [...described.keys()].filter((name) => !told.has(name) && !MAY_BE_ABSENT.test(name));
    expect(missing).toEqual([]);
    expect(described.size).toBeGreaterThanOrEqual(56);
    for (const { name, labelValues, timestamp } of all) {
      expect([name, labelValues.length]).toEqual([name, described.get(name)?.labelKeys.length]);
      expect(Math.abs(Number(timestamp / 1_000_000n) - Date.now())).toBeLessThan(60_000);
    }
    const series = all.map(({ name, labelValues }) => [name, ...labelValues].join('\n'));
    expect(new Set(series).size).toBe(series.length);
    const values = await valuesOf(of.get(id) ?? []);
    expect(at(values, 'spec_cpu_period')).toBe(100_000);
    expect(at(values, 'spec_cpu_quota')).toBe(20_000);
    expect(at(values, 'spec_cpu_shares')).toBe(1024);
    expect(at(values, 'spec_memory_limit_bytes')).toBe(64 * MIB);
    // Of memory and swap on version 1, of swap alone on version 2.
    expect([64 * MIB, 0]).toContain(at(values, 'spec_memory_swap_limit_bytes'));
    expect(at(values, 'spec_memory_reservation_limit_bytes')).toBe(0);
    const startedAt = (await bed.status(id)).startedAt / 1_000_000_000n;
    expect(Math.abs(at(values, 'start_time_seconds') - Number(startedAt))).toBeLessThanOrEqual(1);
    expect(Math.abs(at(values, 'last_seen') - Date.now() / 1000)).toBeLessThan(60);
  });

  itBeyondContainerd16('are labelled as their pod and container', async () => {
    const metadata = { name: 'labelled', namespace: 'metrics', uid: 'metrics-labelled', attempt: 0 };
    const pod = await bed.runPod({ metadata });
    const id = await bed.start(pod, { metadata: { name: 'main', attempt: 0 } });
    const keys = (await descriptors()).get('container_memory_cache')?.labelKeys ?? [];
    const { ofPod, of } = await metricsOf(pod);
    const labels = (metrics: readonly cri.Metric[], wanted: string) => {
      const values = metrics.find(({ name }) => name === wanted)?.labelValues ?? [];
      return Object.fromEntries(keys.map((key, index) => [key, values[index]]));
    };
    const common = { namespace: 'metrics', pod: 'labelled' };
    expect(labels(of.get(id) ?? [], 'container_memory_cache')).toMatchObject({
      ...common,
      id,
      container: 'main',
    });
    expect(labels(ofPod, 'container_network_receive_bytes_total')).toMatchObject({ ...common, id: pod.id });
  });

  itBeyondContainerd16('count the time of processors', async () => {
    const pod = await bed.runPod();
    const id = await bed.start(pod, { command: BUSY });
    const values = await eventually(
      () => containerValues(pod, id),
      (found) => at(found, 'cpu_usage_seconds_total total') >= 1,
    );
    const [user, system] = [at(values, 'cpu_user_seconds_total'), at(values, 'cpu_system_seconds_total')];
    // Parts of a second are cut off of each.
    expect(Math.abs(user + system - at(values, 'cpu_usage_seconds_total total'))).toBeLessThanOrEqual(2);
    for (const name of ['cpu_cfs_periods_total', 'cpu_cfs_throttled_seconds_total', 'spec_cpu_quota'])
      expect([name, at(values, name)]).toEqual([name, Number.NaN]);
  });

  itBeyondContainerd16('count the periods of a quota that was used up', async () => {
    const pod = await bed.runPod();
    // A hundredth of a core, which a busy host has for it too.
    const resources = { cpuPeriod: 100_000n, cpuQuota: 1000n };
    const id = await bed.start(pod, { command: BUSY, linux: { resources } });
    const values = await eventually(
      () => containerValues(pod, id),
      (found) => at(found, 'cpu_cfs_throttled_seconds_total') >= 1,
    );
    expect(at(values, 'cpu_cfs_throttled_periods_total')).toBeGreaterThan(5);
    expect(at(values, 'cpu_cfs_periods_total')).toBeGreaterThanOrEqual(
      at(values, 'cpu_cfs_throttled_periods_total'),
    );
    expect(at(values, 'spec_cpu_quota')).toBe(1000);
  });

  itBeyondContainerd16('tell memory by kind, page faults, and the most that was in use', async () => {
    const pod = await bed.runPod();
    const id = await bed.start(pod);
    const before = await containerValues(pod, id);
    await bed.output(id, 'sh', '-c', 'head -c 20971520 /dev/zero > /dev/shm/filled');
    // The kernel brings its numbers up to date after two seconds at the latest.
    const faults = (values: Values) => at(values, 'memory_failures_total pgfault hierarchy');
    const filled = await eventually(
      () => containerValues(pod, id),
      (found) =>
        at(found, 'memory_cache') - at(before, 'memory_cache') > 19 * MIB && faults(found) > faults(before),
    );
    expect(at(filled, 'memory_usage_bytes')).toBeGreaterThan(20 * MIB);
    for (const scope of ['container', 'hierarchy'])
      expect(at(filled, `memory_failures_total pgmajfault ${scope}`)).toBeGreaterThanOrEqual(0);
    await bed.output(id, 'rm', '/dev/shm/filled');
    const after = await eventually(
      () => containerValues(pod, id),
      (found) => at(found, 'memory_cache') < at(filled, 'memory_cache') - 19 * MIB,
    );
    expect(at(after, 'memory_max_usage_bytes')).toBeGreaterThan(20 * MIB);
    expect(at(after, 'memory_kernel_usage')).toBeGreaterThan(0);
    expect(at(after, 'spec_memory_limit_bytes')).toBe(0);
  });

  itBeyondContainerd16('count processes that were killed for want of memory', async () => {
    const pod = await bed.runPod();
    const resources = { memoryLimitInBytes: BigInt(32 * MIB) };
    const id = await bed.start(pod, { linux: { resources } });
    const before = await containerValues(pod, id);
    expect([at(before, 'oom_events_total'), at(before, 'memory_failcnt')]).toEqual([0, 0]);
    expect((await bed.exec(id, 'tail', '/dev/zero')).exitCode).not.toBe(0);
    const after = await containerValues(pod, id);
    expect(at(after, 'oom_events_total')).toBe(1);
    expect(at(after, 'memory_failcnt')).toBeGreaterThan(0);
    expect(at(after, 'memory_max_usage_bytes')).toBeLessThanOrEqual(32 * MIB);
    expect(at(after, 'memory_max_usage_bytes')).toBeGreaterThan(31 * MIB);
  });

  itBeyondContainerd16('count processes, their threads, descriptors and sockets', async () => {
    const pod = await bed.runPod();
    const command = ['sh', '-c', 'exec 9>/dev/null; nc -l -p 8080 & sleep 1000 & echo on; wait'];
    const unified = { 'pids.max': '50' };
    const id = await bed.start(pod, { command, linux: { resources: { unified } } });
    const values = await eventually(
      () => containerValues(pod, id),
      (found) => at(found, 'sockets') === 1 && at(found, 'tasks_state sleeping') === 3,
    );
    expect(at(values, 'processes')).toBe(3);
    expect(at(values, 'threads')).toBe(3);
    expect(at(values, 'threads_max')).toBe(50);
    expect(at(values, 'tasks_state stopped')).toBe(0);
    // Three standard streams and the one opened of each, and the listener.
    expect(at(values, 'file_descriptors')).toBeGreaterThanOrEqual(13);
    expect(at(values, 'file_descriptors')).toBeLessThan(20);
    const limits = await bed.output(id, 'cat', '/proc/1/limits');
    const openFiles = Number(/^Max open files +(\d+)/m.exec(limits)?.[1]);
    expect(at(values, 'ulimits_soft max_open_files')).toBe(openFiles);
    await bed.output(id, 'sh', '-c', 'kill -STOP $(pidof sleep)');
    const stopped = await eventually(
      () => containerValues(pod, id),
      (found) => at(found, 'tasks_state stopped') === 1 && at(found, 'tasks_state sleeping') === 2,
    );
    expect(at(stopped, 'processes')).toBe(3);
  });

  itBeyondContainerd16('count bytes and packets of interfaces as the pod does', async () => {
    const pod = await bed.runPod();
    const id = await bed.start(pod);
    const counts = async () => {
      const names = ['bytes', 'packets', 'errors', 'dropped'].flatMap((name) => [`rx_${name}`, `tx_${name}`]);
      const files = names.map((name) => `/sys/class/net/eth0/statistics/${name}`);
      const lines = (await bed.output(id, 'cat', ...files)).trim().split('\n');
      return new Map(names.map((name, index) => [name, Number(lines[index])]));
    };
    const { network } = await bed.podStatus(pod);
    const first = await counts();
    // Its gateway is the first address of the same network; nobody has to answer.
    const gateway = (network?.ip ?? '').replace(/\d+$/, '1');
    await bed.exec(id, 'nc', '-w', '1', gateway, '9');
    const before = await counts();
    expect(before.get('tx_packets')).toBeGreaterThan(first.get('tx_packets') ?? 0);
    const values = await valuesOf((await metricsOf(pod)).ofPod);
    const after = await counts();
    for (const [metric, name] of [
      ['receive_bytes', 'rx_bytes'],
      ['receive_packets', 'rx_packets'],
      ['receive_errors', 'rx_errors'],
      ['receive_packets_dropped', 'rx_dropped'],
      ['transmit_bytes', 'tx_bytes'],
      ['transmit_packets', 'tx_packets'],
      ['transmit_errors', 'tx_errors'],
      ['transmit_packets_dropped', 'tx_dropped'],
    ] as const) {
      const value = at(values, `network_${metric}_total eth0`);
      expect([metric, value >= (before.get(name) ?? 0)]).toEqual([metric, true]);
      expect([metric, value <= (after.get(name) ?? 0)]).toEqual([metric, true]);
    }
  });

  itBeyondContainerd16('tell of the file system that a container writes into', async () => {
    const pod = await bed.runPod();
    const id = await bed.start(pod);
    await bed.output(id, 'sh', '-c', 'head -c 3145728 /dev/zero > /written; sync');
    const values = await eventually(
      () => containerValues(pod, id),
      (found) => [...found].some(([name, value]) => /fs_usage_bytes/.test(name) && value >= 3 * MIB),
    );
    const of = (name: string) => {
      const [value] = [...values]
        .filter(([key]) => key.startsWith(`container_fs_${name}`))
        .map(([, each]) => each);
      return value ?? Number.NaN;
    };
    // The root file system of a container has the size of what its upper layer lies on.
    const [blocks, size, inodes] = (await bed.output(id, 'stat', '-f', '-c', '%b %S %c', '/'))
      .trim()
      .split(' ');
    expect(of('limit_bytes')).toBe(Number(blocks) * Number(size));
    expect(of('inodes_total')).toBe(Number(inodes));
    expect(of('inodes_free')).toBeLessThanOrEqual(Number(inodes));
  });

  itBeyondContainerd16('count what is read from and written to a disk, where the host does', async () => {
    const folder = await realpath(await mkdtemp(join(import.meta.dirname, '.disk-')));
    onTestFinished(() => rm(folder, { recursive: true }));
    const pod = await bed.runPod();
    const mounts = [{ containerPath: '/disk', hostPath: folder }];
    const id = await bed.start(pod, { mounts });
    const dd = 'bs=1048576 count=8';
    const write = `dd if=/dev/zero of=/disk/file oflag=direct ${dd}`;
    const read = `dd if=/disk/file of=/dev/null iflag=direct ${dd}`;
    // Not every file system of a test's host has direct I/O; then nothing is compared with nothing.
    await bed.exec(id, 'sh', '-c', `${write} && ${read}`);
    const count = async () =>
      countedIo(await bed.output(id, 'sh', '-c', `cat ${IO_FILES.join(' ')} 2>/dev/null || :`));
    // What the look itself reads from a disk of a host without memory to spare is counted, too.
    const { values, counted } = await eventually(
      async () => ({ before: await count(), values: await containerValues(pod, id), counted: await count() }),
      ({ before, counted }) => JSON.stringify(before) === JSON.stringify(counted),
    );
    const told = new Map(
      [...values].filter(([name]) => /^container_(fs_reads|fs_writes)_bytes_total/.test(name)),
    );
    expect([...told.keys()].filter((name) => name.includes('reads'))).toHaveLength(counted.length);
    const sum = (pattern: RegExp) =>
      [...told].filter(([name]) => pattern.test(name)).reduce((all, [, value]) => all + value, 0);
    expect(sum(/reads/)).toBe(counted.reduce((all, { read }) => all + read, 0));
    expect(sum(/writes/)).toBe(counted.reduce((all, { written }) => all + written, 0));
    const blkio = [...values].filter(([name]) => name.startsWith('container_blkio_device_usage_total'));
    expect(blkio.reduce((all, [, value]) => all + value, 0)).toBe(sum(/./));
  });

  itBeyondContainerd16('tell of a pod as a whole, and of no container twice', async () => {
    const pod = await bed.runPod();
    const ids = [await bed.start(pod), await bed.start(pod, { command: PAUSE })];
    // A shell and its sleep: what begins between the looks at the pod and at its containers would be in one of them only.
    for (const id of ids)
      await eventually(
        () => containerValues(pod, id),
        (found) => at(found, 'threads') === 2,
      );
    const { ofPod, of } = await metricsOf(pod);
    const whole = await valuesOf(ofPod);
    const each = await Promise.all(ids.map(async (id) => await valuesOf(of.get(id) ?? [])));
    const sum = (name: string) => each.reduce((all, values) => all + at(values, name), 0);
    expect(at(whole, 'threads')).toBeGreaterThanOrEqual(sum('threads'));
    expect(at(whole, 'memory_rss')).toBeGreaterThan(0);
    expect(at(whole, 'memory_max_usage_bytes')).toBeGreaterThanOrEqual(at(whole, 'memory_usage_bytes') / 2);
    const keys = (await descriptors()).get('container_memory_rss')?.labelKeys ?? [];
    const { labelValues = [] } = ofPod.find(({ name }) => name === 'container_memory_rss') ?? {};
    expect(labelValues[keys.indexOf('container')]).toBe('');
  });
});
