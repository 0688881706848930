import assert from 'node:assert/strict';
import type { PodEvent, RuntimeEvent } from '@podwright/core';
import { collect, joinLines, lastOf } from '../case-context.js';
import { section } from '../conformance-case.js';
import { echoServer, exitWith, ignoreTerm, onTermExit, script, sleepForever } from '../workloads.js';

export const eventCases = section('events', {
  service: {
    title: 'a backend tells what happens to a container, in order, with ids and codes',
    run: async (t) => {
      const seen: RuntimeEvent[] = [];
      const config = t.sandboxConfig();
      const subscription = t.service.events.subscribe((event) => seen.push(event));
      t.atEnd('subscription', async () => subscription.unsubscribe());
      const own = () => seen.filter(({ podUid }) => podUid === config.metadata.uid);
      await t.pull(t.images.busybox);
      const removed = t.next(
        t.service.events,
        ({ type, podUid }) => type === 'sandbox-removed' && podUid === config.metadata.uid,
        'the removal of the sandbox',
      );
      const sandboxId = await t.service.runPodSandbox(config);
      const id = await t.start(sandboxId, exitWith(7));
      await t.ended(id);
      await t.service.stopPodSandbox(sandboxId);
      await t.service.removePodSandbox(sandboxId);
      await removed;
      assert.deepEqual(
        own().map(({ type }) => type),
        [
          'sandbox-created',
          'container-created',
          'container-started',
          'container-exited',
          'sandbox-stopped',
          'container-removed',
          'sandbox-removed',
        ],
      );
      assert.ok(own().every((event) => event.sandboxId === sandboxId));
      assert.ok(own().every((event) => !('containerId' in event) || event.containerId === id));
      const exited = own().find(({ type }) => type === 'container-exited');
      assert.ok(exited?.type === 'container-exited');
      assert.equal(exited.attempt.exitCode, 7);
      assert.equal(exited.restartInMs, undefined, 'nobody starts it again');
    },
  },
  pod: {
    title: 'a runtime tells what happens to a pod, in order, with the object it is about',
    run: async (t) => {
      const seen: PodEvent[] = [];
      const pod = t.pod([{ command: onTermExit(3) }], { hostNetwork: true });
      const { uid, name } = pod.metadata;
      const subscription = t.runtime.events.subscribe((event) => seen.push(event));
      t.atEnd('subscription', async () => subscription.unsubscribe());
      const removed = t.next(
        t.runtime.events,
        ({ reason, object }) => reason === 'Removed' && object.uid === uid,
        'the removal',
      );
      await t.runPod(pod);
      await t.line(t.runtime.getContainerLogs({ uid }, { follow: true }), 'ready');
      await t.runtime.killPod({ uid }, { graceMs: 100_000 });
      await t.runtime.removePod({ uid });
      await removed;
      const own = seen.filter(({ object }) => object.uid === uid);
      const reasons = own.map(({ reason }) => reason);
      const order = ['Created', 'Started', 'Killing', 'Removed'] as const;
      const places = order.map((reason) => reasons.indexOf(reason));
      assert.ok(
        places.every((place) => place >= 0),
        `all of ${order.join(', ')} are told: ${reasons.join(', ')}`,
      );
      assert.deepEqual(
        places,
        [...places].sort((a, b) => a - b),
        reasons.join(', '),
      );
      const started = own.find(({ reason }) => reason === 'Started');
      assert.deepEqual(started?.object, {
        kind: 'Pod',
        namespace: t.namespace,
        name,
        uid,
        fieldPath: 'spec.containers{c0}',
      });
      assert.equal(started?.type, 'Normal');
    },
  },
  pulled: {
    title: 'a pull for a pod is told, and a failed one is a warning',
    run: async (t) => {
      await t.imageService.removeImage(t.images.spare);
      const seen: PodEvent[] = [];
      const subscription = t.runtime.events.subscribe((event) => seen.push(event));
      t.atEnd('subscription', async () => subscription.unsubscribe());
      const good = t.pod([{ image: t.images.spare, command: exitWith(0) }], { hostNetwork: true });
      await t.runPod(good);
      const told = (uid: string) => seen.filter(({ object }) => object.uid === uid);
      assert.deepEqual(
        told(good.metadata.uid)
          .map(({ reason }) => reason)
          .slice(0, 2),
        ['Pulling', 'Pulled'],
      );
      const bad = t.pod([{ image: t.images.absent }], { hostNetwork: true });
      await t.rejects(t.runPod(bad), 'image-not-found');
      const failure = told(bad.metadata.uid).find(({ reason }) => reason === 'Failed');
      assert.equal(failure?.type, 'Warning');
    },
  },
});

