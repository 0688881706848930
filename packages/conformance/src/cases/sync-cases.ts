import assert from 'node:assert/strict';
import type { Pod, PodStatus, SyncPodResult } from '@podwright/core';
import type { CaseContext } from '../case-context.js';
import { section } from '../conformance-case.js';
import { exitWith, onTermExit, printLines, script, sleepForever } from '../workloads.js';

/** Syncs a pod, which is removed at the end of the case; nothing may fail. */
async function sync(t: CaseContext, pod: Pod): Promise<SyncPodResult> {
  const { uid, name } = pod.metadata;
  t.atEnd(`pod ${name}`, () => t.runtime.removePod({ uid }, { graceMs: 0 }));
  const result = await t.runtime.syncPod(pod);
  assert.deepEqual(
    result.actions.flatMap(({ error }) => (error ? [error.message] : [])),
    [],
  );
  return result;
}

function actionsOf({ actions }: SyncPodResult): readonly string[] {
  return actions.map(({ action, container }) =>
    container === undefined ? action : `${action} ${container}`,
  );
}

/** The same pod with another specification. */
function changed(t: CaseContext, pod: Pod, containers: Parameters<CaseContext['pod']>[0], spec = {}): Pod {
  return t.pod(containers, { hostNetwork: true, ...spec }, pod.metadata);
}

function namesIn(status: PodStatus, state: string): readonly string[] {
  return status.containers.flatMap((container) => (container.state === state ? [container.name] : []));
}

const idOf = (status: PodStatus, name: string) =>
  status.containers.find((container) => container.name === name)?.id ?? assert.fail(`no container ${name}`);

