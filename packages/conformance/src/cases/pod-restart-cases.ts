import assert from 'node:assert/strict';
import { type PodEvent, type PodStatus, toApiPodStatus } from '@podwright/core';
import type { CaseContext } from '../case-context.js';
import { section } from '../conformance-case.js';
import { exitWith, script, sleepForever } from '../workloads.js';

/** A pod whose one container counts its runs in a file of the host. */
async function countingPod(t: CaseContext, text: string, restartPolicy: string) {
  const path = await t.host.makeDirectory();
  const command = script(`echo x >> /data/runs; n=$(wc -l < /data/runs); echo "run $n"; ${text}`);
  const pod = t.pod([{ command, volumeMounts: [{ name: 'data', mountPath: '/data' }] }], {
    volumes: [{ name: 'data', hostPath: { path } }],
    hostNetwork: true,
    restartPolicy,
  });
  return { pod, path };
}

const only = ({ containers }: PodStatus) => containers[0] ?? assert.fail('the pod has no container');

function record(t: CaseContext, name: string): PodEvent[] {
  const seen: PodEvent[] = [];
  const isOwn = (event: PodEvent) => event.object.name === name && event.object.namespace === t.namespace;
  const subscription = t.runtime.events.subscribe((event) => {
    if (isOwn(event)) seen.push(event);
  });
  t.atEnd('subscription', async () => subscription.unsubscribe());
  return seen;
}