export const gcCases = section('gc', {
  containers: {
    title: 'ended containers beyond the policy are removed, running ones never',
    run: async (t) => {
      const running = await t.runCommand(sleepForever());
      const ended = await t.runPod(
        t.pod([{ command: exitWith(0) }, { command: sleepForever() }], { hostNetwork: true }),
      );
      await t.podStatus(
        ended.uid,
        ({ containers }) => containers.some(({ state }) => state === 'exited'),
        'has an end',
      );
      const result = await t.runtime.garbageCollect({
        minAgeMs: 0,
        maxPerPodContainer: 0,
        maxContainers: -1,
      });
      assert.deepEqual(result.errors, []);
      assert.ok(result.removed.length > 0, 'what was removed is told');
      const left = await t.service.listContainers({ podUid: ended.uid });
      assert.deepEqual(
        left.map(({ state }) => state),
        ['running'],
      );
      assert.equal((await t.runtime.getPodStatus({ uid: running.uid })).phase, 'Running');
    },
  },
  'min-age': {
    title: 'what ended only just stays',
    run: async (t) => {
      const { uid } = await t.runCommand(exitWith(0));
      await t.podEnded(uid);
      await t.runtime.garbageCollect({ minAgeMs: 3_600_000, maxPerPodContainer: 0, maxContainers: 0 });
      assert.equal((await t.service.listContainers({ podUid: uid })).length, 1);
    },
  },
  'ended-pods': {
    title: 'a pod of which nothing is left to keep goes as a whole',
    run: async (t) => {
      const { uid } = await t.runCommand(exitWith(0));
      await t.podEnded(uid);
      await t.runtime.garbageCollect({ minAgeMs: 0, maxPerPodContainer: 0, maxContainers: 0 });
      assert.deepEqual(await t.service.listContainers({ podUid: uid }), []);
      assert.deepEqual(await t.service.listPodSandboxes({ podUid: uid }), []);
      await t.rejects(t.runtime.getPodStatus({ uid }), 'not-found');
    },
  },
  'sources-ready': {
    title: 'what belongs to a pod that its owner has forgotten goes only when all sources are ready',
    run: async (t) => {
      const { sandboxId } = await t.runToEnd(exitWith(0));
      const policy = { minAgeMs: 0, maxPerPodContainer: -1, maxContainers: -1 };
      await t.runtime.garbageCollect(policy);
      assert.equal((await t.service.listContainers({ sandboxId })).length, 1);
      await t.runtime.garbageCollect(policy, { allSourcesReady: true });
      assert.deepEqual(await t.service.listPodSandboxes({ id: sandboxId }), []);
      assert.deepEqual(await t.service.listContainers({ sandboxId }), []);
    },
  },
  orphans: {
    title: 'garbage collection removes what the backend has without an owner',
    needs: ['orphans'],
    run: async (t) => {
      const isThere = await t.plantOrphan();
      const { errors } = await t.runtime.garbageCollect({
        minAgeMs: 3_600_000,
        maxPerPodContainer: -1,
        maxContainers: -1,
      });
      assert.deepEqual(errors, []);
      assert.equal(await isThere(), false);
    },
  },
});

