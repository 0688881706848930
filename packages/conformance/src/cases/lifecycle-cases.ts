import assert from 'node:assert/strict';
import type { PodStatus } from '@podwright/core';
import type { CaseContext, ContainerSketch } from '../case-context.js';
import { section } from '../conformance-case.js';
import { exitWith, ignoreTerm, noteTerm, onTermExit, script, sleepForever } from '../workloads.js';

/** Runs a pod of one container that shares a directory of the host at /s. */
async function runShared(t: CaseContext, sketch: ContainerSketch, spec: object = {}) {
  const directory = await t.host.makeDirectory();
  const container = { volumeMounts: [{ name: 's', mountPath: '/s' }], command: sleepForever(), ...sketch };
  const volumes = [{ name: 's', hostPath: { path: directory } }];
  const pod = t.pod([container], { hostNetwork: true, volumes, ...spec });
  const { uid } = await t.runPod(pod);
  return { uid, read: (file: string) => t.host.readFile(`${directory}/${file}`) };
}

const lastAttempt = ({ containers }: PodStatus) => containers[0]?.attempts.at(-1);

function told(t: CaseContext, wanted: string) {
  return t.next(t.runtime.events, ({ reason }) => reason === wanted, `an event ${wanted}`);
}

/** The message of a container that ran to its end. */
async function messageOf(t: CaseContext, command: readonly string[], sketch: ContainerSketch = {}) {
  const { uid } = await t.runPod(t.pod([{ command, ...sketch }], { hostNetwork: true }));
  return lastAttempt(await t.podEnded(uid))?.message;
}

/** A deadline within which a pod starts, on a busy host too: it counts from the beginning of the start. */
const deadlineSeconds = (t: CaseContext) => Math.max(2, Math.ceil(t.patienceMs / 8000));

const FALLBACK = { terminationMessagePolicy: 'FallbackToLogsOnError' };

