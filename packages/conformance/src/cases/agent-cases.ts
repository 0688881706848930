import assert from 'node:assert/strict';
import { section } from '../conformance-case.js';
import { collect, joinLines, lastOf } from '../log-lines.js';
import { echoServer, exitWith, ignoreTerm, script, sleepForever } from '../workloads.js';

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