export const agentCases = section('agent-restart', {
  identity: {
    title: 'another agent finds all pods with the same ids, times, codes, reasons, labels and annotations',
    run: async (t) => {
      const annotations = { note: 'a "b" $c %d\n ü' };
      const running = await t.runPod(
        t.pod([{ command: sleepForever() }], { hostNetwork: true }, { labels: { app: 'x' }, annotations }),
      );
      const failed = await t.runCommand(exitWith(7));
      await t.podEnded(failed.uid);
      const before = await t.runtime.getPods({ all: true, namespace: t.namespace });
      await t.restartAgent();
      assert.deepEqual(await t.runtime.getPods({ all: true, namespace: t.namespace }), before);
      const status = await t.runtime.getPodStatus({ uid: running.uid });
      assert.equal(status.phase, 'Running');
      assert.deepEqual(status.annotations, annotations);
      assert.equal(status.sandboxReady, true);
    },
  },
  'ends-meanwhile': {
    title: 'what ends while no agent lives is told to the next one with its code and time',
    run: async (t) => {
      const path = await t.host.makeDirectory();
      const codes = [0, 7];
      const pods = await Promise.all(
        codes.map((code) =>
          t.runPod(
            t.pod(
              [
                {
                  command: script(`until [ -e /data/go ]; do sleep 0.02; done; exit ${code}`),
                  volumeMounts: [{ name: 'data', mountPath: '/data' }],
                },
              ],
              { volumes: [{ name: 'data', hostPath: { path } }], hostNetwork: true },
            ),
          ),
        ),
      );
      await t.host.writeFile(`${path}/go`, '');
      await t.restartAgent();
      const ends = await Promise.all(pods.map(async ({ uid }) => t.podEnded(uid)));
      assert.deepEqual(
        ends.map(({ containers }) => containers[0] && lastOf(containers[0]).exitCode),
        codes,
      );
      assert.deepEqual(
        ends.map(({ phase }) => phase),
        ['Succeeded', 'Failed'],
      );
    },
  },
  control: {
    title: 'another agent runs commands in, forwards ports to, kills and removes what an earlier one started',
    run: async (t) => {
      const { uid } = await t.runPod(t.pod([{ command: echoServer(8080) }]));
      await t.line(t.runtime.getContainerLogs({ uid }, { follow: true }), 'ready');
      await t.restartAgent();
      assert.equal((await t.runtime.runInContainer({ uid }, ['echo', 'x'])).stdout.toString(), 'x\n');
      assert.equal(await t.talk(await t.runtime.portForward({ uid }, 8080), 'hello'), 'hello');
      await t.runtime.killPod({ uid }, { graceMs: 0 });
      assert.equal((await t.podEnded(uid)).sandboxReady, false);
      await t.runtime.removePod({ uid });
      await t.rejects(t.runtime.getPodStatus({ uid }), 'not-found');
    },
  },
  logs: {
    title: 'another agent follows logs from where the one before was',
    run: async (t) => {
      const path = await t.host.makeDirectory();
      const mounts = [{ hostPath: path, containerPath: '/data' }];
      const command = script(
        'echo 1; echo 2; until [ -e /data/go ]; do sleep 0.02; done; echo 3; sleep 100000',
      );
      const id = await t.start(await t.sandbox(), command, { mounts });
      const { cursor } = await t.line(t.service.containerLogs(id, { follow: true }), '2');
      await t.restartAgent();
      await t.host.writeFile(`${path}/go`, '');
      const seen: string[] = [];
      const stop = new AbortController();
      const follow = async () => {
        const log = t.service.containerLogs(id, { follow: true, afterCursor: cursor, signal: stop.signal });
        for await (const { line } of log) {
          seen.push(line.toString());
          if (seen.includes('3')) return;
        }
      };
      await t.soon(follow(), 'the next line');
      assert.deepEqual(seen, ['3']);
      assert.deepEqual(
        joinLines(await collect(t.service.containerLogs(id))).map(({ text }) => text),
        ['1', '2', '3'],
      );
    },
  },
  restarts: {
    title: 'attempts and restart counts outlive the agent, and a container goes on being restarted',
    needs: ['supervisedRestart'],
    run: async (t) => {
      const path = await t.host.makeDirectory();
      const command = script(
        'echo x >> /data/runs; n=$(wc -l < /data/runs); echo "run $n"; [ "$n" -eq 2 ] && until [ -e /data/go ]; do sleep 0.02; done; [ "$n" -lt 3 ] && exit "$n"; sleep 100000',
      );
      const mounts = [{ hostPath: path, containerPath: '/data' }];
      const id = await t.start(await t.sandbox(), command, {
        mounts,
        restart: { by: 'backend', policy: 'Always' },
      });
      await t.containerStatus(
        id,
        ({ attempts, state }) => attempts.length === 2 && state === 'running',
        'runs again',
      );
      const before = await t.service.containerStatus(id);
      await t.restartAgent();
      assert.deepEqual(await t.service.containerStatus(id), before);
      await t.host.writeFile(`${path}/go`, '');
      const status = await t.containerStatus(
        id,
        ({ attempts }) => attempts.length === 3,
        'is in its third attempt',
      );
      assert.deepEqual(
        status.attempts.map(({ exitCode }) => exitCode),
        [1, 2, undefined],
      );
      const previous = await t.lines(id, { previous: true });
      assert.deepEqual(
        previous.map(({ text }) => text),
        ['run 2'],
      );
    },
  },
  events: {
    title: 'another agent hears of what happens to the pods of an earlier one',
    run: async (t) => {
      const { uid } = await t.runCommand(sleepForever());
      await t.restartAgent();
      const [container] = await t.service.listContainers({ podUid: uid });
      const exited = t.next(
        t.service.events,
        (event) => event.type === 'container-exited' && event.containerId === container?.id,
        'the end of the container',
      );
      await t.service.stopContainer(container?.id ?? '', { graceMs: 0 });
      const event = await exited;
      assert.ok(event.type === 'container-exited' && event.attempt.exitCode === 137);
    },
  },
});

