// Pods over a CRI socket, as `crictl runp`, `pods`, `stopp` and `rmp` ask for them: what a kubelet relies on.
import { randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { cri } from '@podwright/cri-api';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CriBed, expectNoOther, expectRefusal } from '../support/cri-bed.js';
import { itBeyondContainerd16 } from '../support/cri-target.js';

const { SANDBOX_READY, SANDBOX_NOTREADY } = cri.PodSandboxState;

let bed: CriBed;

beforeAll(async () => {
  bed = await CriBed.start();
});

afterEach(() => bed.clean());

afterAll(() => bed[Symbol.asyncDispose]());

const idsOf = async (filter?: Parameters<typeof bed.runtime.listPodSandbox>[0]) =>
  (await bed.runtime.listPodSandbox(filter)).items.map(({ id }) => id);

describe('the runtime', () => {
  it('tells its name, its version and that of the API', async () => {
    expect(await bed.runtime.version({ version: '0.1.0' })).toMatchObject({
      version: '0.1.0',
      runtimeName: expect.stringMatching(/./),
      runtimeVersion: expect.stringMatching(/./),
      runtimeApiVersion: 'v1',
    });
  });

  it('is ready, and so is its network', async () => {
    const { status } = await bed.runtime.status();
    expect(status?.conditions.map(({ type, status }) => [type, status])).toEqual(
      expect.arrayContaining([
        ['RuntimeReady', true],
        ['NetworkReady', true],
      ]),
    );
  });

  it('tells more of itself when asked to', async () => {
    const { info } = await bed.runtime.status({ verbose: true });
    expect(
      Object.values(info)
        .filter((text) => text.startsWith('{'))
        .map((text) => JSON.parse(text)),
    ).not.toEqual([]);
    expect((await bed.runtime.status()).info).toEqual({});
  });

  it('takes the pod CIDR of a kubelet', async () => {
    await bed.runtime.updateRuntimeConfig({ runtimeConfig: { networkConfig: { podCidr: '10.1.0.0/24' } } });
  });
});

describe('a pod', () => {
  it('is ready when it was run, and in the list', async () => {
    const pod = await bed.runPod();
    const { state, createdAt, id } = await bed.podStatus(pod);
    expect({ state, id }).toEqual({ state: SANDBOX_READY, id: pod.id });
    expect(Math.abs(Number(createdAt / 1_000_000n) - Date.now())).toBeLessThan(60_000);
    expect(await idsOf({ filter: { id: pod.id } })).toEqual([pod.id]);
  });

  it('keeps its metadata, labels and annotations', async () => {
    const metadata = { name: 'a-name', namespace: 'a-namespace', uid: randomUUID(), attempt: 7 };
    const labels = { foo: 'bar', 'io.kubernetes.pod.name': 'a-name', 'io.kubernetes.pod.uid': metadata.uid };
    const annotations = { abc: 'def', 'kubernetes.io/config.source': 'api', long: 'x'.repeat(10_000) };
    const pod = await bed.runPod({ metadata, labels, annotations });
    expect(await bed.podStatus(pod)).toMatchObject({ metadata, labels, annotations, runtimeHandler: '' });
    const { items } = await bed.runtime.listPodSandbox({ filter: { id: pod.id } });
    expect(items).toMatchObject([{ metadata, labels, annotations, state: SANDBOX_READY }]);
  });

  it('may have names that are longer than that of a host can be, and in capitals, and so may its containers', async () => {
    const uuid = randomUUID();
    const pod = await bed.runPod({
      metadata: {
        name: `create-Privileged-PodSandbox-for-container-${uuid}`,
        namespace: `cri-test-namespace${uuid}`,
        uid: `cri-test-uid${uuid}`,
        attempt: 2,
      },
      dnsConfig: {},
    });
    const name = `seccomp-Container-${randomUUID()}${randomUUID()}`;
    const id = await bed.start(pod, { metadata: { name, attempt: 2 } });
    expect(await bed.output(id, 'hostname')).toMatch(/./);
    expect((await bed.status(id)).metadata?.name).toBe(name);
  });

  it('has an address of its own and says which namespaces it has', async () => {
    const { network, linux } = await bed.podStatus(await bed.runPod());
    expect(network?.ip).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
    const { NamespaceMode } = cri;
    expect(linux?.namespaces?.options).toMatchObject({ network: NamespaceMode.POD, ipc: NamespaceMode.POD });
  });

  it('tells more of itself when asked to', async () => {
    const pod = await bed.runPod();
    const { info } = await bed.runtime.podSandboxStatus({ podSandboxId: pod.id, verbose: true });
    expect(JSON.parse(info['info'] ?? '')).toBeTypeOf('object');
  });

  it('is not ready when it was stopped, and may be stopped again', async () => {
    const pod = await bed.runPod();
    for (const _ of [1, 2]) {
      await bed.runtime.stopPodSandbox({ podSandboxId: pod.id });
      expect((await bed.podStatus(pod)).state).toBe(SANDBOX_NOTREADY);
    }
    expect(await idsOf({ filter: { id: pod.id } })).toEqual([pod.id]);
    const { containers } = await bed.runtime.listContainers({ filter: { podSandboxId: pod.id } });
    expect(containers).toEqual([]);
  });

  it('ends its containers when it is stopped', async () => {
    const pod = await bed.runPod();
    const containerId = await bed.start(pod);
    await bed.runtime.stopPodSandbox({ podSandboxId: pod.id });
    expect((await bed.status(containerId)).state).toBe(cri.ContainerState.CONTAINER_EXITED);
    await expectRefusal(bed.create(pod));
  });

  it('is gone when it was removed, with its containers', async () => {
    const pod = await bed.runPod();
    const containerId = await bed.start(pod);
    await bed.removePod(pod.id);
    expect(await idsOf({ filter: { id: pod.id } })).toEqual([]);
    await expectRefusal(bed.runtime.podSandboxStatus({ podSandboxId: pod.id }), status.NOT_FOUND);
    await expectRefusal(bed.runtime.containerStatus({ containerId }), status.NOT_FOUND);
    await bed.runtime.removePodSandbox({ podSandboxId: pod.id });
  });

  itBeyondContainerd16('may be stopped and removed when it is gone, or never was', async () => {
    const { id: gone } = await bed.runPod();
    await bed.removePod(gone);
    for (const id of [gone, randomUUID(), 'f'.repeat(64)]) {
      await bed.removePod(id);
      await expectRefusal(bed.runtime.podSandboxStatus({ podSandboxId: id }), status.NOT_FOUND);
    }
  });

  it('is not made without metadata, or for a handler that is not there', async () => {
    await expectRefusal(bed.runtime.runPodSandbox({}));
    await expectRefusal(bed.runtime.runPodSandbox({ config: {} }));
    await expectRefusal(bed.runtime.runPodSandbox({ config: bed.podConfig(), runtimeHandler: 'no-such' }));
  });

  it('is made once for a name, a namespace, a uid and an attempt', async () => {
    const pod = await bed.runPod();
    await expectNoOther(
      bed.runtime.runPodSandbox({ config: pod.config }).then(({ podSandboxId }) => podSandboxId),
      pod.id,
    );
    const { metadata } = pod.config;
    const next = await bed.runPod({ metadata: { ...metadata, attempt: 3 } });
    expect(new Set(await idsOf())).toEqual(new Set([pod.id, next.id]));
    await bed.removePod(pod.id);
    await bed.runPod({ metadata: { ...metadata } });
  });

  it('lives below the control group that is asked for', async () => {
    const pod = await bed.runPod({ linux: { cgroupParent: '/test.slice' } });
    const containerId = await bed.start(pod);
    const { exitCode } = await bed.exec(containerId, 'true');
    expect(exitCode).toBe(0);
  });
});

