import { create } from '@bufbuild/protobuf';
import { PodwrightError, type RuntimeEvent, type RuntimeService } from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { Subject } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ContainerStatuses } from '../calls/container-statuses.js';
import { MemoryPods, sandboxConfig } from '../stats/memory-pods.spec-helper.js';
import { ContainerEvents } from './container-events.js';
import type { CriEvent } from './event-feed.js';

const { CONTAINER_CREATED, CONTAINER_EXITED, CONTAINER_RUNNING } = cri.ContainerState;
const REQUEST = create(cri.GetEventsRequestSchema);
const TYPE = cri.ContainerEventType;

/** Reads events in the background until there are as many as asked for. */
class Client {
  readonly abort = new AbortController();
  readonly #iterator: AsyncIterator<CriEvent>;
  readonly #first: Promise<IteratorResult<CriEvent>>;
  #isFirst = true;

  constructor(events: ContainerEvents) {
    this.#iterator = events.stream(REQUEST, { signal: this.abort.signal });
    this.#first = this.#iterator.next();
    this.#first.catch(() => undefined);
    onTestFinished(() => this.abort.abort());
  }

  async next(): Promise<CriEvent | undefined> {
    const { value, done } = await (this.#isFirst ? this.#first : this.#iterator.next());
    this.#isFirst = false;
    return done === true ? undefined : (value as CriEvent);
  }

  async take(count: number): Promise<readonly CriEvent[]> {
    const found: CriEvent[] = [];
    while (found.length < count) {
      const event = await this.next();
      if (event === undefined) throw new Error(`the stream ended after ${found.length} events`);
      found.push(event);
    }
    return found;
  }
}

async function setUp() {
  const host = await MemoryPods.start();
  onTestFinished(() => host[Symbol.asyncDispose]());
  await host.pull('busybox');
  const events = new ContainerEvents(host.runtime, new ContainerStatuses(host.images));
  return { host, events };
}

/** A backend with some of its members replaced. */
function replaced(runtime: RuntimeService, members: Partial<RuntimeService>): RuntimeService {
  return new Proxy(runtime, {
    get: (target, name) => {
      const value: unknown = Reflect.get(name in members ? members : target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const typeOf = ({ containerEventType = TYPE.CONTAINER_CREATED_EVENT }: CriEvent) =>
  TYPE[containerEventType].replace(/^CONTAINER_|_EVENT$/g, '');

describe('ContainerEvents', () => {
  it("tells a pod's life, with the statuses of each moment", async () => {
    const { host, events } = await setUp();
    const client = new Client(events);
    const sandboxId = await host.runtime.runPodSandbox(sandboxConfig('u1', { labels: { a: 'b' } }));
    const id = await host.startContainer(sandboxId, 'main');
    await host.runtime.stopContainer(id, { graceMs: 0 });
    await host.runtime.removeContainer(id);
    await host.runtime.stopPodSandbox(sandboxId);
    await host.runtime.removePodSandbox(sandboxId);

    const told = await client.take(8);
    expect(told.map((event) => [typeOf(event), event.containerId === sandboxId ? 'pod' : 'main'])).toEqual([
      ['CREATED', 'pod'],
      ['STARTED', 'pod'],
      ['CREATED', 'main'],
      ['STARTED', 'main'],
      ['STOPPED', 'main'],
      ['DELETED', 'main'],
      ['STOPPED', 'pod'],
      ['DELETED', 'pod'],
    ]);
    const metadata = { name: 'pod-u1', namespace: 'default', uid: 'u1', attempt: 0 };
    for (const { podSandboxStatus } of told) {
      expect(podSandboxStatus).toMatchObject({ id: sandboxId, metadata, labels: { a: 'b' } });
    }
    const { SANDBOX_NOTREADY, SANDBOX_READY } = cri.PodSandboxState;
    expect(told[0]?.podSandboxStatus?.state).toBe(SANDBOX_READY);
    expect(told[7]?.podSandboxStatus?.state).toBe(SANDBOX_NOTREADY);
    const times = told.map(({ createdAt = 0n }) => createdAt);
    expect(times).toEqual([...times].sort());
    expect(times[0]).toBeGreaterThan(BigInt(Date.now() - 60_000) * 1_000_000n);
  });

  it('has the containers as they are when it happens', async () => {
    const { host, events } = await setUp();
    const client = new Client(events);
    const sandboxId = await host.runtime.runPodSandbox(sandboxConfig('u1'));
    expect((await client.take(2)).map(({ containersStatuses }) => containersStatuses)).toEqual([[], []]);
    const id = await host.create(sandboxId, 'main');
    const states = async () => (await client.next())?.containersStatuses?.map((one) => one.state);
    expect(await states()).toEqual([CONTAINER_CREATED]);
    await host.runtime.startContainer(id);
    expect(await states()).toEqual([CONTAINER_RUNNING]);
    const other = await host.create(sandboxId, 'other');
    const [event] = await client.take(1);
    expect(event?.containerId).toBe(other);
    expect(event?.containersStatuses?.map((one) => [one.id, one.state])).toEqual(
      expect.arrayContaining([
        [id, CONTAINER_RUNNING],
        [other, CONTAINER_CREATED],
      ]),
    );
    await host.runtime.stopContainer(id, { graceMs: 0 });
    const [stopped] = await client.take(1);
    expect(stopped?.containersStatuses?.find((one) => one.id === id)).toMatchObject({
      state: CONTAINER_EXITED,
      exitCode: 137,
    });
    await host.runtime.removeContainer(id);
    const [removed] = await client.take(1);
    expect(removed?.containersStatuses?.map((one) => one.id)).toEqual([other]);
  });

  it('knows the sandboxes that were there before its first client', async () => {
    const { host, events } = await setUp();
    const sandboxId = await host.runtime.runPodSandbox(sandboxConfig('u1'));
    const client = new Client(events);
    await host.runtime.removePodSandbox(sandboxId);
    const told = await client.take(2);
    expect(told.map(typeOf)).toEqual(['STOPPED', 'DELETED']);
    expect(told[1]?.podSandboxStatus?.metadata?.uid).toBe('u1');
  });

  it('serves several clients, and listens to the backend while there is one', async () => {
    const { host } = await setUp();
    const source = new Subject<RuntimeEvent>();
    const runtime = replaced(host.runtime, { events: source });
    const events = new ContainerEvents(runtime, new ContainerStatuses(host.images));
    expect(source.observed).toBe(false);
    const [one, two] = [new Client(events), new Client(events)];
    expect(source.observed).toBe(true);
    source.next({ type: 'sandbox-stopped', timestampMs: 5, sandboxId: 's', podUid: 'u' });
    const expected = {
      containerId: 's',
      containerEventType: TYPE.CONTAINER_STOPPED_EVENT,
      createdAt: 5_000_000n,
      containersStatuses: [],
    };
    expect(await one.next()).toEqual(expected);
    expect(await two.next()).toEqual(expected);
    for (const client of [one, two]) {
      const end = client.next();
      client.abort.abort();
      expect(await end).toBeUndefined();
    }
    expect(source.observed).toBe(false);
    const late = new Client(events);
    source.next({ type: 'sandbox-removed', timestampMs: 6, sandboxId: 's', podUid: 'u' });
    expect(typeOf((await late.next()) ?? {})).toBe('DELETED');
  });

  it('ends a client that does not read, and not the others', async () => {
    const { host } = await setUp();
    const source = new Subject<RuntimeEvent>();
    const runtime = replaced(host.runtime, { events: source });
    const events = new ContainerEvents(runtime, new ContainerStatuses(host.images));
    const [slow, quick] = [new Client(events), new Client(events)];
    for (let round = 0; round < 1002; round++) {
      source.next({ type: 'sandbox-stopped', timestampMs: round, sandboxId: 's', podUid: 'u' });
      expect((await quick.next())?.createdAt).toBe(BigInt(round) * 1_000_000n);
    }
    await expect(slow.take(1001)).rejects.toMatchObject({ kind: 'unavailable' });
    expect(source.observed).toBe(true);
  });

  it.each([
    ['fail', (source: Subject<RuntimeEvent>) => source.error(new Error('the bus broke'))],
    ['end', (source: Subject<RuntimeEvent>) => source.complete()],
  ])("ends its clients when the backend's events %s", async (_what, end) => {
    const { host } = await setUp();
    const source = new Subject<RuntimeEvent>();
    const events = new ContainerEvents(
      replaced(host.runtime, { events: source }),
      new ContainerStatuses(host.images),
    );
    const [client, another] = [new Client(events), new Client(events)];
    end(source);
    await expect(client.next()).rejects.toThrow();
    await expect(another.next()).rejects.toThrow();
    await expect(new Client(events).next()).rejects.toThrow();
  });

  it('ends its clients when a status cannot be read, and begins anew', async () => {
    const { host } = await setUp();
    const source = new Subject<RuntimeEvent>();
    let fails = true;
    const runtime = replaced(host.runtime, {
      events: source,
      podSandboxStatus: async (id: string) => {
        if (fails) throw new PodwrightError('unavailable', 'the bus is away');
        return await host.runtime.podSandboxStatus(id);
      },
    });
    const events = new ContainerEvents(runtime, new ContainerStatuses(host.images));
    const client = new Client(events);
    const event = { type: 'sandbox-stopped', timestampMs: 1, sandboxId: 's', podUid: 'u' } as const;
    source.next(event);
    await expect(client.next()).rejects.toMatchObject({ kind: 'unavailable', message: 'the bus is away' });
    expect(source.observed).toBe(false);
    fails = false;
    const again = new Client(events);
    source.next(event);
    expect(typeOf((await again.next()) ?? {})).toBe('STOPPED');
  });
});
