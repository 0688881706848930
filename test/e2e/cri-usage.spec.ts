// Events and stats over a CRI socket, as evented PLEG, the kubelet's summary and `crictl stats` ask for them.

import { randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { cri } from '@podwright/cri-api';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { CriBed, type CriPod, eventually, expectRefusal } from './support/cri-bed.js';
import { itBeyondContainerd16 } from './support/cri-target.js';

let bed: CriBed;

beforeAll(async () => {
  bed = await CriBed.start();
});

afterEach(() => bed.clean());

afterAll(() => bed[Symbol.asyncDispose]());

const BUSY = ['sh', '-c', 'trap "exit 0" TERM; while :; do :; done'];

/** Events from now on. */
async function listen(): Promise<(count: number) => Promise<readonly cri.ContainerEventResponse[]>> {
  const client = new AbortController();
  const events = bed.runtime.getContainerEvents({}, { signal: client.signal })[Symbol.asyncIterator]();
  let next = events.next();
  next.catch(() => undefined);
  onTestFinished(() => client.abort());
  // Calls of one connection reach the server in their order: with its answer, the one before has begun.
  await bed.runtime.version();
  return async (count) => {
    const found: cri.ContainerEventResponse[] = [];
    while (found.length < count) {
      const { value, done } = await next;
      if (done === true) throw new Error(`The events ended after ${found.length}.`);
      found.push(value);
      next = events.next();
      next.catch(() => undefined);
    }
    return found;
  };
}

const typeOf = ({ containerEventType }: cri.ContainerEventResponse) =>
  cri.ContainerEventType[containerEventType].replaceAll(/^CONTAINER_|_EVENT$/g, '');

describe('container events', () => {
  itBeyondContainerd16("tell a pod's life, each with the statuses of its moment", async () => {
    const take = await listen();
    const metadata = { name: 'lived', namespace: 'events', uid: randomUUID(), attempt: 1 };
    const pod = await bed.runPod({ metadata, labels: { app: 'x' } });
    const stopped = await bed.start(pod);
    const ended = await bed.create(pod, { command: ['sh', '-c', 'exit 3'] });
    const first = await take(5);
    await bed.runtime.startContainer({ containerId: ended });
    const second = await take(2);
    await bed.runtime.stopContainer({ containerId: stopped, timeout: 5n });
    await bed.runtime.removeContainer({ containerId: stopped });
    await bed.removePod(pod.id);
    const told = [...first, ...second, ...(await take(5))];

    const names = new Map([
      [pod.id, 'pod'],
      [stopped, 'stopped'],
      [ended, 'ended'],
    ]);
    const lines = told.map((event) => `${names.get(event.containerId)} ${typeOf(event)}`);
    expect(lines.slice(0, 9)).toEqual([
      'pod CREATED',
      'pod STARTED',
      'stopped CREATED',
      'stopped STARTED',
      'ended CREATED',
      'ended STARTED',
      'ended STOPPED',
      'stopped STOPPED',
      'stopped DELETED',
    ]);
    expect([...lines.slice(9)].sort()).toEqual(['ended DELETED', 'pod DELETED', 'pod STOPPED']);
    expect(lines.at(-1)).toBe('pod DELETED');
    for (const { podSandboxStatus, createdAt } of told) {
      expect(podSandboxStatus).toMatchObject({ id: pod.id, metadata, labels: { app: 'x' } });
      expect(Math.abs(Date.now() - Number(createdAt / 1_000_000n))).toBeLessThan(60_000);
    }
    expect(told[0]?.podSandboxStatus?.state).toBe(cri.PodSandboxState.SANDBOX_READY);
    expect(told.at(-1)?.podSandboxStatus?.state).toBe(cri.PodSandboxState.SANDBOX_NOTREADY);
    const statusIn = (index: number, id: string) =>
      told[index]?.containersStatuses.find((container) => container.id === id);
    expect(statusIn(2, stopped)?.state).toBe(cri.ContainerState.CONTAINER_CREATED);
    expect(statusIn(3, stopped)?.state).toBe(cri.ContainerState.CONTAINER_RUNNING);
    expect(statusIn(6, ended)).toMatchObject({ state: cri.ContainerState.CONTAINER_EXITED, exitCode: 3 });
    expect(statusIn(6, stopped)?.state).toBe(cri.ContainerState.CONTAINER_RUNNING);
    expect(statusIn(7, stopped)).toMatchObject({ state: cri.ContainerState.CONTAINER_EXITED });
    expect(statusIn(8, stopped)).toBeUndefined();
  });

  itBeyondContainerd16('reach several clients, each from its first call on', async () => {
    const early = await listen();
    const pod = await bed.runPod();
    expect((await early(2)).map(typeOf)).toEqual(['CREATED', 'STARTED']);
    const late = await listen();
    const id = await bed.create(pod);
    for (const take of [early, late])
      expect((await take(1)).map((event) => [event.containerId, typeOf(event)])).toEqual([[id, 'CREATED']]);
  });
});

describe('the stats of containers', () => {
  it('are of what runs, with every part', async () => {
    const pod = await bed.runPod();
    const metadata = { name: 'busy', attempt: 2 };
    const id = await bed.start(pod, { metadata, labels: { foo: 'bar' }, command: BUSY });
    await bed.exec(id, 'sh', '-c', 'head -c 300000 /dev/zero > /written');
    const stats = await eventually(
      async () => (await bed.runtime.containerStats({ containerId: id })).stats,
      (found) =>
        (found?.cpu?.usageCoreNanoSeconds?.value ?? 0n) > 100_000_000n &&
        (found?.writableLayer?.usedBytes?.value ?? 0n) > 250_000n,
    );
    expect(stats?.attributes).toMatchObject({ id, metadata, labels: { foo: 'bar' } });
    expect(stats?.memory?.workingSetBytes?.value).toBeGreaterThan(0n);
    expect(stats?.memory?.pageFaults?.value).toBeGreaterThan(0n);
    expect(stats?.writableLayer?.fsId?.mountpoint).toMatch(/^\//);
    expect(stats?.writableLayer?.inodesUsed?.value).toBeGreaterThan(0n);
    for (const part of [stats?.cpu, stats?.memory, stats?.writableLayer])
      expect(Math.abs(Date.now() - Number((part?.timestamp ?? 0n) / 1_000_000n))).toBeLessThan(60_000);
    // A busy loop takes a good part of a core, however many share it.
    await eventually(
      async () =>
        (await bed.runtime.listContainerStats({ filter: { id } })).stats[0]?.cpu?.usageNanoCores?.value ?? 0n,
      (nanoCores) => nanoCores > 20_000_000n && nanoCores < 4_000_000_000n,
    );
  });

  it('are listed by id, pod and labels, and without a filter', async () => {
    const [one, two] = [await bed.runPod(), await bed.runPod()];
    const [a, b] = [await bed.start(one, { labels: { foo: 'bar' } }), await bed.start(one)];
    const c = await bed.start(two);
    const ids = async (filter?: Parameters<typeof bed.runtime.listContainerStats>[0]) =>
      (await bed.runtime.listContainerStats(filter)).stats.map(({ attributes }) => attributes?.id).sort();
    expect(await ids()).toEqual([a, b, c].sort());
    expect(await ids({ filter: {} })).toEqual([a, b, c].sort());
    expect(await ids({ filter: { id: a } })).toEqual([a]);
    expect(await ids({ filter: { id: a.slice(0, 13) } })).toEqual([a]);
    expect(await ids({ filter: { podSandboxId: one.id } })).toEqual([a, b].sort());
    expect(await ids({ filter: { labelSelector: { foo: 'bar' } } })).toEqual([a]);
    expect(await ids({ filter: { labelSelector: { foo: 'baz' } } })).toEqual([]);
    expect(await ids({ filter: { id: 'nobody' } })).toEqual([]);
  });

  it('of one that has ended, or never began, do not fail the list', async () => {
    const pod = await bed.runPod();
    const created = await bed.create(pod);
    const ended = await bed.start(pod, { command: ['true'] });
    await bed.ended(ended);
    const running = await bed.start(pod);
    const { stats } = await bed.runtime.listContainerStats({ filter: { podSandboxId: pod.id } });
    const usage = new Map(stats.map((one) => [one.attributes?.id, one.cpu?.usageCoreNanoSeconds?.value]));
    expect(usage.get(running)).toBeGreaterThan(0n);
    for (const id of [created, ended]) expect(usage.get(id)).toBeUndefined();
    await expectRefusal(
      bed.runtime.containerStats({ containerId: 'nobody' }),
      status.NOT_FOUND,
      status.UNKNOWN,
    );
  });
});

describe('the stats of pods', () => {
  async function busyPod(): Promise<{ pod: CriPod; id: string }> {
    const pod = await bed.runPod({ labels: { app: 'busy' } });
    return { pod, id: await bed.start(pod, { command: BUSY }) };
  }

  itBeyondContainerd16('have processor, memory, network and processes, and the containers', async () => {
    const { pod, id } = await busyPod();
    const stats = await eventually(
      async () => (await bed.runtime.podSandboxStats({ podSandboxId: pod.id })).stats,
      (found) => (found?.linux?.cpu?.usageCoreNanoSeconds?.value ?? 0n) > 50_000_000n,
    );
    expect(stats?.attributes).toMatchObject({ id: pod.id, labels: { app: 'busy' } });
    expect(stats?.linux?.memory?.workingSetBytes?.value).toBeGreaterThan(0n);
    expect(stats?.linux?.network?.defaultInterface?.name).toBe('eth0');
    expect(stats?.linux?.process?.processCount?.value).toBeGreaterThan(0n);
    expect(stats?.linux?.containers.map(({ attributes }) => attributes?.id)).toEqual([id]);
  });

  itBeyondContainerd16('are listed by id and labels', async () => {
    const { pod } = await busyPod();
    const other = await bed.runPod();
    const ids = async (filter?: Parameters<typeof bed.runtime.listPodSandboxStats>[0]) =>
      (await bed.runtime.listPodSandboxStats(filter)).stats.map(({ attributes }) => attributes?.id).sort();
    expect(await ids()).toEqual([pod.id, other.id].sort());
    expect(await ids({ filter: { id: other.id } })).toEqual([other.id]);
    expect(await ids({ filter: { labelSelector: { app: 'busy' } } })).toEqual([pod.id]);
    expect(await ids({ filter: { id: 'nobody' } })).toEqual([]);
  });

  itBeyondContainerd16('are told as metrics that are described', async () => {
    const { pod, id } = await busyPod();
    const { descriptors } = await bed.runtime.listMetricDescriptors();
    const keys = new Map(descriptors.map(({ name, labelKeys }) => [name, labelKeys]));
    const { podMetrics } = await bed.runtime.listPodSandboxMetrics();
    const found = podMetrics.find(({ podSandboxId }) => podSandboxId === pod.id);
    const own = found?.containerMetrics.find(({ containerId }) => containerId === id);
    for (const { name, labelValues } of [...(found?.metrics ?? []), ...(own?.metrics ?? [])])
      expect(labelValues).toHaveLength(keys.get(name)?.length ?? -1);
    const valueIn = (name: string) => own?.metrics.find((metric) => metric.name === name)?.value?.value;
    expect(valueIn('container_memory_working_set_bytes')).toBeGreaterThan(0n);
    expect(found?.metrics.map(({ name }) => name)).toContain('container_network_receive_bytes_total');
    const streamed: string[] = [];
    for await (const { podSandboxMetrics } of bed.runtime.streamPodSandboxMetrics())
      streamed.push(...podSandboxMetrics.map(({ podSandboxId }) => podSandboxId));
    expect(streamed).toEqual([pod.id]);
  });
});
