// The same call many times at once, and calls that are repeated because their caller did not wait for the answer.
import { status } from '@grpc/grpc-js';
import { cri, isServiceError } from '@podwright/cri-api';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { testImages } from '../../host/images.js';
import { CriBed, eventually, PAUSE } from '../support/cri-bed.js';
import { itBeyondContainerd16 } from '../support/cri-target.js';

const AT_ONCE = 6;

let bed: CriBed;

beforeAll(async () => {
  bed = await CriBed.start();
});

afterEach(() => bed.clean());

afterAll(() => bed[Symbol.asyncDispose]());

/**
 * Makes the same call at once, and gives the answers that were no errors: one, or the same from each, as the runtime has
 * the later ones refused or wait for the first.
 */
async function atOnce<T>(call: () => Promise<T>): Promise<readonly T[]> {
  const results = await Promise.allSettled(Array.from({ length: AT_ONCE }, call));
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}

/**
 * Repeats a call that is given less time than it takes, as a kubelet does: a little more each time, until it is answered.
 * What it was answered in the meantime may only be that an earlier one is at it.
 */
async function repeated<T>(call: (timeoutMs: number) => Promise<T>): Promise<T> {
  for (let timeoutMs = 5; ; timeoutMs = Math.ceil(timeoutMs * 1.6)) {
    try {
      return await call(timeoutMs);
    } catch (error) {
      if (!isServiceError(error)) throw error;
      if (error.code !== status.DEADLINE_EXCEEDED && !/reserved|exist|in use/.test(error.details))
        throw error;
    }
  }
}

/** Starts a container that may have been started already, and may have no time for it. */
async function startUnlessStarted(...call: Parameters<typeof bed.runtime.startContainer>): Promise<void> {
  await bed.runtime.startContainer(...call).catch((error: unknown) => {
    const codes: readonly number[] = [status.DEADLINE_EXCEEDED, status.FAILED_PRECONDITION];
    if (!isServiceError(error) || !codes.includes(error.code)) throw error;
  });
}

const pods = async () => (await bed.runtime.listPodSandbox()).items;
const containers = async () => (await bed.runtime.listContainers()).containers;

describe('calls at once', () => {
  it('make one pod of one name', async () => {
    const config = bed.podConfig();
    const made = await atOnce(() => bed.runtime.runPodSandbox({ config }));
    expect(new Set(made.map(({ podSandboxId }) => podSandboxId)).size).toBe(1);
    const [{ podSandboxId = '' } = {}] = made;
    expect((await pods()).map(({ id, state }) => [id, state])).toEqual([[podSandboxId, 0]]);
    expect((await bed.podStatus({ id: podSandboxId, config: { logDirectory: '' } })).network?.ip).toMatch(
      /./,
    );
    await atOnce(() => bed.removePod(podSandboxId));
    expect(await pods()).toEqual([]);
  });

  it('make one container of one name, and start it once', async () => {
    const pod = await bed.runLoggingPod();
    const metadata = { name: 'main', attempt: 0 };
    const command = ['sh', '-c', 'echo begun; exec sleep 1000'];
    const made = await atOnce(() => bed.create(pod, { metadata, command, logPath: 'main.log' }));
    expect(new Set(made).size).toBe(1);
    const containerId = made[0] ?? '';
    expect((await containers()).map(({ id }) => id)).toEqual([containerId]);
    const started = await atOnce(() => bed.runtime.startContainer({ containerId }));
    expect(started.length).toBeGreaterThanOrEqual(1);
    const { stdout } = await eventually(
      () => bed.exec(containerId, 'pidof', 'sleep'),
      ({ exitCode }) => exitCode === 0,
    );
    expect(stdout).toMatch(/^\d+\n$/);
    const lines = await eventually(
      () => bed.log(pod, 'main.log'),
      ({ length }) => length > 0,
    );
    expect(lines).toHaveLength(1);
  });

  itBeyondContainerd16('stop and remove what is there once, all of them well', async () => {
    const pod = await bed.runPod();
    const containerId = await bed.start(pod, { command: PAUSE });
    expect(await atOnce(() => bed.runtime.stopContainer({ containerId, timeout: 20n }))).toHaveLength(
      AT_ONCE,
    );
    expect((await bed.status(containerId)).state).toBe(cri.ContainerState.CONTAINER_EXITED);
    expect(await atOnce(() => bed.runtime.removeContainer({ containerId }))).toHaveLength(AT_ONCE);
    expect(await containers()).toEqual([]);
  });

  it('make many pods side by side, and take them away', async () => {
    const made = await Promise.all(Array.from({ length: 8 }, () => bed.runPod()));
    const ids = await Promise.all(made.map((pod) => bed.start(pod)));
    const states = await Promise.all(ids.map(async (id) => (await bed.status(id)).state));
    expect(new Set(states)).toEqual(new Set([cri.ContainerState.CONTAINER_RUNNING]));
    await Promise.all(made.map(({ id }) => bed.removePod(id)));
    expect([await pods(), await containers()]).toEqual([[], []]);
  });

  it('of creation and removal leave nothing', async () => {
    const pod = await bed.runPod();
    await Promise.allSettled([bed.start(pod), bed.start(pod), bed.removePod(pod.id), bed.start(pod)]);
    await bed.runtime.removePodSandbox({ podSandboxId: pod.id });
    expect([await pods(), await containers()]).toEqual([[], []]);
  });
});

