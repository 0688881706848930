// Containers over a CRI socket, as `crictl create`, `start`, `ps`, `inspect`, `stop` and `rm` ask for them.
import { randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { cri } from '@podwright/cri-api';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { testImages } from '../../host/images.js';
import { slowness } from '../../slowness.js';
import { type ContainerInit, CriBed, eventually, expectNoOther, expectRefusal } from '../support/cri-bed.js';
import { itBeyondContainerd16 } from '../support/cri-target.js';

const { CONTAINER_CREATED, CONTAINER_RUNNING, CONTAINER_EXITED } = cri.ContainerState;

let bed: CriBed;

beforeAll(async () => {
  bed = await CriBed.start(testImages.stubborn, testImages.signal, testImages.env, testImages.args);
});

afterEach(() => bed.clean());

afterAll(() => bed[Symbol.asyncDispose]());

const sh = (script: string): ContainerInit => ({ command: ['sh', '-c', script] });

/** A container that ignores SIGTERM, when it does so. */
async function startStubborn(): Promise<string> {
  const pod = await bed.runLoggingPod();
  const image = { image: testImages.stubborn };
  const containerId = await bed.start(pod, { image, command: [], logPath: 'stubborn.log' });
  await eventually(
    () => bed.log(pod, 'stubborn.log'),
    (lines) => lines.length > 0,
  );
  return containerId;
}

const found = async (filter: NonNullable<Parameters<typeof bed.runtime.listContainers>[0]>['filter']) =>
  (await bed.runtime.listContainers(filter ? { filter } : {})).containers.map(({ id }) => id);

describe('a container', () => {
  it('is in the list when it was created, with all that it was made of', async () => {
    const pod = await bed.runPod();
    const metadata = { name: 'main', attempt: 3 };
    const [labels, annotations] = [{ app: 'x' }, { note: 'y' }];
    const id = await bed.create(pod, { metadata, labels, annotations });
    const { containers } = await bed.runtime.listContainers({ filter: { id } });
    const expected = { id, metadata, labels, annotations, state: CONTAINER_CREATED };
    const image = { image: testImages.busybox };
    expect(containers).toMatchObject([{ ...expected, podSandboxId: pod.id, image }]);
    const shown = await bed.status(id);
    expect(shown).toMatchObject({ ...expected, startedAt: 0n, finishedAt: 0n });
    expect(shown.createdAt).toBeGreaterThan(0n);
    expect([shown.imageRef, containers[0]?.imageRef]).toEqual(
      Array(2).fill(expect.stringMatching(/sha256:|^[0-9a-f]{64}$/)),
    );
  });

  it('runs when it was started', async () => {
    const id = await bed.start(await bed.runPod());
    const { state, startedAt, createdAt, finishedAt } = await bed.status(id);
    expect({ state, finishedAt }).toEqual({ state: CONTAINER_RUNNING, finishedAt: 0n });
    expect(startedAt).toBeGreaterThanOrEqual(createdAt);
    await expectRefusal(bed.runtime.startContainer({ containerId: id }));
  });

  it('is made of the image that a pull has answered, as a kubelet asks for it', async () => {
    const pulled = await bed.images.pullImage({ image: { image: testImages.busybox } });
    const image = { image: pulled.imageRef, userSpecifiedImage: testImages.busybox };
    const id = await bed.start(await bed.runPod(), { image });
    const { imageRef, image: shown } = await bed.status(id);
    expect(imageRef).toMatch(/sha256:/);
    expect(shown?.image).toMatch(/./);
    expect(await bed.output(id, 'echo', 'hello')).toBe('hello\n');
  });

  it('has exited when it was stopped, and may be stopped again', async () => {
    const containerId = await bed.start(await bed.runPod());
    // Its trap is set once it sleeps.
    await eventually(
      () => bed.exec(containerId, 'pidof', 'sleep'),
      ({ exitCode }) => exitCode === 0,
    );
    for (const _ of [1, 2]) {
      await bed.runtime.stopContainer({ containerId, timeout: 60n });
      const { state, startedAt, finishedAt, exitCode } = await bed.status(containerId);
      expect({ state, exitCode }).toEqual({ state: CONTAINER_EXITED, exitCode: 0 });
      expect(finishedAt).toBeGreaterThanOrEqual(startedAt);
    }
    await expectRefusal(bed.runtime.startContainer({ containerId }));
    await expectRefusal(bed.runtime.execSync({ containerId, cmd: ['true'] }));
  });

  it.each(['created', 'running', 'stopped'])('can be removed when it is %s, and again', async (when) => {
    const pod = await bed.runPod();
    const containerId = await bed.create(pod);
    if (when !== 'created') await bed.runtime.startContainer({ containerId });
    if (when === 'stopped') await bed.runtime.stopContainer({ containerId, timeout: 60n });
    await bed.runtime.removeContainer({ containerId });
    expect(await found({ id: containerId })).toEqual([]);
    await expectRefusal(bed.runtime.containerStatus({ containerId }), status.NOT_FOUND);
    await bed.runtime.removeContainer({ containerId });
  });

  itBeyondContainerd16('may be stopped when it is gone, or never was', async () => {
    for (const containerId of [randomUUID(), 'f'.repeat(64)])
      await bed.runtime.stopContainer({ containerId, timeout: 0n });
  });

  it('that never was is told of as such, and may be removed', async () => {
    const containerId = randomUUID();
    await bed.runtime.removeContainer({ containerId });
    const missing = status.NOT_FOUND;
    await expectRefusal(bed.runtime.containerStatus({ containerId }), missing);
    await expectRefusal(bed.runtime.startContainer({ containerId }), missing);
    await expectRefusal(bed.runtime.execSync({ containerId, cmd: ['true'] }), missing);
    await expectRefusal(bed.runtime.containerStats({ containerId }), missing);
    expect(await found({ id: containerId })).toEqual([]);
  });

  it.each([
    ['7', 'exit 7', { exitCode: 7, reason: 'Error' }],
    ['0', 'exit 0', { exitCode: 0, reason: 'Completed' }],
    ['of a signal', 'kill -KILL $$', { exitCode: 137, reason: 'Error' }],
  ])('ends with exit code %s', async (_, script, expected) => {
    const id = await bed.start(await bed.runPod(), sh(script));
    expect(await bed.ended(id)).toMatchObject(expected);
  });

  it('that ends at once has ended well', async () => {
    const pod = await bed.runPod();
    const ids = await Promise.all([1, 2, 3, 4].map((code) => bed.start(pod, sh(`exit ${code}`))));
    const codes = await Promise.all(ids.map(async (id) => (await bed.ended(id)).exitCode));
    expect(codes).toEqual([1, 2, 3, 4]);
  });

  it('that takes more memory than it may is killed, and says so', async () => {
    const limit = 15n * 1024n * 1024n;
    const id = await bed.start(await bed.runPod(), {
      command: ['sh', '-c', 'dd if=/dev/zero of=/dev/null bs=20M'],
      linux: { resources: { memoryLimitInBytes: limit, memorySwapLimitInBytes: limit } },
    });
    expect(await bed.ended(id)).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
  });

  it('whose command is not there does not start', async () => {
    const id = await bed.create(await bed.runPod(), { command: ['/no/such/command'] });
    expect(await expectRefusal(bed.runtime.startContainer({ containerId: id }))).toMatch(/no\/such\/command/);
    expect((await bed.status(id)).state).toBe(CONTAINER_EXITED);
  });

  it('is not made of an image that is not there, nor without a name, nor in a pod that is not there', async () => {
    const pod = await bed.runPod();
    await expectRefusal(bed.create(pod, { image: { image: `${testImages.busybox}-absent` } }));
    await expectRefusal(bed.runtime.createContainer({ podSandboxId: pod.id, sandboxConfig: pod.config }));
    await expectRefusal(bed.create({ ...pod, id: randomUUID() }), status.NOT_FOUND);
    expect(await found({ podSandboxId: pod.id })).toEqual([]);
  });

  it('is made once for a name and an attempt in its pod', async () => {
    const pod = await bed.runPod();
    const metadata = { name: 'main', attempt: 0 };
    const first = await bed.create(pod, { metadata });
    await expectNoOther(bed.create(pod, { metadata }), first);
    const second = await bed.create(pod, { metadata: { ...metadata, attempt: 1 } });
    expect(new Set(await found({ podSandboxId: pod.id }))).toEqual(new Set([first, second]));
    await bed.runtime.removeContainer({ containerId: first });
    await bed.create(pod, { metadata });
  });

  it('has the command, arguments, environment and directory that it is given', async () => {
    const pod = await bed.runLoggingPod();
    const texts = async (init: ContainerInit) => (await bed.runToEnd(pod, init)).map(({ text }) => text);
    const args = { image: { image: testImages.args }, command: [], args: [] };
    expect(await texts(args)).toEqual(['<entry>', '<cmd>', '<two words>']);
    expect(await texts({ ...args, args: ['a b', '$HOME'] })).toEqual(['<entry>', '<a b>', '<$HOME>']);
    expect(await texts({ ...args, command: ['echo', 'only'] })).toEqual(['only']);
    const envs = [
      { key: 'GREETING', value: Buffer.from('from the pod') },
      { key: 'LINES', value: Buffer.from('1\n2') },
      { key: 'EMPTY', value: new Uint8Array() },
    ];
    const shown = await texts({ command: ['sh', '-c', 'pwd; env'], workingDir: '/made/for/it', envs });
    expect(shown).toEqual(
      expect.arrayContaining(['/made/for/it', 'GREETING=from the pod', 'LINES=1', '2', 'EMPTY=']),
    );
  });
});

describe('the stop of a container', () => {
  it('kills it at once with a time-out of 0', async () => {
    const containerId = await startStubborn();
    const begin = Date.now();
    await bed.runtime.stopContainer({ containerId, timeout: 0n });
    // Not after the grace of 30 s that a container has otherwise.
    expect(Date.now() - begin).toBeLessThan(20_000 * slowness);
    expect(await bed.status(containerId)).toMatchObject({ state: CONTAINER_EXITED, exitCode: 137 });
  });

  it('kills what ignores the signal after the time-out', async () => {
    const containerId = await startStubborn();
    const begin = Date.now();
    await bed.runtime.stopContainer({ containerId, timeout: 1n });
    expect(Date.now() - begin).toBeGreaterThanOrEqual(950);
    expect(Date.now() - begin).toBeLessThan(20_000 * slowness);
    expect(await bed.status(containerId)).toMatchObject({ state: CONTAINER_EXITED, exitCode: 137 });
  });

  it('sends the signal of the image', async () => {
    const pod = await bed.runLoggingPod();
    const image = { image: testImages.signal };
    const containerId = await bed.start(pod, { image, command: [], logPath: 'signal.log' });
    await eventually(
      () => bed.log(pod, 'signal.log'),
      (lines) => lines.some(({ text }) => text === 'ready'),
    );
    await bed.runtime.stopContainer({ containerId, timeout: 30n });
    expect((await bed.status(containerId)).exitCode).toBe(42);
  });
});

describe('the list of containers', () => {
  it('is filtered by id, pod, state and labels, all of them at once', async () => {
    const [pod, other] = [await bed.runPod(), await bed.runPod()];
    const created = await bed.create(pod, { labels: { app: 'one', tier: 'test' } });
    const running = await bed.start(pod, { labels: { app: 'two', tier: 'test' } });
    const elsewhere = await bed.start(other, { labels: { tier: 'test' } });
    const podSandboxId = pod.id;
    const cases = [
      [undefined, [created, running, elsewhere]],
      [{ podSandboxId }, [created, running]],
      [{ state: { state: CONTAINER_RUNNING } }, [running, elsewhere]],
      [{ state: { state: CONTAINER_CREATED } }, [created]],
      [{ state: { state: CONTAINER_EXITED } }, []],
      [{ labelSelector: { tier: 'test' } }, [created, running, elsewhere]],
      [{ labelSelector: { tier: 'test', app: 'two' }, podSandboxId }, [running]],
      [{ id: running, podSandboxId: other.id }, []],
      [{ id: running, state: { state: CONTAINER_RUNNING } }, [running]],
    ] as const;
    for (const [filter, expected] of cases)
      expect(new Set(await found(filter)), JSON.stringify(filter)).toEqual(new Set(expected));
  });
});

describe('statistics of containers', () => {
  it('are given for one', async () => {
    const metadata = { name: 'for-stats', attempt: 2 };
    const containerId = await bed.start(await bed.runPod(), { metadata });
    const { stats } = await bed.runtime.containerStats({ containerId });
    expect(stats?.attributes).toMatchObject({ id: containerId, metadata });
    expect(stats?.cpu?.timestamp).toBeGreaterThan(0n);
    expect(stats?.cpu?.usageCoreNanoSeconds?.value).toBeGreaterThan(0n);
    expect(stats?.memory?.timestamp).toBeGreaterThan(0n);
    expect(stats?.memory?.workingSetBytes?.value).toBeGreaterThan(0n);
  });

  it('are listed for all that run, and by id, pod and labels', async () => {
    const pod = await bed.runPod();
    const [first, second] = [
      await bed.start(pod, { labels: { app: 'one' } }),
      await bed.start(pod, { labels: { app: 'two' } }),
    ];
    const third = await bed.start(await bed.runPod());
    const cases = [
      [undefined, [first, second, third]],
      [{ id: first }, [first]],
      [{ podSandboxId: pod.id }, [first, second]],
      [{ labelSelector: { app: 'two' } }, [second]],
      [{ labelSelector: { app: 'three' } }, []],
    ] as const;
    for (const [filter, expected] of cases) {
      const { stats } = await bed.runtime.listContainerStats(filter ? { filter } : {});
      expect(new Set(stats.map(({ attributes }) => attributes?.id)), JSON.stringify(filter)).toEqual(
        new Set(expected),
      );
    }
  });
});