/** What a pod's user sees of restarts: the same, whether the backend restarts or PodRuntime does. */
export const podRestartCases = section('pod-restart', {
  counted: {
    title: 'restarts are counted on, and the last attempts are told with their codes',
    run: async (t) => {
      const { pod } = await countingPod(t, '[ "$n" -lt 3 ] && exit $((n + 4)); sleep 100000', 'Always');
      const { uid } = await t.runPod(pod);
      const status = await t.podStatus(
        uid,
        (now) => only(now).restartCount === 2 && only(now).state === 'running',
        'runs for the third time',
      );
      const last = only(status).attempts.slice(-2);
      assert.deepEqual(
        last.map(({ attempt, exitCode }) => [attempt, exitCode]),
        [
          [1, 6],
          [2, undefined],
        ],
      );
      assert.equal(status.phase, 'Running');
    },
  },
  'last-state': {
    title: 'while it runs again the API status has the end before as its last state',
    run: async (t) => {
      const { pod } = await countingPod(t, '[ "$n" -lt 2 ] && exit 9; sleep 100000', 'OnFailure');
      const { uid } = await t.runPod(pod);
      const status = await t.podStatus(
        uid,
        (now) => only(now).restartCount === 1 && only(now).state === 'running',
        'runs again',
      );
      const [container] = toApiPodStatus(status.manifest, status).containerStatuses;
      assert.equal(container?.restartCount, 1);
      assert.ok(container?.state.running, 'it runs');
      assert.equal(container?.lastState.terminated?.exitCode, 9);
      assert.equal(container?.lastState.terminated?.reason, 'Error');
    },
  },
  'crash-loop': {
    title: 'between two attempts it waits with CrashLoopBackOff, says until when, and the pod is Running',
    run: async (t) => {
      const pod = t.pod([{ command: exitWith(4) }], { hostNetwork: true, restartPolicy: 'Always' });
      const { uid } = await t.runPod(pod);
      const isWaiting = (now: PodStatus) => only(now).state === 'waiting' && only(now).restartCount >= 1;
      const status = await t.podStatus(uid, isWaiting, 'waits for its third attempt');
      const container = only(status);
      assert.equal(container.reason, 'CrashLoopBackOff');
      assert.ok((container.nextStartAtMs ?? 0) >= (container.attempts.at(-1)?.finishedAtMs ?? Number.NaN));
      assert.equal(status.phase, 'Running');
      const [api] = toApiPodStatus(status.manifest, status).containerStatuses;
      assert.equal(api?.state.waiting?.reason, 'CrashLoopBackOff');
      assert.equal(api?.lastState.terminated?.exitCode, 4);
      assert.equal(api?.ready, false);
      const [listed] = await t.runtime.getPods({ namespace: t.namespace });
      assert.equal(listed?.uid, uid, 'a pod that waits is among those that run');
    },
  },
  events: {
    title: 'events tell each start with its number, each end, and the back-off',
    run: async (t) => {
      const { pod, path } = await countingPod(t, '[ -e /data/go ] || exit 1; sleep 100000', 'Always');
      const { name } = pod.metadata;
      const seen = record(t, name);
      const backingOff = t.next(
        t.runtime.events,
        ({ reason, object }) => reason === 'BackOff' && object.name === name,
        'the back-off',
      );
      const { uid } = await t.runPod(pod);
      const backOff = await backingOff;
      assert.equal(backOff.type, 'Warning');
      assert.equal(backOff.object.fieldPath, 'spec.containers{c0}');
      await t.host.writeFile(`${path}/go`, '');
      // It may have been started meanwhile, without the file.
      await t.changing(async () => {
        const { state, restartCount } = only(await t.runtime.getPodStatus({ uid }));
        const started = seen.filter(({ reason }) => reason === 'Started').length;
        const isLast = (await t.host.readFile(`${path}/runs`)) === 'x\n'.repeat(started);
        return (state === 'running' && restartCount + 1 === started && isLast) || undefined;
      }, 'it runs, and that is told');
      const told = seen
        .filter(({ reason }) => ['Started', 'Exited', 'BackOff'].includes(reason))
        .map(({ reason }) => reason);
      // The first restart follows at once. A back-off that was over when its agent looked is not told.
      assert.match(told.join(' '), /^Started Exited( Started Exited( BackOff)?)+ Started$/);
      const starts = seen.filter(({ reason }) => reason === 'Started').map(({ message }) => message);
      assert.deepEqual(
        starts,
        starts.map((_, index) =>
          index === 0 ? 'Container c0 was started.' : `Container c0 was started again, restart ${index}.`,
        ),
      );
    },
  },
  'on-failure': {
    title: 'with OnFailure it ends for good with 0, and the pod has succeeded',
    run: async (t) => {
      const { pod } = await countingPod(t, 'exit $((2 - n))', 'OnFailure');
      const { uid } = await t.runPod(pod);
      const status = await t.podStatus(uid, ({ phase }) => phase === 'Succeeded', 'has succeeded');
      assert.equal(only(status).restartCount, 1);
      assert.equal(only(status).state, 'exited');
      assert.equal(only(status).attempts.at(-1)?.exitCode, 0);
    },
  },
  never: {
    title: 'with Never nothing is started again, and the pod has failed',
    run: async (t) => {
      const { pod, path } = await countingPod(t, 'exit 3', 'Never');
      const { uid } = await t.runPod(pod);
      const status = await t.podStatus(uid, ({ phase }) => phase === 'Failed', 'has failed');
      assert.equal(only(status).restartCount, 0);
      assert.equal(await t.host.readFile(`${path}/runs`), 'x\n');
    },
  },
  alone: {
    title: 'one container of a pod is restarted, and the others run on',
    run: async (t) => {
      const pod = t.pod([{ command: exitWith(1) }, { command: sleepForever() }], {
        hostNetwork: true,
        restartPolicy: 'Always',
      });
      const { uid } = await t.runPod(pod);
      const status = await t.podStatus(
        uid,
        ({ containers }) => (containers[0]?.restartCount ?? 0) >= 2,
        'restarts',
      );
      assert.equal(status.containers[1]?.restartCount, 0);
      assert.equal(status.containers[1]?.state, 'running');
      assert.equal(status.sandboxIds.length, 1);
    },
  },
  'previous-log': {
    title: 'the log of the attempt before is there while it runs again',
    run: async (t) => {
      const { pod } = await countingPod(t, '[ "$n" -lt 2 ] && exit 1; sleep 100000', 'Always');
      const { uid } = await t.runPod(pod);
      await t.podStatus(
        uid,
        (now) => only(now).restartCount === 1 && only(now).state === 'running',
        'runs again',
      );
      const lines: string[] = [];
      for await (const { line } of t.runtime.getContainerLogs({ uid }, { previous: true })) {
        lines.push(line.toString());
      }
      assert.deepEqual(lines, ['run 1']);
    },
  },
  killed: {
    title: 'a pod that is killed while a container waits is not started again',
    run: async (t) => {
      const { pod, path } = await countingPod(t, 'exit 1', 'Always');
      const { uid } = await t.runPod(pod);
      await t.podStatus(uid, (now) => only(now).state === 'waiting' && only(now).restartCount >= 1, 'waits');
      await t.runtime.killPod({ uid });
      const runs = await t.host.readFile(`${path}/runs`);
      const status = await t.runtime.getPodStatus({ uid });
      assert.equal(only(status).state, 'exited');
      assert.equal(only(status).nextStartAtMs, undefined);
      assert.equal(status.phase, 'Failed');
      await t.restartAgent();
      assert.equal((await t.runtime.getPodStatus({ uid })).phase, 'Failed');
      assert.equal(await t.host.readFile(`${path}/runs`), runs);
    },
  },
  'next-agent': {
    title: 'the next agent goes on with the restarts and the count of the one before',
    run: async (t) => {
      const { pod, path } = await countingPod(
        t,
        '[ "$n" -eq 2 ] && until [ -e /data/go ]; do sleep 0.02; done; [ "$n" -lt 3 ] && exit "$n"; sleep 100000',
        'Always',
      );
      const { uid } = await t.runPod(pod);
      await t.podStatus(
        uid,
        (now) => only(now).restartCount === 1 && only(now).state === 'running',
        'runs again',
      );
      await t.restartAgent();
      assert.equal(only(await t.runtime.getPodStatus({ uid })).restartCount, 1);
      await t.host.writeFile(`${path}/go`, '');
      const status = await t.podStatus(
        uid,
        (now) => only(now).restartCount === 2 && only(now).state === 'running',
        'runs for the third time',
      );
      assert.deepEqual(
        only(status)
          .attempts.slice(-2)
          .map(({ attempt, exitCode }) => [attempt, exitCode]),
        [
          [1, 2],
          [2, undefined],
        ],
      );
    },
  },
  'gc-spares': {
    title: 'garbage collection takes nothing of a pod that waits for its next attempt',
    run: async (t) => {
      const pod = t.pod([{ command: exitWith(1) }], { hostNetwork: true, restartPolicy: 'Always' });
      const { uid } = await t.runPod(pod);
      await t.podStatus(uid, (now) => only(now).state === 'waiting' && only(now).restartCount >= 1, 'waits');
      await t.runtime.garbageCollect({ minAgeMs: 0, maxPerPodContainer: 0, maxContainers: 0 });
      const before = only(await t.runtime.getPodStatus({ uid })).restartCount;
      await t.podStatus(uid, (now) => only(now).restartCount > before, 'is started again');
    },
  },
});
