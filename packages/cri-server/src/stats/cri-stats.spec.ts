import { create } from '@bufbuild/protobuf';
import {
  type ContainerStats,
  type ContainerStatus,
  type PodSandboxStats,
  type PodSandboxStatus,
  PodwrightError,
} from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { IdFinder } from '../calls/id-finder.js';
import { CpuRates } from './cpu-rates.js';
import { CriStats } from './cri-stats.js';
import { MemoryPods, sandboxConfig } from './memory-pods.spec-helper.js';
import { toCriContainerStats, toCriSandboxStats } from './to-cri-stats.js';

const CONTEXT = { signal: new AbortController().signal };

async function setUp() {
  const host = await MemoryPods.start();
  onTestFinished(() => host[Symbol.asyncDispose]());
  await host.pull('busybox');
  const stats = new CriStats(host.runtime, new IdFinder(host.runtime));
  const one = await host.runtime.runPodSandbox(sandboxConfig('u1', { labels: { pod: 'one' } }));
  const two = await host.runtime.runPodSandbox(sandboxConfig('u2'));
  const running = await host.startContainer(one, 'running', {
    labels: { foo: 'bar' },
    annotations: { x: 'y' },
  });
  const created = await host.create(one, 'created');
  const ended = await host.startContainer(two, 'ended');
  await host.runtime.stopContainer(ended, { graceMs: 0 });
  return { host, stats, one, two, running, created, ended };
}

type ContainerFilter = { id?: string; podSandboxId?: string; labelSelector?: Record<string, string> };

async function listed(stats: CriStats, filter?: ContainerFilter) {
  const request = filter === undefined ? {} : { filter };
  const list = await stats.listContainerStats(create(cri.ListContainerStatsRequestSchema, request), CONTEXT);
  const streamed: unknown[] = [];
  for await (const { containerStats = [] } of stats.streamContainerStats(
    create(cri.StreamContainerStatsRequestSchema, request),
    CONTEXT,
  ))
    streamed.push(...containerStats.map(({ attributes }) => attributes?.id));
  expect(streamed).toEqual(list.stats.map(({ attributes }) => attributes?.id));
  return list.stats;
}

