// The CRI server is killed at any moment, and another one takes over: nothing is half-made, and what ran runs.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cri } from '@podwright/cri-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lastingLeftovers, type Snapshot, takeSnapshot } from '../../host/snapshot.mjs';
import { slowness } from '../../slowness.js';
import { CriBed, type CriPod, eventually, textsOf } from '../support/cri-bed.js';
import { CriServerProcess } from '../support/cri-server-process.js';

const { CONTAINER_CREATED, CONTAINER_RUNNING, CONTAINER_EXITED } = cri.ContainerState;

let before: Snapshot;
let server: CriServerProcess;
let bed: CriBed;

beforeAll(async () => {
  before = takeSnapshot();
  server = await CriServerProcess.start();
  bed = await CriBed.of(server);
});

afterAll(async () => {
  await bed?.[Symbol.asyncDispose]();
});

const sh = (script: string) => ({ command: ['sh', '-c', script] });

/** Kills the server a while after a call was begun, and starts another one. The call's answer, if there was one. */
async function killedDuring<T>(call: Promise<T>, afterMs: number): Promise<T | undefined> {
  const answer = call.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  await server.kill();
  const given = await answer;
  await server.start();
  return given;
}

const pods = async () => (await bed.runtime.listPodSandbox()).items;

describe('what runs when the server is killed', () => {
  it('runs on, is logged, and is known to the next server', async () => {
    const pod = await bed.runLoggingPod({ labels: { app: 'kept' } });
    const folder = await bed.folder();
    const talker = await bed.start(pod, {
      ...sh('i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done'),
      logPath: 'talker.log',
    });
    const mounts = [{ hostPath: folder, containerPath: '/shared' }];
    const wait = 'echo waiting; until [ -e /shared/go ]; do sleep 0.1; done; echo gone; exit 6';
    const leaver = await bed.start(pod, { ...sh(wait), mounts, logPath: 'leaver.log' });
    const created = await bed.create(pod, { labels: { app: 'created' } });
    await eventually(
      () => bed.log(pod, 'leaver.log'),
      ({ length }) => length > 0,
    );
    await server.kill();

    const length = (await bed.log(pod, 'talker.log')).length;
    await writeFile(join(folder, 'go'), '');
    await eventually(
      () => bed.log(pod, 'leaver.log'),
      (lines) => textsOf(lines).includes('gone'),
    );
    await eventually(
      () => bed.log(pod, 'talker.log'),
      (lines) => lines.length > length + 5,
    );
    await server.start();

    expect(await pods()).toMatchObject([
      { id: pod.id, state: cri.PodSandboxState.SANDBOX_READY, labels: { app: 'kept' } },
    ]);
    expect((await bed.status(talker)).state).toBe(CONTAINER_RUNNING);
    expect(await bed.ended(leaver)).toMatchObject({ state: CONTAINER_EXITED, exitCode: 6, reason: 'Error' });
    expect(await bed.status(created)).toMatchObject({ state: CONTAINER_CREATED, labels: { app: 'created' } });
    expect(await bed.output(talker, 'echo', 'here')).toBe('here\n');
    const numbers = textsOf(await bed.log(pod, 'talker.log'));
    expect(numbers).toEqual(numbers.map((_, index) => String(index)));
    await bed.runtime.startContainer({ containerId: created });
    expect((await bed.status(created)).state).toBe(CONTAINER_RUNNING);
    await bed.runtime.reopenContainerLog({ containerId: talker });
    await bed.runtime.stopContainer({ containerId: talker, timeout: 0n });
    expect(await bed.status(talker)).toMatchObject({ state: CONTAINER_EXITED, exitCode: 137 });
    await bed.clean();
    expect(await pods()).toEqual([]);
  });
});

describe('a call during which the server is killed', () => {
  it.each([5, 80])(
    'was RunPodSandbox, %d ms old: the pod is there or not, and can be made',
    async (afterMs) => {
      const config = bed.podConfig();
      await killedDuring(bed.runtime.runPodSandbox({ config }), afterMs * slowness);
      const found = await pods();
      for (const { id, state } of found) {
        expect(state).toBe(cri.PodSandboxState.SANDBOX_READY);
        const pod: CriPod = { id, config: { ...config, logDirectory: '' } };
        expect(await bed.exec(await bed.start(pod), 'true')).toMatchObject({ exitCode: 0 });
        await bed.removePod(id);
      }
      expect(found.length).toBeLessThanOrEqual(1);
      const { podSandboxId } = await bed.runtime.runPodSandbox({ config });
      await bed.removePod(podSandboxId);
    },
  );

  it('was CreateContainer or StartContainer: it is done or not, and can be done', async () => {
    const pod = await bed.runPod();
    const metadata = { name: 'main', attempt: 0 };
    await killedDuring(bed.create(pod, { metadata }), 5);
    const { containers } = await bed.runtime.listContainers();
    expect(containers.length).toBeLessThanOrEqual(1);
    const id = containers[0]?.id ?? (await bed.create(pod, { metadata }));
    expect((await bed.status(id)).state).toBe(CONTAINER_CREATED);

    await killedDuring(bed.runtime.startContainer({ containerId: id }), 25);
    const { state } = await bed.status(id);
    expect([CONTAINER_CREATED, CONTAINER_RUNNING]).toContain(state);
    // Where the host is still at the start that was asked for before, that one may come to its end just now.
    const again = await bed.runtime.startContainer({ containerId: id }).catch((error: unknown) => error);
    if (state === CONTAINER_RUNNING) expect(again).toBeInstanceOf(Error);
    expect((await bed.status(id)).state).toBe(CONTAINER_RUNNING);
    expect(await bed.exec(id, 'true')).toMatchObject({ exitCode: 0 });

    await killedDuring(bed.removePod(pod.id), 60);
    await bed.removePod(pod.id);
    expect(await pods()).toEqual([]);
  });

  it('leaves nothing on the host in the end', async () => {
    await bed.clean();
    await server.stop();
    const left = await lastingLeftovers(before, { only: /podwright/, timeoutMs: 10_000 * slowness });
    expect(left).toEqual([]);
    await server.start();
    expect(await readFile('/proc/mounts', 'utf8')).not.toContain('/ns/net');
  });
});
