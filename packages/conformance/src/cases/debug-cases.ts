import assert from 'node:assert/strict';
import type { EphemeralContainer } from '@podwright/core';
import type { CaseContext } from '../case-context.js';
import { section } from '../conformance-case.js';
import { echoServer, exitWith, script, sleepForever } from '../workloads.js';

/** A running pod of one container, `c0`, with a network of its own. */
async function running(t: CaseContext, command = sleepForever(), spec = {}) {
  return t.runPod(t.pod([{ command }], spec));
}

function debug(t: CaseContext, more: Partial<EphemeralContainer> = {}): EphemeralContainer {
  return { name: 'debug', image: t.images.busybox, command: sleepForever(), ...more };
}

async function containerIn(t: CaseContext, uid: string, name: string) {
  const { containers } = await t.runtime.getPodStatus({ uid });
  return containers.find((container) => container.name === name);
}

export const debugCases = section('debug', {
  added: {
    title: 'a container can be added to a running pod; it is shown as ephemeral, and commands run in it',
    run: async (t) => {
      const { uid } = await running(t);
      await t.runtime.runEphemeralContainer({ uid }, debug(t));
      const added = await containerIn(t, uid, 'debug');
      assert.deepEqual([added?.kind, added?.state, added?.ready], ['ephemeral', 'running', false]);
      assert.equal((await containerIn(t, uid, 'c0'))?.kind, 'app');
      const { stdout } = await t.runtime.runInContainer({ uid, container: 'debug' }, ['echo', 'inside']);
      assert.equal(stdout.toString(), 'inside\n');
    },
  },
  'shared-network': {
    title: "it has the pod's network and host name",
    run: async (t) => {
      const { uid, name } = await running(t, echoServer(8080));
      await t.line(t.runtime.getContainerLogs({ uid, container: 'c0' }, { follow: true }), 'ready');
      await t.runtime.runEphemeralContainer({ uid }, debug(t));
      const command = script('hostname; echo hello | nc 127.0.0.1 8080');
      const { stdout } = await t.runtime.runInContainer({ uid, container: 'debug' }, command);
      assert.equal(stdout.toString(), `${name}\nhello\n`);
    },
  },
  'own-files': {
    title: 'it has files of its own image and not those of the others',
    run: async (t) => {
      const { uid } = await running(t);
      await t.runtime.runEphemeralContainer({ uid }, debug(t, { image: t.images.nonroot }));
      const look = script('cat /etc/passwd 2>/dev/null');
      const [own, other] = await Promise.all([
        t.runtime.runInContainer({ uid, container: 'debug' }, look),
        t.runtime.runInContainer({ uid, container: 'c0' }, look),
      ]);
      assert.match(own.stdout.toString(), /^app:/m);
      assert.doesNotMatch(other.stdout.toString(), /^app:/m);
    },
  },
  attached: {
    title: 'one with stdin and a terminal can be attached to',
    needs: ['attach'],
    run: async (t) => {
      const { uid } = await running(t);
      const command = script('read -r x; [ -t 0 ] && echo "terminal $x"; exit 3');
      await t.runtime.runEphemeralContainer({ uid }, debug(t, { command, stdin: true, tty: true }));
      const session = await t.runtime.attachContainer({ uid, container: 'debug' }, { stdin: true });
      const output = t.readAll(session.stdout);
      session.stdin?.write('here\n');
      assert.match(await output, /terminal here/);
      assert.deepEqual(await t.soon(session.ended, 'the end'), { type: 'exited', exitCode: 3 });
    },
  },
  'never-restarted': {
    title: 'it is never restarted, and its end does not end the pod',
    run: async (t) => {
      const { uid } = await running(t, sleepForever(), { restartPolicy: 'Always' });
      await t.runtime.runEphemeralContainer({ uid }, debug(t, { command: exitWith(6) }));
      const isOver = ({ containers }: Awaited<ReturnType<typeof t.runtime.getPodStatus>>) =>
        containers.some(({ name, state }) => name === 'debug' && state === 'exited');
      const status = await t.podStatus(uid, isOver, 'has a debug container that ended');
      const ended = status.containers.find(({ name }) => name === 'debug');
      assert.deepEqual(
        ended?.attempts.map(({ exitCode }) => exitCode),
        [6],
      );
      assert.equal(status.phase, 'Running');
      assert.equal(ended?.nextStartAtMs, undefined);
    },
  },
  'names-taken': {
    title: 'a name that a container of the pod has, or had, is an error of kind already-exists',
    run: async (t) => {
      const { uid } = await running(t);
      await t.rejects(t.runtime.runEphemeralContainer({ uid }, debug(t, { name: 'c0' })), 'already-exists');
      await t.runtime.runEphemeralContainer({ uid }, debug(t));
      await t.rejects(t.runtime.runEphemeralContainer({ uid }, debug(t)), 'already-exists');
    },
  },
  'no-pod': {
    title: 'without a running pod there is nothing to add to',
    run: async (t) => {
      await t.rejects(t.runtime.runEphemeralContainer({ name: 'none' }, debug(t)), 'not-found');
      const { uid } = await running(t);
      await t.runtime.killPod({ uid });
      await t.rejects(t.runtime.runEphemeralContainer({ uid }, debug(t)), 'failed-precondition');
    },
  },
  'nothing-left-of-failure': {
    title: 'one that cannot start leaves nothing, and its name is free',
    run: async (t) => {
      const { uid } = await running(t);
      const wrong = debug(t, { command: ['/no/such/program'] });
      await t.rejects(t.runtime.runEphemeralContainer({ uid }, wrong), 'container-start-failed');
      assert.equal(await containerIn(t, uid, 'debug'), undefined);
      await t.rejects(
        t.runtime.runEphemeralContainer({ uid }, debug(t, { image: t.images.absent })),
        'image-not-found',
        'unauthorized',
      );
      await t.runtime.runEphemeralContainer({ uid }, debug(t));
    },
  },
  'no-target': {
    title: 'processes of a container that is not there, or does not run, cannot be joined',
    run: async (t) => {
      const { uid } = await t.runPod(t.pod([{ command: sleepForever() }, { command: exitWith(0) }]));
      const isOver = ({ containers }: Awaited<ReturnType<typeof t.runtime.getPodStatus>>) =>
        containers.some(({ name, state }) => name === 'c1' && state === 'exited');
      await t.podStatus(uid, isOver, 'has a container that ended');
      const joining = (targetContainerName: string) =>
        t.runtime.runEphemeralContainer({ uid }, debug(t, { targetContainerName }));
      await t.rejects(joining('c1'), 'failed-precondition');
      await t.rejects(joining('none'), 'not-found');
      await joining('c0');
    },
  },
  'pid-target': {
    title: "a container's pidTarget has to run, in the same sandbox",
    run: async (t) => {
      const [one, two] = [await t.sandbox(), await t.sandbox()];
      const target = await t.start(one, sleepForever());
      const create = (sandboxId: string, pidTarget: string) =>
        t.service.createContainer(sandboxId, t.containerConfig({ command: sleepForever(), pidTarget }));
      await t.rejects(create(two, target), 'invalid-argument');
      await t.rejects(create(one, '0123456789abcdef'), 'not-found');
      const created = await create(one, target);
      await t.rejects(create(one, created), 'failed-precondition');
      await t.service.startContainer(created);
      assert.equal((await t.service.containerStatus(created)).state, 'running');
    },
  },
  'pid-target-own': {
    title: 'a pidTarget has to have a PID namespace of its own',
    run: async (t) => {
      const sandboxId = await t.sandbox({ pid: 'pod' });
      const create = async (pidTarget: string) =>
        t.service.createContainer(sandboxId, await t.readyConfig({ command: sleepForever(), pidTarget }));
      await t.rejects(create(await t.start(sandboxId, sleepForever())), 'failed-precondition');
      const own = await t.start(sandboxId, sleepForever(), { pid: 'container' });
      const joined = await create(own);
      await t.service.startContainer(joined);
      await t.rejects(create(joined), 'failed-precondition');
    },
  },
  'target-in-shared': {
    title: 'where the containers of a pod share their processes, one with a target sees them as all do',
    run: async (t) => {
      const { uid } = await running(t, sleepForever(), { shareProcessNamespace: true });
      const joining = (targetContainerName: string) =>
        t.runtime.runEphemeralContainer({ uid }, debug(t, { targetContainerName }));
      await t.rejects(joining('none'), 'not-found');
      await joining('c0');
      assert.equal((await containerIn(t, uid, 'debug'))?.state, 'running');
    },
  },
  'sees-processes': {
    title: 'one with a target sees its processes; without one it is alone; the others see neither',
    needs: ['kernel'],
    run: async (t) => {
      const { uid } = await running(t, script('sleep 54321'));
      await t.runtime.runEphemeralContainer({ uid }, debug(t, { targetContainerName: 'c0' }));
      await t.runtime.runEphemeralContainer({ uid }, debug(t, { name: 'alone' }));
      // A first process may be on its way to its program.
      const isFirst = (container: string, text: string) =>
        t.changing(async () => {
          const command = ['cat', '/proc/1/cmdline'];
          const { stdout } = await t.runtime.runInContainer({ uid, container }, command);
          return stdout.toString().includes(text) || undefined;
        }, `${text} as first process in ${container}`);
      await isFirst('debug', '54321');
      await isFirst('alone', '100000');
    },
  },
  'ends-with-target': {
    title: 'one that joined ends when its target does',
    needs: ['kernel'],
    run: async (t) => {
      const { uid } = await running(t);
      await t.runtime.runEphemeralContainer({ uid }, debug(t, { targetContainerName: 'c0' }));
      const id = (await t.service.listContainers({ podUid: uid })).find(
        ({ metadata }) => metadata.name === 'c0',
      )?.id;
      await t.service.stopContainer(id ?? '', { graceMs: 0 });
      const isOver = ({ containers }: Awaited<ReturnType<typeof t.runtime.getPodStatus>>) =>
        containers.some(({ name, state }) => name === 'debug' && state === 'exited');
      await t.podStatus(uid, isOver, 'has a debug container that ended');
    },
  },
  'synced-over': {
    title: 'a sync of the pod leaves it alone, and another agent knows it',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }]);
      const { uid } = await t.runPod(pod);
      await t.runtime.runEphemeralContainer({ uid }, debug(t));
      await t.restartAgent();
      const { actions } = await t.runtime.syncPod(pod);
      assert.deepEqual(actions, []);
      const known = await containerIn(t, uid, 'debug');
      assert.deepEqual([known?.kind, known?.state], ['ephemeral', 'running']);
    },
  },
  'removed-with-pod': {
    title: 'it is ended and removed with its pod',
    run: async (t) => {
      const { uid } = await running(t);
      await t.runtime.runEphemeralContainer({ uid }, debug(t));
      await t.runtime.removePod({ uid }, { graceMs: 0 });
      assert.deepEqual(await t.service.listContainers({ podUid: uid }), []);
    },
  },
});