export const syncCases = section('sync', {
  'makes-it': {
    title: 'a pod that is not there is started, and each action is told',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }], { hostNetwork: true });
      const result = await sync(t, pod);
      assert.equal(result.uid, pod.metadata.uid);
      assert.deepEqual(actionsOf(result), ['create-sandbox', 'start-container c0']);
      assert.ok(result.actions.every(({ message }) => message.length > 5));
      const status = await t.runtime.getPodStatus({ uid: result.uid });
      assert.equal(status.phase, 'Running');
      assert.deepEqual(status.ips, result.ips);
    },
  },
  again: {
    title: 'a pod that is as its manifest says is left alone',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }], { hostNetwork: true, restartPolicy: 'Always' });
      await sync(t, pod);
      const before = await t.runtime.getPodStatus({ uid: pod.metadata.uid });
      assert.deepEqual(actionsOf(await sync(t, pod)), []);
      assert.deepEqual(await t.runtime.getPodStatus({ uid: pod.metadata.uid }), before);
    },
  },
  'after-run': {
    title: 'a pod of runPod is synced as one of syncPod',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }], { hostNetwork: true });
      await t.runPod(pod);
      assert.deepEqual(actionsOf(await sync(t, pod)), []);
    },
  },
  'changed-container': {
    title: 'a container whose definition has changed is replaced, and the others run on',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }, { command: sleepForever() }], { hostNetwork: true });
      await sync(t, pod);
      const { uid } = pod.metadata;
      const before = await t.runtime.getPodStatus({ uid });
      const next = changed(t, pod, [
        { command: sleepForever(), env: [{ name: 'NEW', value: 'yes' }] },
        { command: sleepForever() },
      ]);
      assert.deepEqual(actionsOf(await sync(t, next)), ['kill-container c0', 'start-container c0']);
      const after = await t.runtime.getPodStatus({ uid });
      assert.notEqual(idOf(after, 'c0'), idOf(before, 'c0'));
      assert.equal(idOf(after, 'c1'), idOf(before, 'c1'));
      assert.equal(after.containers[0]?.restartCount, 1);
      assert.deepEqual(after.sandboxIds, before.sandboxIds);
      assert.deepEqual(after.manifest?.spec.containers[0]?.env, [{ name: 'NEW', value: 'yes' }]);
      const { stdout } = await t.runtime.runInContainer({ uid, container: 'c0' }, ['sh', '-c', 'echo $NEW']);
      assert.equal(stdout.toString(), 'yes\n');
    },
  },
  'new-and-gone': {
    title: 'a container that the manifest has gained is started, one that it has lost is ended',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }, { name: 'old', command: sleepForever() }], {
        hostNetwork: true,
      });
      await sync(t, pod);
      const next = changed(t, pod, [{ command: sleepForever() }, { name: 'new', command: sleepForever() }]);
      assert.deepEqual(actionsOf(await sync(t, next)), ['kill-container old', 'start-container new']);
      const status = await t.runtime.getPodStatus({ uid: pod.metadata.uid });
      assert.deepEqual(namesIn(status, 'running'), ['c0', 'new']);
      assert.deepEqual(namesIn(status, 'exited'), ['old']);
    },
  },
  'changed-sandbox': {
    title: 'a change of what the sandbox is made of makes a new one, with all containers in it',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }], { hostNetwork: true });
      await sync(t, pod);
      const { uid } = pod.metadata;
      const [first] = (await t.runtime.getPodStatus({ uid })).sandboxIds;
      const next = changed(t, pod, [{ command: sleepForever() }], { hostNetwork: false, hostname: 'other' });
      assert.deepEqual(actionsOf(await sync(t, next)), ['kill-pod', 'create-sandbox', 'start-container c0']);
      const status = await t.runtime.getPodStatus({ uid });
      assert.notEqual(status.sandboxIds[0], first);
      assert.equal(status.phase, 'Running');
      const { stdout } = await t.runtime.runInContainer({ uid }, ['hostname']);
      assert.equal(stdout.toString(), 'other\n');
    },
  },
  'lost-sandbox': {
    title: 'a pod whose sandbox was stopped gets a new one; what has done its work stays so',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }, { name: 'done', command: exitWith(0) }], {
        hostNetwork: true,
        restartPolicy: 'OnFailure',
      });
      const { uid } = await t.runPod(pod);
      const status = await t.podStatus(uid, (now) => namesIn(now, 'exited').length === 1, 'is half done');
      await t.service.stopPodSandbox(status.sandboxIds[0] ?? '');
      assert.deepEqual(actionsOf(await sync(t, pod)), ['create-sandbox', 'start-container c0']);
      const after = await t.runtime.getPodStatus({ uid });
      assert.deepEqual(namesIn(after, 'running'), ['c0']);
      assert.deepEqual(namesIn(after, 'exited'), ['done']);
    },
  },
  'failures-told': {
    title: 'an action that fails is told with its error, and the rest is done all the same',
    run: async (t) => {
      const pod = t.pod([{ image: t.images.absent }, { command: sleepForever() }], { hostNetwork: true });
      t.atEnd('pod', () => t.runtime.removePod({ uid: pod.metadata.uid }, { graceMs: 0 }));
      const { actions } = await t.runtime.syncPod(pod);
      const failed = actions.filter(({ error }) => error !== undefined);
      assert.deepEqual(
        failed.map(({ action, container }) => [action, container]),
        [['start-container', 'c0']],
      );
      const status = await t.runtime.getPodStatus({ uid: pod.metadata.uid });
      assert.deepEqual(namesIn(status, 'running'), ['c1']);
      assert.equal(status.phase, 'Pending');
      const next = changed(t, pod, [{ command: sleepForever() }, { command: sleepForever() }]);
      assert.deepEqual(actionsOf(await sync(t, next)), ['start-container c0']);
      assert.equal((await t.runtime.getPodStatus({ uid: pod.metadata.uid })).phase, 'Running');
    },
  },
  'init-in-order': {
    title: 'init containers run one after the other, then the containers start',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }], {
        hostNetwork: true,
        initContainers: [{ command: printLines(['one']) }, { command: printLines(['two']) }],
      });
      await sync(t, pod);
      const status = await t.podStatus(pod.metadata.uid, ({ phase }) => phase === 'Running', 'runs');
      const [first, second, app] = status.containers.map(({ attempts }) => attempts.at(-1));
      assert.ok((first?.finishedAtMs ?? Number.NaN) <= (second?.startedAtMs ?? Number.NaN));
      assert.ok((second?.finishedAtMs ?? Number.NaN) <= (app?.startedAtMs ?? Number.NaN));
    },
  },
  'init-again': {
    title: 'in a new sandbox the init containers run again before the containers',
    run: async (t) => {
      const path = await t.host.makeDirectory();
      const pod = t.pod([{ command: sleepForever() }], {
        hostNetwork: true,
        volumes: [{ name: 'data', hostPath: { path } }],
        initContainers: [
          { command: script('echo x >> /data/runs'), volumeMounts: [{ name: 'data', mountPath: '/data' }] },
        ],
      });
      const { uid } = await t.runPod(pod);
      const [first] = (await t.runtime.getPodStatus({ uid })).sandboxIds;
      await t.service.stopPodSandbox(first ?? '');
      // With Never what was ended by force is not begun anew.
      const next = { ...pod, spec: { ...pod.spec, restartPolicy: 'Always' as const } };
      await sync(t, next);
      await t.podStatus(
        uid,
        ({ containers }) => containers.some(({ kind, state }) => kind === 'app' && state === 'running'),
        'runs',
      );
      assert.equal(await t.host.readFile(`${path}/runs`), 'x\nx\n');
    },
  },
  'init-fails': {
    title: 'with Never a failed init container fails the pod, and nothing else is started',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }], {
        hostNetwork: true,
        initContainers: [{ command: exitWith(5) }],
      });
      await sync(t, pod);
      const status = await t.podStatus(pod.metadata.uid, ({ phase }) => phase === 'Failed', 'has failed');
      assert.deepEqual(
        status.containers.map(({ name, attempts }) => [name, attempts.at(-1)?.exitCode]),
        [['i0', 5]],
      );
    },
  },
  sidecar: {
    title: 'a sidecar starts before the containers, runs beside them, and is ended after the last one',
    run: async (t) => {
      const path = await t.host.makeDirectory();
      const pod = t.pod(
        [
          {
            command: script('until [ -e /data/go ]; do sleep 0.02; done'),
            volumeMounts: [{ name: 'data', mountPath: '/data' }],
          },
        ],
        {
          hostNetwork: true,
          volumes: [{ name: 'data', hostPath: { path } }],
          initContainers: [{ name: 'side', command: onTermExit(0), restartPolicy: 'Always' }],
        },
      );
      const { uid } = await t.runPod(pod);
      const running = await t.runtime.getPodStatus({ uid });
      assert.deepEqual(namesIn(running, 'running'), ['side', 'c0']);
      assert.equal(running.phase, 'Running');
      await t.host.writeFile(`${path}/go`, '');
      const status = await t.podEnded(uid);
      assert.equal(status.phase, 'Succeeded');
      const [side, app] = status.containers.map(({ attempts }) => attempts.at(-1)?.finishedAtMs ?? 0);
      assert.ok((side ?? 0) >= (app ?? 0), 'the sidecar ends last');
    },
  },
  'sidecar-again': {
    title: 'a sidecar that ends while the containers run is started again',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }], {
        hostNetwork: true,
        initContainers: [{ name: 'side', command: exitWith(1), restartPolicy: 'Always' }],
      });
      const { uid } = await t.runPod(pod);
      const status = await t.podStatus(
        uid,
        ({ containers }) => (containers[0]?.restartCount ?? 0) >= 1,
        'restarts',
      );
      assert.equal(status.containers[1]?.restartCount, 0);
    },
  },
  'killed-again': {
    title: 'a pod that was killed is started again when its manifest is synced',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }], { hostNetwork: true, restartPolicy: 'Always' });
      const { uid } = await t.runPod(pod);
      await t.runtime.killPod({ uid });
      assert.deepEqual(actionsOf(await sync(t, pod)), ['create-sandbox', 'start-container c0']);
      assert.equal((await t.runtime.getPodStatus({ uid })).phase, 'Running');
    },
  },
  'killed-job-again': {
    title: 'of a pod that was killed what had not ended by itself is started again, whatever the policy',
    run: async (t) => {
      for (const restartPolicy of ['OnFailure', 'Never']) {
        const containers = [{ command: onTermExit(0) }, { name: 'done', command: exitWith(0) }];
        const pod = t.pod(containers, { hostNetwork: true, restartPolicy });
        const { uid } = await t.runPod(pod);
        await t.line(t.runtime.getContainerLogs({ uid, container: 'c0' }, { follow: true }), 'ready');
        await t.podStatus(uid, (status) => namesIn(status, 'exited').includes('done'), 'is half done');
        await t.runtime.killPod({ uid });
        const ended = await t.runtime.getPodStatus({ uid });
        assert.equal(ended.phase, 'Succeeded');
        assert.deepEqual(actionsOf(await sync(t, pod)), ['create-sandbox', 'start-container c0']);
        const after = await t.runtime.getPodStatus({ uid });
        assert.deepEqual([namesIn(after, 'running'), namesIn(after, 'exited')], [['c0'], ['done']]);
        assert.deepEqual(actionsOf(await sync(t, pod)), []);
      }
    },
  },
  'next-agent': {
    title: 'the next agent finds a synced pod as it was, and has nothing to do',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }], { hostNetwork: true, restartPolicy: 'Always' });
      await sync(t, pod);
      const before = await t.runtime.getPodStatus({ uid: pod.metadata.uid });
      await t.restartAgent();
      assert.deepEqual(actionsOf(await sync(t, pod)), []);
      assert.deepEqual(await t.runtime.getPodStatus({ uid: pod.metadata.uid }), before);
    },
  },
  'other-uid': {
    title: 'a name that another pod has is refused, and that pod is left alone',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }], { hostNetwork: true });
      const { uid } = await t.runPod(pod);
      const { uid: _uid, ...metadata } = pod.metadata;
      const other = t.pod([{ command: exitWith(0) }], { hostNetwork: true }, metadata);
      await t.rejects(t.runtime.syncPod(other), 'already-exists');
      assert.equal((await t.runtime.getPodStatus({ uid })).phase, 'Running');
    },
  },
  'wrong-manifest': {
    title: 'a manifest that is wrong changes nothing',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }], { hostNetwork: true });
      const { uid } = await t.runPod(pod);
      const wrong = { ...pod, spec: { ...pod.spec, restartPolicy: 'Sometimes' } };
      await t.rejects((async () => t.runtime.syncPod(wrong as unknown as Pod))(), 'invalid-manifest');
      assert.equal((await t.runtime.getPodStatus({ uid })).phase, 'Running');
    },
  },
  'at-once': {
    title: 'several syncs of one pod at once make one pod',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }], { hostNetwork: true });
      const results = await Promise.all([sync(t, pod), sync(t, pod), sync(t, pod)]);
      assert.equal(results.flatMap(actionsOf).filter((action) => action === 'create-sandbox').length, 1);
      const status = await t.runtime.getPodStatus({ uid: pod.metadata.uid });
      assert.equal(status.sandboxIds.length, 1);
      assert.equal(status.containers.length, 1);
    },
  },
});
