import assert from 'node:assert/strict';
import { parseContainerId } from '@podwright/core';
import { lastValueFrom } from 'rxjs';
import { collect, joinLines, lastOf } from '../case-context.js';
import { section } from '../conformance-case.js';
import { echoServer, exitWith, ignoreTerm, onTermExit, script, sleepForever } from '../workloads.js';
import { awkwardMap } from './sandbox-cases.js';

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
      const { spare, archive } = t.images;
      await t.runtime.removeImage(spare);
      const event = await lastValueFrom(t.runtime.pullImage(spare));
      assert.ok(event.type === 'done');
      assert.ok((await t.runtime.listImages()).some(({ id }) => id === event.image.id));
      await t.runtime.removeImage(spare);
      assert.equal(await t.runtime.isImagePresent(spare), false);
      const name = `localhost/${t.namespace}/loaded:1`;
      assert.equal((await t.runtime.loadImage(archive.path, { reference: name })).length, 1);
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
      const before = Date.now();
      await t.runtime.killPod({ uid }, { graceMs: 700 });
      const tookMs = Date.now() - before;
      assert.ok(tookMs >= 600 && tookMs < 1400, `the kill took ${tookMs} ms of a grace of 700 ms`);
      const { containers } = await t.runtime.getPodStatus({ uid });
      assert.deepEqual(
        containers.map((container) => lastOf(container).exitCode),
        [137, 137, 137],
      );
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
  annotations: {
    title: 'labels and annotations of a pod come back byte for byte',
    run: async (t) => {
      const labels = { app: 'x', 'example.com/role': 'a_b-c.d' };
      const { uid } = await t.runPod(
        t.pod([{ command: sleepForever() }], { hostNetwork: true }, { labels, annotations: awkwardMap }),
      );
      const status = await t.runtime.getPodStatus({ uid });
      assert.deepEqual(status.labels, labels);
      assert.deepEqual(status.annotations, awkwardMap);
      const [summary] = await t.runtime.getPods({ namespace: t.namespace });
      assert.deepEqual(summary?.annotations, awkwardMap);
    },
  },
  expansion: {
    title:
      "$(VAR) in command, args and env is replaced by the container's variables, $$(VAR) and unknown ones are not",
    run: async (t) => {
      const env = [
        { name: 'ONE', value: '1' },
        { name: 'TWO', value: '$(ONE)2' },
      ];
      const { uid } = await t.runPod(
        t.pod(
          [{ command: ['printf', '%s\\n'], args: ['$(ONE)', '$(TWO)', '$$(ONE)', '$(NONE)', '$HOME'], env }],
          {
            hostNetwork: true,
          },
        ),
      );
      await t.podEnded(uid);
      const lines = joinLines(await collect(t.runtime.getContainerLogs({ uid })));
      assert.deepEqual(texts(lines), ['1', '12', '$(ONE)', '$(NONE)', '$HOME']);
    },
  },
  'empty-dir': {
    title: 'an emptyDir is empty, shared by the containers of its pod, and gone with it',
    run: async (t) => {
      const volumes = [{ name: 'data', emptyDir: {} }];
      const volumeMounts = [{ name: 'data', mountPath: '/data' }];
      const first = t.pod(
        [
          { command: script('ls /data; echo hello > /data/file; sleep 100000'), volumeMounts },
          {
            command: script('until [ -e /data/file ]; do sleep 0.02; done; cat /data/file; sleep 100000'),
            volumeMounts,
          },
        ],
        { volumes, hostNetwork: true },
      );
      const { uid } = await t.runPod(first);
      await t.line(t.runtime.getContainerLogs({ uid, container: 'c1' }, { follow: true }), 'hello');
      assert.deepEqual(
        await collect(t.runtime.getContainerLogs({ uid, container: 'c0' })),
        [],
        'it was empty',
      );
      const [status] = await t.service.listContainers({ podUid: uid });
      const path = status?.mounts.find(({ containerPath }) => containerPath === '/data')?.hostPath ?? '';
      assert.equal(await t.host.readFile(`${path}/file`), 'hello\n');
      await t.runtime.removePod({ uid }, { graceMs: 0 });
      assert.equal(await t.host.readFile(`${path}/file`), undefined);
    },
  },
  'host-path': {
    title: "a hostPath is the host's own directory, and stays when the pod goes",
    run: async (t) => {
      const path = await t.host.makeDirectory();
      const volumes = [{ name: 'data', hostPath: { path } }];
      const command = script('echo hello > /data/file');
      const pod = t.pod([{ command, volumeMounts: [{ name: 'data', mountPath: '/data' }] }], {
        volumes,
        hostNetwork: true,
      });
      const { uid } = await t.runPod(pod);
      await t.podEnded(uid);
      await t.runtime.removePod({ uid });
      assert.equal(await t.host.readFile(`${path}/file`), 'hello\n');
    },
  },
  'host-path-missing': {
    title: 'a hostPath of a type that is not there is an error that names the path, and nothing is left',
    run: async (t) => {
      const path = `${await t.host.makeDirectory()}/missing`;
      const pod = t.pod([{ command: sleepForever() }], {
        volumes: [{ name: 'data', hostPath: { path, type: 'Directory' } }],
        hostNetwork: true,
      });
      const error = await t.rejects(t.runPod(pod), 'not-found');
      assert.ok(error.message.includes(path));
      assert.deepEqual(await t.service.listPodSandboxes({ podUid: pod.metadata.uid }), []);
    },
  },
  'bad-manifest': {
    title: 'a manifest with an unknown field or a wrong value is refused, naming each',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }]);
      const spec = { ...pod.spec, restartPolicy: 'Sometimes', unheardOf: 1 };
      const wrong: unknown = { ...pod, spec };
      const error = await t.rejects(
        (async () => t.runtime.runPod(wrong as typeof pod))(),
        'invalid-manifest',
      );
      assert.match(error.message, /restartPolicy/);
      assert.match(error.message, /unheardOf/);
      assert.deepEqual(await t.runtime.getPods({ all: true, namespace: t.namespace }), []);
    },
  },
  restarts: {
    title: 'with restartPolicy Always a container that ends is run again, and counted',
    needs: ['supervisedRestart'],
    run: async (t) => {
      const path = await t.host.makeDirectory();
      const command = script('echo x >> /data/runs; [ $(wc -l < /data/runs) -lt 2 ] && exit 5; sleep 100000');
      const pod = t.pod([{ command, volumeMounts: [{ name: 'data', mountPath: '/data' }] }], {
        volumes: [{ name: 'data', hostPath: { path } }],
        hostNetwork: true,
        restartPolicy: 'Always',
      });
      const { uid } = await t.runPod(pod);
      const isAgain = (count: number | undefined) => count === 1;
      const { containers, phase } = await t.podStatus(
        uid,
        (status) => isAgain(status.containers[0]?.restartCount) && status.containers[0]?.state === 'running',
        'runs again',
      );
      assert.equal(phase, 'Running');
      assert.deepEqual(
        containers[0]?.attempts.map(({ exitCode }) => exitCode),
        [5, undefined],
      );
    },
  },
  'logs-of-many': {
    title: 'the log of a container is named by pod and container; without a name there has to be one only',
    run: async (t) => {
      const pod = t.pod([{ command: script('echo zero') }, { command: script('echo one') }], {
        hostNetwork: true,
      });
      const { uid, name } = await t.runPod(pod);
      await t.podEnded(uid);
      const log = async (container?: string) => {
        const ref = { name, namespace: t.namespace, ...(container ? { container } : {}) };
        return texts(joinLines(await collect(t.runtime.getContainerLogs(ref))));
      };
      assert.deepEqual([await log('c0'), await log('c1')], [['zero'], ['one']]);
      const error = await t.rejects(log(), 'invalid-argument');
      assert.match(error.message, /c0.*c1/);
      await t.rejects(log('c7'), 'not-found');
    },
  },
  'log-options': {
    title: 'the options of a log work on a pod: tail, follow, limitBytes',
    run: async (t) => {
      const { uid } = await t.runCommand(script('echo 1; echo 2; echo 3'));
      const followed = joinLines(
        await t.soon(collect(t.runtime.getContainerLogs({ uid }, { follow: true })), 'the log'),
      );
      assert.deepEqual(texts(followed), ['1', '2', '3']);
      const tail = joinLines(await collect(t.runtime.getContainerLogs({ uid }, { tail: 1 })));
      assert.deepEqual(texts(tail), ['3']);
      const two = joinLines(await collect(t.runtime.getContainerLogs({ uid }, { limitBytes: 2 })));
      assert.deepEqual(texts(two), ['1', '2']);
    },
  },
  'run-in-container': {
    title: 'a command runs in a container of a pod, with output, code, time-out and errors',
    run: async (t) => {
      const { uid } = await t.runCommand(sleepForever());
      const result = await t.runtime.runInContainer({ uid }, script('echo out; echo err >&2; exit 5'));
      assert.deepEqual(
        [result.stdout.toString(), result.stderr.toString(), result.exitCode],
        ['out\n', 'err\n', 5],
      );
      await t.rejects(t.runtime.runInContainer({ uid }, ['sleep', '100000'], { timeoutMs: 200 }), 'timeout');
      await t.rejects(t.runtime.runInContainer({ uid, container: 'other' }, ['true']), 'not-found');
      await t.runtime.killPod({ uid }, { graceMs: 0 });
      await t.rejects(t.runtime.runInContainer({ uid }, ['true']), 'failed-precondition');
    },
  },
  'exec-in-container': {
    title: 'a command with streams runs in a container of a pod',
    run: async (t) => {
      const { uid } = await t.runCommand(sleepForever());
      const session = await t.runtime.execInContainer(
        { uid },
        { command: script('cat; exit 8'), stdin: true },
      );
      session.stdin?.end('hello');
      assert.equal(await t.readAll(session.stdout), 'hello');
      assert.equal(await t.soon(session.exitCode, 'the exit code'), 8);
    },
  },
  'port-forward': {
    title: 'a port of a pod is reached by its name',
    run: async (t) => {
      const { uid, name } = await t.runPod(t.pod([{ command: echoServer(8080) }]));
      await t.line(t.runtime.getContainerLogs({ uid }, { follow: true }), 'ready');
      const connection = await t.runtime.portForward({ name, namespace: t.namespace }, 8080);
      assert.equal(await t.talk(connection, 'hello'), 'hello');
      await t.runtime.killPod({ uid }, { graceMs: 0 });
      await t.rejects(t.runtime.portForward({ uid }, 8080), 'failed-precondition');
    },
  },
  'unknown-pod': {
    title: 'asking for a pod that never was is an error of kind not-found',
    run: async (t) => {
      const ref = { uid: 'never-was' };
      await t.rejects(t.runtime.getPodStatus(ref), 'not-found');
      await t.rejects(collect(t.runtime.getContainerLogs(ref)), 'not-found');
      await t.rejects(t.runtime.runInContainer(ref, ['true']), 'not-found');
      await t.rejects(t.runtime.execInContainer(ref, { command: ['true'] }), 'not-found');
      await t.rejects(t.runtime.portForward(ref, 80), 'not-found');
    },
  },
  'run-cancelled': {
    title: 'a pod whose start is cancelled is undone',
    run: async (t) => {
      const stop = new AbortController();
      const pod = t.pod([{ command: sleepForever() }], {
        initContainers: [{ command: sleepForever() }],
        hostNetwork: true,
      });
      const { uid } = pod.metadata;
      t.atEnd('pod', () => t.runtime.removePod({ uid }, { graceMs: 0 }));
      const running = t.runtime.runPod(pod, { signal: stop.signal });
      running.catch(() => undefined);
      await t.next(
        t.service.events,
        ({ type, podUid }) => type === 'container-started' && podUid === uid,
        'the init container',
      );
      stop.abort();
      await t.rejects(running, 'cancelled');
      await t.rejects(t.runtime.getPodStatus({ uid }), 'not-found');
      assert.deepEqual(await t.service.listPodSandboxes({ podUid: uid }), []);
    },
  },
});
