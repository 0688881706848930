import assert from 'node:assert/strict';
import { section } from '../conformance-case.js';
import { collect, joinLines } from '../log-lines.js';
import { echoServer, script, sleepForever } from '../workloads.js';

const texts = (lines: readonly { readonly text: string }[]) => lines.map(({ text }) => text);

export const podStreamCases = section('pods', {
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
      const two = joinLines(await collect(t.runtime.getContainerLogs({ uid }, { limitBytes: 3 })));
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