export const lifecycleCases = section('lifecycle', {
  'post-start': {
    title: 'a postStart hook has ended when runPod has',
    run: async (t) => {
      const exec = { command: script('echo hook > /s/hook') };
      const { uid, read } = await runShared(t, { lifecycle: { postStart: { exec } } });
      assert.equal(await read('hook'), 'hook\n');
      assert.equal((await t.runtime.getPodStatus({ uid })).containers[0]?.state, 'running');
    },
  },
  'post-start-sleep': {
    title: 'a postStart hook may be a time to wait',
    run: async (t) => {
      const begunMs = Date.now();
      await runShared(t, { lifecycle: { postStart: { sleep: { seconds: 1 } } } });
      assert.ok(Date.now() - begunMs >= 990);
    },
  },
  'post-start-fails': {
    title: 'a postStart hook that fails ends its container; the pod runs on with the others',
    run: async (t) => {
      const failed = told(t, 'FailedPostStartHook');
      const exec = { command: script('echo no paint; exit 3') };
      const pod = t.pod(
        [{ command: sleepForever(), lifecycle: { postStart: { exec } } }, { command: sleepForever() }],
        { hostNetwork: true },
      );
      const { uid } = await t.runPod(pod);
      assert.match((await failed).message, /exit code 3: no paint/);
      const status = await t.podStatus(
        uid,
        ({ containers }) => containers[0]?.state === 'exited',
        'has one container less',
      );
      assert.deepEqual([status.phase, status.containers[1]?.state], ['Running', 'running']);
    },
  },
  'post-start-restart': {
    title:
      'a container whose postStart hook has failed is started again by the policy, and its hook runs again',
    run: async (t) => {
      const exec = { command: script('echo x >> /s/hooks; [ "$(wc -l < /s/hooks)" -gt 1 ]') };
      const { uid } = await runShared(t, { lifecycle: { postStart: { exec } } }, { restartPolicy: 'Always' });
      const { containers } = await t.podStatus(
        uid,
        ({ containers: [c] }) => c?.restartCount === 1 && c.state === 'running',
        'runs again',
      );
      assert.equal(containers[0]?.attempts.length, 2);
    },
  },
  'pre-stop': {
    title: 'a preStop hook runs before the stop signal',
    run: async (t) => {
      const command = script("trap 'echo term >> /s/order; exit 4' TERM; echo ready; sleep 100000 & wait $!");
      const exec = { command: script('sleep 0.2; echo hook >> /s/order') };
      const { uid, read } = await runShared(
        t,
        { command, lifecycle: { preStop: { exec } } },
        { terminationGracePeriodSeconds: 20 },
      );
      const [container] = (await t.runtime.getPodStatus({ uid })).containers;
      await t.says(container?.id.split('://')[1] ?? '', 'ready');
      await t.runtime.killPod({ uid });
      assert.equal(await read('order'), 'hook\nterm\n');
      assert.equal(lastAttempt(await t.runtime.getPodStatus({ uid }))?.exitCode, 4);
    },
  },
  'pre-stop-budget': {
    title: 'a preStop hook that takes the whole grace is told, and leaves the container 2 s for its end',
    run: async (t) => {
      const toldAtMs = told(t, 'FailedPreStopHook').then(() => Date.now());
      toldAtMs.catch(() => undefined);
      const exec = { command: sleepForever() };
      const { uid, read } = await runShared(t, {
        command: noteTerm('/s/term'),
        lifecycle: { preStop: { exec } },
      });
      const [container] = (await t.runtime.getPodStatus({ uid })).containers;
      await t.says(container?.id.split('://')[1] ?? '', 'ready');
      await t.runtime.killPod({ uid });
      const end = lastAttempt(await t.runtime.getPodStatus({ uid }));
      assert.match((await read('term')) ?? '', /^term\n/);
      assert.equal(end?.exitCode, 137);
      assert.ok((end?.finishedAtMs ?? 0) - (await toldAtMs) >= 1900, 'it has 2 s');
    },
  },
  'sidecar-grace': {
    title: 'a sidecar has 2 s for its own end when the containers before it have used up the grace',
    run: async (t) => {
      const volumeMounts = [{ name: 's', mountPath: '/s' }];
      const sidecar = { command: noteTerm('/s/term'), restartPolicy: 'Always', volumeMounts };
      const { uid, read } = await runShared(t, { command: ignoreTerm() }, { initContainers: [sidecar] });
      for (const container of ['i0', 'c0']) {
        await t.line(t.runtime.getContainerLogs({ uid, container }, { follow: true }), 'ready');
      }
      await t.runtime.killPod({ uid });
      assert.match((await read('term')) ?? '', /^term\n/);
    },
  },
  'pre-stop-fails': {
    title: 'a preStop hook that fails is told, and the container is stopped all the same',
    run: async (t) => {
      const failed = told(t, 'FailedPreStopHook');
      const { uid } = await runShared(
        t,
        {
          command: script("trap 'exit 4' TERM; echo ready; sleep 100000 & wait $!"),
          lifecycle: { preStop: { exec: { command: exitWith(9) } } },
        },
        { terminationGracePeriodSeconds: 60 },
      );
      await t.line(t.runtime.getContainerLogs({ uid }, { follow: true }), 'ready');
      await t.runtime.killPod({ uid });
      assert.match((await failed).message, /exit code 9/);
      assert.equal(lastAttempt(await t.runtime.getPodStatus({ uid }))?.exitCode, 4);
    },
  },
  'pre-stop-at-once': {
    title: 'a kill at once runs no preStop hook',
    run: async (t) => {
      const exec = { command: script('echo hook > /s/hook') };
      const { uid, read } = await runShared(t, { lifecycle: { preStop: { exec } } });
      await t.runtime.killPod({ uid }, { graceMs: 0 });
      assert.equal(await read('hook'), undefined);
    },
  },
  'stop-signal': {
    title: 'lifecycle.stopSignal takes the place of the image’s stop signal',
    run: async (t) => {
      const command = script("trap 'exit 6' USR1; echo ready; sleep 100000 & wait $!");
      const { uid } = await runShared(
        t,
        { command, lifecycle: { stopSignal: 'SIGUSR1' } },
        { terminationGracePeriodSeconds: 20, os: { name: 'linux' } },
      );
      const [container] = (await t.runtime.getPodStatus({ uid })).containers;
      await t.says(container?.id.split('://')[1] ?? '', 'ready');
      await t.runtime.killPod({ uid });
      assert.equal(lastAttempt(await t.runtime.getPodStatus({ uid }))?.exitCode, 6);
    },
  },
  'grace-override': {
    title: 'the grace of the call takes the place of the pod’s',
    run: async (t) => {
      const { uid } = await runShared(t, { command: ignoreTerm() }, { terminationGracePeriodSeconds: 1000 });
      const [container] = (await t.runtime.getPodStatus({ uid })).containers;
      await t.says(container?.id.split('://')[1] ?? '', 'ready');
      const before = Date.now();
      await t.soon(t.runtime.killPod({ uid }, { graceMs: 500 }), 'end of the pod');
      assert.ok(Date.now() - before >= 450, 'the grace was given in full');
      assert.equal(lastAttempt(await t.runtime.getPodStatus({ uid }))?.exitCode, 137);
    },
  },
  'grace-changed': {
    title: 'a grace that a sync has changed is that of the containers that run, too',
    run: async (t) => {
      const node = { hostNetwork: true };
      const pod = t.pod([{ command: ignoreTerm() }], { ...node, terminationGracePeriodSeconds: 1000 });
      const { uid } = await t.runPod(pod);
      await t.line(t.runtime.getContainerLogs({ uid }, { follow: true }), 'ready');
      const spec = { ...pod.spec, terminationGracePeriodSeconds: 1 };
      assert.deepEqual((await t.runtime.syncPod({ ...pod, spec })).actions, []);
      await t.soon(t.runtime.killPod({ uid }), 'end of the pod');
      assert.equal(lastAttempt(await t.runtime.getPodStatus({ uid }))?.exitCode, 137);
    },
  },
  message: {
    title: 'what a container writes to /dev/termination-log is the message of its end, whatever its code',
    run: async (t) => {
      assert.equal(
        await messageOf(t, script("printf 'out of $HOME' > /dev/termination-log; exit 3")),
        'out of $HOME',
      );
      assert.equal(await messageOf(t, script("printf 'all $(done)' > /dev/termination-log")), 'all $(done)');
      assert.equal(await messageOf(t, exitWith(3)), undefined);
    },
  },
  'message-path': {
    title: 'the message may have another path, and is cut after 4096 bytes',
    run: async (t) => {
      const command = script('i=0; while [ $i -lt 500 ]; do printf 0123456789; i=$((i + 1)); done > /why');
      const message = await messageOf(t, command, { terminationMessagePath: '/why' });
      assert.equal(message, '0123456789'.repeat(500).slice(0, 4096));
    },
  },
  'message-fallback': {
    title:
      'with FallbackToLogsOnError the end of the log is the message of a failure without words of its own',
    run: async (t) => {
      assert.equal(await messageOf(t, script('echo one; echo two; exit 1'), FALLBACK), 'one\ntwo\n');
      assert.equal(await messageOf(t, script('echo one; exit 0'), FALLBACK), undefined);
      const own = script('echo log; printf own > /dev/termination-log; exit 1');
      assert.equal(await messageOf(t, own, FALLBACK), 'own');
    },
  },
  'message-fallback-limits': {
    title: 'of the log at most the last 80 lines and 2048 bytes are taken',
    run: async (t) => {
      const lines = (from: number, to: number) =>
        Array.from({ length: to - from + 1 }, (_, index) => `${from + index}\n`).join('');
      assert.equal(await messageOf(t, script('seq 1 100; exit 1'), FALLBACK), lines(21, 100));
      const long = script(`i=0; while [ $i -lt 70 ]; do echo ${'x'.repeat(49)}; i=$((i + 1)); done; exit 1`);
      const message = (await messageOf(t, long, FALLBACK)) ?? '';
      assert.ok(
        message.length === 2048 && message.endsWith(`${'x'.repeat(49)}\n`),
        'it is the last 2048 bytes',
      );
    },
  },
  'message-of-each': {
    title: 'each attempt has its own message, also when the backend restarts',
    run: async (t) => {
      const said = '[ $n = 2 ] || printf "run $n" > /dev/termination-log';
      const command = script(
        `echo x >> /s/runs; n=$(wc -l < /s/runs); ${said}; [ $n = 3 ] && exit 0; exit 1`,
      );
      const { uid } = await runShared(t, { command }, { restartPolicy: 'OnFailure' });
      const ended = await t.podStatus(uid, ({ phase }) => phase === 'Succeeded', 'has succeeded');
      assert.deepEqual(ended.containers[0]?.attempts.map(({ message }) => message).slice(-2), [
        undefined,
        'run 3',
      ]);
      await t.restartAgent();
      assert.equal(lastAttempt(await t.runtime.getPodStatus({ uid }))?.message, 'run 3');
    },
  },
  deadline: {
    title: 'a pod is ended by its activeDeadlineSeconds, and has failed with DeadlineExceeded',
    run: async (t) => {
      const event = told(t, 'DeadlineExceeded');
      const activeDeadlineSeconds = deadlineSeconds(t);
      const quick = await runShared(t, { command: exitWith(0) }, { activeDeadlineSeconds });
      await t.podEnded(quick.uid);
      const { uid } = await runShared(
        t,
        { command: onTermExit(0) },
        { activeDeadlineSeconds, restartPolicy: 'Always' },
      );
      assert.equal((await event).object.uid, uid);
      const status = await t.podStatus(uid, ({ phase }) => phase === 'Failed', 'has failed');
      assert.equal(status.reason, 'DeadlineExceeded');
      assert.ok(status.message);
      const ended = await t.podEnded(uid);
      assert.equal(ended.containers[0]?.attempts.length, 1, 'it is not started again');
      const early = await t.runtime.getPodStatus({ uid: quick.uid });
      assert.deepEqual(
        [early.phase, early.reason],
        ['Succeeded', undefined],
        'what had ended before is left alone',
      );
    },
  },
  'deadline-over-agents': {
    title: 'the deadline counts from the pod’s start, over restarts of the agent',
    run: async (t) => {
      const activeDeadlineSeconds = deadlineSeconds(t);
      const { uid } = await runShared(t, {}, { activeDeadlineSeconds, restartPolicy: 'Always' });
      await t.restartAgent();
      const status = await t.podStatus(uid, ({ phase }) => phase === 'Failed', 'has failed');
      assert.equal(status.reason, 'DeadlineExceeded');
      const { finishedAtMs = 0 } = lastAttempt(await t.podEnded(uid)) ?? {};
      assert.ok(finishedAtMs >= status.createdAtMs + activeDeadlineSeconds * 1000);
    },
  },
  'deadline-starting': {
    title: 'a pod whose init containers take longer than its deadline is not started',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }], {
        hostNetwork: true,
        activeDeadlineSeconds: 1,
        initContainers: [{ command: sleepForever() }],
      });
      await t.rejects(t.runPod(pod), 'timeout');
      await t.rejects(t.runtime.getPodStatus({ uid: pod.metadata.uid }), 'not-found');
    },
  },
});