export const cancelCases = section('cancel', {
  'already-aborted': {
    title: 'a call whose signal has fired already does nothing and fails with kind cancelled',
    run: async (t) => {
      const cancelled = { signal: AbortSignal.abort() };
      const sandboxId = await t.sandbox();
      const id = await t.start(sandboxId, sleepForever());
      const config = t.sandboxConfig();
      await t.rejects(t.service.runPodSandbox(config, cancelled), 'cancelled');
      await t.rejects(t.service.createContainer(sandboxId, t.containerConfig(), cancelled), 'cancelled');
      await t.rejects(t.service.stopContainer(id, { ...cancelled, graceMs: 0 }), 'cancelled');
      await t.rejects(t.service.execSync(id, ['true'], cancelled), 'cancelled');
      await t.rejects(t.service.listContainers({}, cancelled), 'cancelled');
      await t.rejects(t.runtime.getPods({}, cancelled), 'cancelled');
      const pod = t.pod([{ command: sleepForever() }]);
      await t.rejects(t.runtime.runPod(pod, cancelled), 'cancelled');
      assert.deepEqual(await t.service.listPodSandboxes({ podUid: config.metadata.uid }), []);
      assert.deepEqual(await t.service.listPodSandboxes({ podUid: pod.metadata.uid }), []);
      assert.equal((await t.service.containerStatus(id)).state, 'running');
      assert.equal((await t.service.listContainers({ sandboxId })).length, 1);
    },
  },
  'stop-cancelled': {
    title: 'a stop that is cancelled within its grace fails with kind cancelled and does not kill',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), ignoreTerm());
      await t.says(id, 'ready');
      const stop = new AbortController();
      const stopping = t.service.stopContainer(id, { graceMs: 100_000, signal: stop.signal });
      setImmediate(() => stop.abort());
      await t.rejects(stopping, 'cancelled');
      assert.equal((await t.service.containerStatus(id)).state, 'running');
    },
  },
});