describe('calls that are repeated after their time was up', () => {
  itBeyondContainerd16(
    'make one pod and one container, which can be started, stopped and removed so, too',
    async () => {
      const config = bed.podConfig();
      await repeated((timeoutMs) => bed.runtime.runPodSandbox({ config }, { timeoutMs }));
      const [found, ...others] = await pods();
      expect([found?.state, others]).toEqual([cri.PodSandboxState.SANDBOX_READY, []]);
      const podSandboxId = found?.id ?? '';

      const metadata = { name: 'main', attempt: 0 };
      const wanted = { metadata, image: { image: testImages.busybox }, command: PAUSE };
      const request = { podSandboxId, config: wanted, sandboxConfig: config };
      await repeated((timeoutMs) => bed.runtime.createContainer(request, { timeoutMs }));
      const [container, ...rest] = await containers();
      expect(rest).toEqual([]);
      let containerId = container?.id ?? '';

      const state = async () => (await bed.status(containerId)).state;
      const { CONTAINER_CREATED, CONTAINER_RUNNING, CONTAINER_EXITED } = cri.ContainerState;
      for (let timeoutMs = 5; (await state()) === CONTAINER_CREATED; timeoutMs *= 2)
        await startUnlessStarted({ containerId }, { timeoutMs });
      // It is told as running while a start is undone: what is asked for now waits for the end of that.
      await startUnlessStarted({ containerId });
      // A start that was broken off may have failed: a kubelet makes the next container then.
      if ((await state()) === CONTAINER_EXITED) {
        ({ containerId } = await bed.runtime.createContainer({
          ...request,
          config: { ...wanted, metadata: { ...metadata, attempt: 1 } },
        }));
        await bed.runtime.startContainer({ containerId });
      }
      expect(await state()).toBe(CONTAINER_RUNNING);
      expect(await bed.exec(containerId, 'true')).toMatchObject({ exitCode: 0 });
      await repeated((timeoutMs) => bed.runtime.stopContainer({ containerId, timeout: 20n }, { timeoutMs }));
      expect(await state()).toBe(CONTAINER_EXITED);
      await repeated((timeoutMs) => bed.runtime.removeContainer({ containerId }, { timeoutMs }));
      await repeated((timeoutMs) => bed.runtime.stopPodSandbox({ podSandboxId }, { timeoutMs }));
      await repeated((timeoutMs) => bed.runtime.removePodSandbox({ podSandboxId }, { timeoutMs }));
      expect([await pods(), await containers()]).toEqual([[], []]);
    },
  );
});
