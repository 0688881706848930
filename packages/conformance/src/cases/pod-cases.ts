import assert from 'node:assert/strict';
import { type PodEvent, parseContainerId } from '@podwright/core';
import { lastValueFrom } from 'rxjs';
import { section } from '../conformance-case.js';
import { collect, joinLines, lastOf } from '../log-lines.js';
import { exitWith, ignoreTerm, onTermExit, script, sleepForever } from '../workloads.js';

const texts = (lines: readonly { readonly text: string }[]) => lines.map(({ text }) => text);

export const podCases = section('pods', {
  run: {
    title: 'a pod runs with all of its containers, found by uid and by name',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }, { command: sleepForever() }]);
      const result = await t.runPod(pod);
      assert.deepEqual(
        { uid: result.uid, name: result.name, namespace: result.namespace },
        { uid: pod.metadata.uid, name: pod.metadata.name, namespace: t.namespace },
      );
      assert.ok(result.ips.length > 0);
      const status = await t.runtime.getPodStatus({ uid: result.uid });
      assert.equal(status.phase, 'Running');
      assert.equal(status.sandboxReady, true);
      assert.deepEqual(status.ips, result.ips);
      assert.deepEqual(status.manifest, pod);
      assert.deepEqual(
        status.containers.map(({ name, state, kind }) => [name, state, kind]),
        [
          ['c0', 'running', 'app'],
          ['c1', 'running', 'app'],
        ],
      );
      const byName = await t.runtime.getPodStatus({ name: result.name, namespace: t.namespace });
      assert.equal(byName.uid, result.uid);
      const id = parseContainerId(status.containers[0]?.id ?? '');
      assert.equal(id.backend, t.runtime.type);
      assert.equal((await t.service.containerStatus(id.id)).podUid, result.uid);
    },
  },
  'init-order': {
    title: 'init containers run one after the other, each to its end, before the others start',
    run: async (t) => {
      const volumes = [{ name: 'data', emptyDir: {} }];
      const volumeMounts = [{ name: 'data', mountPath: '/data' }];
      const note = (word: string) =>
        script(`echo ${word} begins >> /data/log; sleep 0.05; echo ${word} ends >> /data/log`);
      const { uid } = await t.runPod(
        t.pod([{ command: script('cat /data/log; sleep 100000'), volumeMounts }], {
          volumes,
          hostNetwork: true,
          initContainers: [
            { command: note('first'), volumeMounts },
            { command: note('second'), volumeMounts },
          ],
        }),
      );
      await t.line(t.runtime.getContainerLogs({ uid, container: 'c0' }, { follow: true }), 'second ends');
      const lines = joinLines(await collect(t.runtime.getContainerLogs({ uid, container: 'c0' })));
      assert.deepEqual(texts(lines), ['first begins', 'first ends', 'second begins', 'second ends']);
      const { containers } = await t.runtime.getPodStatus({ uid });
      assert.deepEqual(
        containers.map(({ name, kind, state }) => [name, kind, state]),
        [
          ['i0', 'init', 'exited'],
          ['i1', 'init', 'exited'],
          ['c0', 'app', 'running'],
        ],
      );
    },
  },
  'init-fails': {
    title: 'an init container that fails for good keeps the pod from starting, and nothing is left of it',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }], {
        initContainers: [{ command: script('echo why; exit 9') }],
      });
      const error = await t.rejects(t.runPod(pod), 'container-start-failed');
      assert.match(error.message, /i0/);
      assert.match(error.message, /9/);
      await t.rejects(t.runtime.getPodStatus({ uid: pod.metadata.uid }), 'not-found');
      assert.deepEqual(await t.service.listPodSandboxes({ podUid: pod.metadata.uid }), []);
      assert.deepEqual(await t.service.listContainers({ podUid: pod.metadata.uid }), []);
    },
  },
  phases: {
    title:
      'a pod of which all ended is Succeeded, or Failed when one failed, and each container tells its code',
    run: async (t) => {
      const good = await t.runCommand(exitWith(0));
      const bad = await t.runPod(
        t.pod([{ command: exitWith(0) }, { command: exitWith(7) }], { hostNetwork: true }),
      );
      assert.equal((await t.podEnded(good.uid)).phase, 'Succeeded');
      const { phase, containers } = await t.podEnded(bad.uid);
      assert.equal(phase, 'Failed');
      assert.deepEqual(
        containers.map((container) => lastOf(container).exitCode),
        [0, 7],
      );
      assert.deepEqual(
        containers.map(({ restartCount }) => restartCount),
        [0, 0],
      );
    },
  },
  duplicate: {
    title: 'a pod that is there is not run a second time, by uid or by name; the first one is not touched',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }], { hostNetwork: true });
      const { uid } = await t.runPod(pod);
      await t.rejects(t.runtime.runPod(pod), 'already-exists');
      const twin = t.pod([{ command: sleepForever() }], { hostNetwork: true }, { name: pod.metadata.name });
      await t.rejects(t.runtime.runPod(twin), 'already-exists');
      assert.equal((await t.runtime.getPodStatus({ uid })).phase, 'Running');
      assert.equal((await t.runtime.getPods({ namespace: t.namespace, all: true })).length, 1);
    },
  },
  'duplicate-at-once': {
    title: 'of two calls at once for the same pod one succeeds',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }], { hostNetwork: true });
      const results = await Promise.allSettled([t.runPod(pod), t.runPod(pod)]);
      assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
      assert.equal((await t.runtime.getPods({ namespace: t.namespace, all: true })).length, 1);
    },
  },
  'bad-image': {
    title: 'a pod whose image cannot be had leaves nothing behind',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }, { image: t.images.absent }], { hostNetwork: true });
      await t.rejects(t.runPod(pod), 'image-not-found');
      await t.rejects(t.runtime.getPodStatus({ uid: pod.metadata.uid }), 'not-found');
      assert.deepEqual(await t.service.listPodSandboxes({ podUid: pod.metadata.uid }), []);
    },
  },
  'bad-command': {
    title: 'a pod of which one container cannot start leaves nothing behind, of the others neither',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }, { command: ['/no/such-program'] }], {
        hostNetwork: true,
      });
      await t.rejects(t.runPod(pod), 'container-start-failed');
      assert.deepEqual(await t.service.listPodSandboxes({ podUid: pod.metadata.uid }), []);
      assert.deepEqual(await t.service.listContainers({ podUid: pod.metadata.uid }), []);
    },
  },
  'pull-policy': {
    title: 'Never does not pull; IfNotPresent pulls what is missing; the image is told as present then',
    run: async (t) => {
      const { spare } = t.images;
      await t.imageService.removeImage(spare);
      assert.equal(await t.runtime.isImagePresent(spare), false);
      await t.rejects(t.runtime.ensureImage(spare, 'Never'), 'image-not-found');
      const never = t.pod([{ image: spare, imagePullPolicy: 'Never', command: exitWith(0) }], {
        hostNetwork: true,
      });
      await t.rejects(t.runPod(never), 'image-not-found');
      const image = await t.runtime.ensureImage(spare, 'IfNotPresent');
      assert.equal(await t.runtime.isImagePresent(spare), true);
      assert.equal((await t.runtime.ensureImage(spare, 'Never')).id, image.id);
      assert.equal((await t.runtime.ensureImage(spare, 'Always')).id, image.id);
    },
  },
  'runtime-images': {
    title: 'the runtime pulls, lists, loads and removes images, and tells the use of the store',
    run: async (t) => {
      const { spare, archives } = t.images;
      await t.runtime.removeImage(spare);
      const event = await lastValueFrom(t.runtime.pullImage(spare));
      assert.ok(event.type === 'done');
      assert.ok((await t.runtime.listImages()).some(({ id }) => id === event.image.id));
      await t.runtime.removeImage(spare);
      assert.equal(await t.runtime.isImagePresent(spare), false);
      const name = `localhost/${t.namespace}/loaded:1`;
      assert.equal((await t.runtime.loadImage(archives.docker, { reference: name })).length, 1);
      assert.equal(await t.runtime.isImagePresent(name), true);
      await t.runtime.removeImage(name);
      const info = await t.runtime.imageFsInfo();
      assert.deepEqual(Object.keys(info).sort(), Object.keys(await t.imageService.imageFsInfo()).sort());
      assert.ok(info.usedBytes > 0 && info.mountpoint.startsWith('/'));
    },
  },
  kill: {
    title: 'a killed pod has ended; its record, logs and exit codes stay; its id is enough to kill it',
    run: async (t) => {
      const { uid } = await t.runCommand(onTermExit(3), { terminationGracePeriodSeconds: 1000 });
      await t.line(t.runtime.getContainerLogs({ uid }, { follow: true }), 'ready');
      await t.soon(t.runtime.killPod({ uid }), 'the kill');
      const status = await t.runtime.getPodStatus({ uid });
      assert.equal(status.phase, 'Failed');
      assert.equal(status.sandboxReady, false);
      const container = status.containers[0] ?? assert.fail('the container is listed');
      assert.equal(container.state, 'exited');
      assert.equal(lastOf(container).exitCode, 3);
      assert.deepEqual(texts(joinLines(await collect(t.runtime.getContainerLogs({ uid })))), [
        'ready',
        'bye',
      ]);
    },
  },
  'one-grace': {
    title: 'all containers of a pod share one grace budget',
    run: async (t) => {
      const pod = t.pod(
        [1, 2, 3].map(() => ({ command: ignoreTerm() })),
        { hostNetwork: true },
      );
      const { uid } = await t.runPod(pod);
      for (const { name } of pod.spec.containers) {
        await t.line(t.runtime.getContainerLogs({ uid, container: name }, { follow: true }), 'ready');
      }
      const graceMs = t.patienceMs / 5;
      const before = Date.now();
      await t.runtime.killPod({ uid }, { graceMs });
      const { containers } = await t.runtime.getPodStatus({ uid });
      const tookMs = Math.max(...containers.map((each) => lastOf(each).finishedAtMs ?? Number.NaN)) - before;
      // One after the other would take three times the grace; a busy machine gets all of the time between.
      assert.ok(
        tookMs >= graceMs * 0.9 && tookMs < graceMs * 2.8,
        `the containers ended after ${tookMs} ms of a grace of ${graceMs} ms`,
      );
      assert.deepEqual(
        containers.map((container) => lastOf(container).exitCode),
        [137, 137, 137],
      );
    },
  },
  hurried: {
    title: 'a kill with a shorter grace than that of one under way ends both, as does a removal',
    run: async (t) => {
      const lifecycle = { preStop: { exec: { command: sleepForever() } } };
      for (const more of [{}, { lifecycle }]) {
        for (const hurry of ['killPod', 'removePod'] as const) {
          const { uid } = await t.runPod(t.pod([{ command: ignoreTerm(), ...more }], { hostNetwork: true }));
          await t.line(t.runtime.getContainerLogs({ uid }, { follow: true }), 'ready');
          const isBegun = ({ reason, object }: PodEvent) => reason === 'Killing' && object.uid === uid;
          const begun = t.next(t.runtime.events, isBegun, 'the beginning of the first kill');
          const first = t.runtime.killPod({ uid }, { graceMs: 900_000 });
          await begun;
          const second = t.runtime[hurry]({ uid }, { graceMs: 0 });
          await t.soon(Promise.all([first, second]), `the kill and the ${hurry}`);
          if (hurry === 'removePod') continue;
          const [container] = (await t.runtime.getPodStatus({ uid })).containers;
          assert.equal(container && lastOf(container).exitCode, 137);
        }
      }
    },
  },
  'kill-gone': {
    title: 'killing or removing a pod that has ended, or never was, does nothing',
    run: async (t) => {
      const { uid } = await t.runCommand(exitWith(0));
      await t.podEnded(uid);
      await t.runtime.killPod({ uid });
      await t.runtime.killPod({ uid });
      await t.runtime.killPod({ uid: 'never-was' });
      await t.runtime.killPod({ name: 'never-was', namespace: t.namespace });
      await t.runtime.removePod({ uid: 'never-was' });
      await t.runtime.removePod({ uid });
      await t.runtime.removePod({ uid });
    },
  },
  remove: {
    title: 'removing a running pod kills it and leaves nothing of it',
    run: async (t) => {
      const { uid, name } = await t.runCommand(sleepForever());
      await t.runtime.removePod({ name, namespace: t.namespace }, { graceMs: 0 });
      await t.rejects(t.runtime.getPodStatus({ uid }), 'not-found');
      assert.deepEqual(await t.runtime.getPods({ all: true, namespace: t.namespace }), []);
      assert.deepEqual(await t.service.listPodSandboxes({ podUid: uid }), []);
      assert.deepEqual(await t.service.listContainers({ podUid: uid }), []);
    },
  },
  'run-again': {
    title: 'a pod that was removed can be run again under its name',
    run: async (t) => {
      const first = await t.runPod(
        t.pod([{ command: exitWith(0) }], { hostNetwork: true }, { name: 'again' }),
      );
      await t.runtime.removePod({ uid: first.uid });
      const second = await t.runPod(
        t.pod([{ command: sleepForever() }], { hostNetwork: true }, { name: 'again' }),
      );
      assert.notEqual(second.uid, first.uid);
      assert.equal((await t.runtime.getPodStatus({ name: 'again', namespace: t.namespace })).uid, second.uid);
    },
  },
  list: {
    title: 'pods are listed newest first, running ones by default, by namespace and labels',
    run: async (t) => {
      const node = { hostNetwork: true };
      const ended = await t.runPod(t.pod([{ command: exitWith(0) }], node, { labels: { app: 'a' } }));
      await t.podEnded(ended.uid);
      const one = await t.runPod(
        t.pod([{ command: sleepForever() }], node, { labels: { app: 'a', tier: 'x' } }),
      );
      const two = await t.runPod(t.pod([{ command: sleepForever() }], node, { labels: { app: 'b' } }));
      const { namespace } = t;
      const uids = async (filter: Parameters<typeof t.runtime.getPods>[0]) =>
        (await t.runtime.getPods(filter)).map(({ uid }) => uid);
      assert.deepEqual(await uids({ namespace }), [two.uid, one.uid]);
      assert.deepEqual(await uids({ namespace, all: true }), [two.uid, one.uid, ended.uid]);
      assert.deepEqual(await uids({ namespace, all: true, labels: { app: 'a' } }), [one.uid, ended.uid]);
      assert.deepEqual(await uids({ namespace, labels: { app: 'a', tier: 'x' } }), [one.uid]);
      assert.deepEqual(await uids({ namespace: `${namespace}-other`, all: true }), []);
    },
  },
});