describe('the list of pods', () => {
  it('is filtered by id, state and labels, all of them at once', async () => {
    const one = await bed.runPod({ labels: { app: 'one', tier: 'test' } });
    const two = await bed.runPod({ labels: { app: 'two', tier: 'test' } });
    await bed.runtime.stopPodSandbox({ podSandboxId: two.id });
    const cases = [
      [undefined, [one.id, two.id]],
      [{ state: { state: SANDBOX_READY } }, [one.id]],
      [{ state: { state: SANDBOX_NOTREADY } }, [two.id]],
      [{ labelSelector: { tier: 'test' } }, [one.id, two.id]],
      [{ labelSelector: { tier: 'test', app: 'two' } }, [two.id]],
      [{ labelSelector: { app: 'three' } }, []],
      [{ id: one.id, state: { state: SANDBOX_READY }, labelSelector: { app: 'one' } }, [one.id]],
      [{ id: one.id, labelSelector: { app: 'two' } }, []],
      [{ id: 'non-existent' }, []],
    ] as const;
    for (const [filter, expected] of cases)
      expect(new Set(await idsOf(filter ? { filter } : {})), JSON.stringify(filter)).toEqual(
        new Set(expected),
      );
  });
});

describe('statistics of pods', () => {
  // It gives none of pods in the first control group hierarchy made by crun.
  itBeyondContainerd16('are given for one and for all, by id and by labels', async () => {
    const labels = { stats: randomUUID() };
    const pod = await bed.runPod({ labels, linux: { cgroupParent: '/test.slice' } });
    const containerId = await bed.start(pod);
    const { stats } = await bed.runtime.podSandboxStats({ podSandboxId: pod.id });
    expect(stats?.attributes).toMatchObject({ id: pod.id, metadata: pod.config.metadata, labels });
    expect(stats?.linux?.cpu?.usageCoreNanoSeconds?.value).toBeGreaterThan(0n);
    expect(stats?.linux?.memory?.workingSetBytes?.value).toBeGreaterThan(0n);
    expect(stats?.linux?.network?.defaultInterface?.name).toMatch(/./);
    expect(stats?.linux?.process?.processCount?.value).toBeGreaterThan(0n);
    expect(stats?.linux?.containers.map(({ attributes }) => attributes?.id)).toEqual([containerId]);
    for (const filter of [undefined, { id: pod.id }, { labelSelector: labels }]) {
      const { stats } = await bed.runtime.listPodSandboxStats(filter ? { filter } : {});
      expect(stats.map(({ attributes }) => attributes?.id)).toEqual([pod.id]);
    }
    const none = await bed.runtime.listPodSandboxStats({ filter: { labelSelector: { stats: 'other' } } });
    expect(none.stats).toEqual([]);
    await expectRefusal(bed.runtime.podSandboxStats({ podSandboxId: randomUUID() }), status.NOT_FOUND);
  });
});