describe('the stats of containers', () => {
  it('are of all of them, with their usage while they run', async () => {
    const { stats, running, created, ended } = await setUp();
    const found = new Map((await listed(stats)).map((one) => [one.attributes?.id, one]));
    expect([...found.keys()].sort()).toEqual([running, created, ended].sort());
    for (const id of [created, ended]) expect(Object.keys(found.get(id) ?? {})).toEqual(['attributes']);
    const { attributes, cpu, memory, writableLayer } = found.get(running) ?? {};
    expect(attributes).toEqual({
      id: running,
      metadata: { name: 'running', attempt: 0 },
      labels: { foo: 'bar' },
      annotations: { x: 'y' },
    });
    for (const part of [cpu, memory, writableLayer]) expect(part?.timestamp).toBeGreaterThan(0n);
    expect(cpu?.usageNanoCores).toBeUndefined();
    expect(writableLayer?.fsId?.mountpoint).toMatch(/^\//);
  });

  it.each<[string, (ids: Awaited<ReturnType<typeof setUp>>) => ContainerFilter, readonly string[]]>([
    ['an id', ({ running }) => ({ id: running }), ['running']],
    ['the beginning of an id', ({ running }) => ({ id: running.slice(0, 13) }), ['running']],
    ['an id that is not there', () => ({ id: 'nobody' }), []],
    ['a sandbox', ({ one }) => ({ podSandboxId: one }), ['created', 'running']],
    ["a sandbox and another sandbox's container", ({ one, ended }) => ({ id: ended, podSandboxId: one }), []],
    ['labels', () => ({ labelSelector: { foo: 'bar' } }), ['running']],
    ['other labels', () => ({ labelSelector: { foo: 'baz' } }), []],
    ['nothing', () => ({}), ['created', 'ended', 'running']],
  ])('can be filtered by %s', async (_, filterOf, expected) => {
    const bed = await setUp();
    const names = (await listed(bed.stats, filterOf(bed))).map(
      ({ attributes }) => attributes?.metadata?.name,
    );
    expect(names.sort()).toEqual(expected);
  });

  it('are there for one, and of a missing one an error', async () => {
    const { stats, running } = await setUp();
    const of = (containerId: string) =>
      stats.containerStats(create(cri.ContainerStatsRequestSchema, { containerId }), CONTEXT);
    expect((await of(running.slice(0, 13))).stats?.attributes?.id).toBe(running);
    await expect(of('nobody')).rejects.toMatchObject({ kind: 'not-found' });
    await expect(of('')).rejects.toMatchObject({ kind: 'empty-id' });
  });
});

describe('the stats of sandboxes', () => {
  async function sandboxes(
    stats: CriStats,
    filter?: { id?: string; labelSelector?: Record<string, string> },
  ) {
    const request = filter === undefined ? {} : { filter };
    const list = await stats.listPodSandboxStats(
      create(cri.ListPodSandboxStatsRequestSchema, request),
      CONTEXT,
    );
    const streamed: unknown[] = [];
    for await (const { podSandboxStats = [] } of stats.streamPodSandboxStats(
      create(cri.StreamPodSandboxStatsRequestSchema, request),
      CONTEXT,
    ))
      streamed.push(...podSandboxStats.map(({ attributes }) => attributes?.id));
    expect(streamed).toEqual(list.stats.map(({ attributes }) => attributes?.id));
    return list.stats;
  }

  it('are of those that are ready, with their containers', async () => {
    const { host, stats, one, two, running, created } = await setUp();
    await host.runtime.stopPodSandbox(two);
    const [found, ...others] = await sandboxes(stats);
    expect(others).toEqual([]);
    expect(found?.attributes).toEqual({
      id: one,
      metadata: { name: 'pod-u1', namespace: 'default', uid: 'u1', attempt: 0 },
      labels: { pod: 'one' },
      annotations: {},
    });
    expect(found?.linux?.process?.processCount?.value).toBeGreaterThan(0n);
    expect(found?.linux?.containers?.map(({ attributes }) => attributes?.id).sort()).toEqual(
      [running, created].sort(),
    );
  });

  it('can be filtered', async () => {
    const { stats, one, two } = await setUp();
    const ids = async (filter: { id?: string; labelSelector?: Record<string, string> }) =>
      (await sandboxes(stats, filter)).map(({ attributes }) => attributes?.id);
    expect((await ids({})).sort()).toEqual([one, two].sort());
    expect(await ids({ id: two })).toEqual([two]);
    expect(await ids({ id: two.slice(0, 13) })).toEqual([two]);
    expect(await ids({ id: 'nobody' })).toEqual([]);
    expect(await ids({ labelSelector: { pod: 'one' } })).toEqual([one]);
    expect(await ids({ id: two, labelSelector: { pod: 'one' } })).toEqual([]);
  });

  it('are there for one; of a missing or a stopped one they are an error', async () => {
    const { host, stats, one } = await setUp();
    const of = (podSandboxId: string) =>
      stats.podSandboxStats(create(cri.PodSandboxStatsRequestSchema, { podSandboxId }), CONTEXT);
    expect((await of(one)).stats.attributes?.id).toBe(one);
    await host.runtime.stopPodSandbox(one);
    await expect(of(one)).rejects.toMatchObject({ kind: 'failed-precondition' });
    await expect(of('nobody')).rejects.toMatchObject({ kind: 'not-found' });
  });
});

describe('metrics', () => {
  it('are of every ready sandbox, streamed too', async () => {
    const { host, stats, one, two, running } = await setUp();
    const list = async () =>
      (await stats.listPodSandboxMetrics(create(cri.ListPodSandboxMetricsRequestSchema), CONTEXT)).podMetrics;
    const found = await list();
    expect(found.map(({ podSandboxId }) => podSandboxId).sort()).toEqual([one, two].sort());
    const of = found.find(({ podSandboxId }) => podSandboxId === one);
    expect(of?.containerMetrics?.map(({ containerId }) => containerId)).toEqual([running]);
    await host.runtime.stopPodSandbox(two);
    const streamed: unknown[] = [];
    for await (const { podSandboxMetrics } of stats.streamPodSandboxMetrics(
      create(cri.StreamPodSandboxMetricsRequestSchema),
      CONTEXT,
    ))
      streamed.push(...podSandboxMetrics.map(({ podSandboxId }) => podSandboxId));
    expect(streamed).toEqual([one]);
  });

  it('have the detail of a backend that has it, and are fewer of another', async () => {
    const { host } = await setUp();
    const stats = new CriStats(host.runtime, new IdFinder(host.runtime));
    const names = async () => {
      const request = create(cri.ListPodSandboxMetricsRequestSchema);
      const { podMetrics } = await stats.listPodSandboxMetrics(request, CONTEXT);
      const all = podMetrics.flatMap(({ containerMetrics = [] }) => containerMetrics);
      return new Set(all.flatMap(({ metrics = [] }) => metrics.map(({ name }) => name)));
    };
    expect(await names()).toContain('container_file_descriptors');
    const list = host.runtime.listPodSandboxStats.bind(host.runtime);
    vi.spyOn(host.runtime, 'listPodSandboxStats').mockImplementation(async (filter, options = {}) => {
      if (options.detail === true) throw new PodwrightError('unsupported', 'There is no detail.');
      return await list(filter, options);
    });
    const fewer = await names();
    expect(fewer).toContain('container_memory_working_set_bytes');
    expect(fewer).not.toContain('container_file_descriptors');
  });
});

const MEMORY = {
  ...{ workingSetBytes: 100, usageBytes: 150, availableBytes: 900, rssBytes: 80 },
  ...{ pageFaults: 9, majorPageFaults: 2, swapUsageBytes: 70, swapAvailableBytes: 30 },
};
const CONTAINER: ContainerStats = {
  ...{ id: 'c', sandboxId: 's', podUid: 'u', name: 'main', timestampMs: 2500 },
  ...{ cpu: { usageNanoseconds: 3.9e9 }, memory: MEMORY, pids: 3 },
  writableLayer: { mountpoint: '/upper', usedBytes: 4096, inodesUsed: 2 },
};
const interfaceOf = (name: string) => ({ name, rxBytes: 1, rxErrors: 2, txBytes: 3, txErrors: 4 });
const SANDBOX: PodSandboxStats = {
  ...{ id: 's', metadata: { name: 'pod', namespace: 'ns', uid: 'u', attempt: 1 }, timestampMs: 2500 },
  ...{ cpu: { usageNanoseconds: 4e9 }, memory: { workingSetBytes: 1, usageBytes: 2 }, pids: 4 },
  network: [interfaceOf('net1'), interfaceOf('eth0')],
  containers: [CONTAINER],
};
const STATUS: ContainerStatus = {
  ...{ id: 'c', sandboxId: 's', podUid: 'u', metadata: { name: 'main', attempt: 3 }, state: 'running' },
  ...{ createdAtMs: 1, image: 'busybox', imageId: 'sha256:1', labels: {}, annotations: {} },
  ...{ mounts: [], resources: {}, attempts: [] },
};
const SANDBOX_STATUS: PodSandboxStatus = {
  ...{ id: 's', metadata: SANDBOX.metadata, state: 'ready', createdAtMs: 1, ips: [], network: 'pod' },
  ...{ ipc: 'pod', pid: 'container', labels: { a: 'b' }, annotations: {} },
};

describe('toCriContainerStats', () => {
  it('has every number in the units of the CRI', () => {
    const rates = new CpuRates();
    rates.nanoCores('c', 3.4e9, 1500);
    const timestamp = 2_500_000_000n;
    expect(toCriContainerStats(STATUS, CONTAINER, rates)).toEqual({
      attributes: { id: 'c', metadata: { name: 'main', attempt: 3 }, labels: {}, annotations: {} },
      cpu: {
        timestamp,
        usageCoreNanoSeconds: { value: 3_900_000_000n },
        usageNanoCores: { value: 500_000_000n },
      },
      memory: {
        timestamp,
        workingSetBytes: { value: 100n },
        usageBytes: { value: 150n },
        availableBytes: { value: 900n },
        rssBytes: { value: 80n },
        pageFaults: { value: 9n },
        majorPageFaults: { value: 2n },
      },
      swap: { timestamp, swapUsageBytes: { value: 70n }, swapAvailableBytes: { value: 30n } },
      writableLayer: {
        timestamp,
        fsId: { mountpoint: '/upper' },
        usedBytes: { value: 4096n },
        inodesUsed: { value: 2n },
      },
    });
  });
});

describe('toCriSandboxStats', () => {
  it('has the default interface apart from the others', () => {
    const { linux } = toCriSandboxStats(SANDBOX_STATUS, SANDBOX, [STATUS], new CpuRates());
    const counts = {
      rxBytes: { value: 1n },
      rxErrors: { value: 2n },
      txBytes: { value: 3n },
      txErrors: { value: 4n },
    };
    expect(linux?.network).toEqual({
      timestamp: 2_500_000_000n,
      defaultInterface: { name: 'eth0', ...counts },
      interfaces: [{ name: 'net1', ...counts }],
    });
    expect(linux?.process?.processCount).toEqual({ value: 4n });
    expect(linux?.containers).toHaveLength(1);
    expect(linux?.memory).not.toHaveProperty('availableBytes');
  });

  it("tells no network of a pod with the node's", () => {
    const stats = { ...SANDBOX, network: [] };
    expect(toCriSandboxStats(SANDBOX_STATUS, stats, [], new CpuRates()).linux).not.toHaveProperty('network');
  });
});
