import assert from 'node:assert/strict';
import { lastOf } from '../case-context.js';
import { section } from '../conformance-case.js';
import { exitWith, ignoreTerm, onTermExit, script, sleepForever } from '../workloads.js';

export const stopCases = section('stop', {
  handled: {
    title: 'a container that handles SIGTERM ends with its own code, well before its grace is over',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), onTermExit(3));
      await t.says(id, 'ready');
      await t.soon(t.service.stopContainer(id, { graceMs: 1_000_000 }), 'the stop');
      const status = await t.service.containerStatus(id);
      assert.equal(status.state, 'exited', 'a stop resolves when the container has ended');
      assert.equal(lastOf(status).exitCode, 3);
      assert.deepEqual(
        (await t.lines(id)).map(({ text }) => text),
        ['ready', 'bye'],
      );
    },
  },
  ignored: {
    title: 'a container that ignores SIGTERM is killed when its grace is over: 137, signal 9',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), ignoreTerm());
      await t.says(id, 'ready');
      const before = Date.now();
      await t.service.stopContainer(id, { graceMs: 300 });
      assert.ok(Date.now() - before >= 250, 'the grace was given in full');
      const { exitCode, signal, reason } = lastOf(await t.service.containerStatus(id));
      assert.deepEqual({ exitCode, signal, reason }, { exitCode: 137, signal: 9, reason: 'Error' });
    },
  },
  'own-grace': {
    title: "without a grace of its own, a stop gives the container's",
    run: async (t) => {
      const id = await t.start(await t.sandbox(), ignoreTerm(), { terminationGraceMs: 400 });
      await t.says(id, 'ready');
      const before = Date.now();
      await t.soon(t.service.stopContainer(id), 'the stop');
      assert.ok(Date.now() - before >= 350, 'the grace was given in full');
      assert.equal(lastOf(await t.service.containerStatus(id)).exitCode, 137);
    },
  },
  'no-grace': {
    title: 'a grace of 0 kills at once, also what would handle SIGTERM',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), onTermExit(3), { terminationGraceMs: 100_000 });
      await t.says(id, 'ready');
      await t.soon(t.service.stopContainer(id, { graceMs: 0 }), 'the stop');
      assert.equal(lastOf(await t.service.containerStatus(id)).exitCode, 137);
    },
  },
  'image-signal': {
    title: "the image's stop signal is sent when the container names none",
    run: async (t) => {
      const id = await t.start(await t.sandbox(), undefined, { image: t.images.signal });
      await t.says(id, 'ready');
      await t.soon(t.service.stopContainer(id, { graceMs: 100_000 }), 'the stop');
      assert.equal(lastOf(await t.service.containerStatus(id)).exitCode, 42);
    },
  },
  'own-signal': {
    title: "the container's stop signal wins over the image's",
    run: async (t) => {
      const more = { image: t.images.signal, stopSignal: 'SIGTERM' };
      const id = await t.start(await t.sandbox(), undefined, more);
      await t.says(id, 'ready');
      await t.soon(t.service.stopContainer(id, { graceMs: 100_000 }), 'the stop');
      assert.equal(lastOf(await t.service.containerStatus(id)).exitCode, 43);
    },
  },
  again: {
    title: 'stopping what has ended, was never started or is gone does nothing and changes nothing',
    run: async (t) => {
      const sandboxId = await t.sandbox();
      const id = await t.start(sandboxId, exitWith(7));
      const ended = await t.ended(id);
      await t.service.stopContainer(id);
      assert.deepEqual(await t.service.containerStatus(id), ended);
      const created = await t.service.createContainer(sandboxId, t.containerConfig({ command: exitWith(0) }));
      await t.service.stopContainer(created, { graceMs: 0 });
      assert.deepEqual((await t.service.containerStatus(created)).attempts, []);
      await t.service.removeContainer(id);
      await t.service.stopContainer(id);
      await t.service.stopContainer('0123456789abcdef');
    },
  },
  'at-once': {
    title: 'several stops of one container at once all succeed when it has ended',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), onTermExit(5));
      await t.says(id, 'ready');
      const stops = [1, 2, 3].map(() => t.service.stopContainer(id, { graceMs: 100_000 }));
      await t.soon(Promise.all(stops), 'the stops');
      assert.equal(lastOf(await t.service.containerStatus(id)).exitCode, 5);
    },
  },
  'all-processes': {
    title: 'when the first process ends, all others of the container end with it',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), script('sleep 100000 & echo ready; sleep 100000'));
      await t.says(id, 'ready');
      const session = await t.service.exec(id, { command: sleepForever() });
      await t.service.stopContainer(id, { graceMs: 0 });
      assert.equal(await t.soon(session.exitCode, 'the end of the command'), 137);
    },
  },
});

export const restartCases = section('restart', {
  always: {
    title: 'with Always a container is started again, whatever its code; every attempt is remembered',
    needs: ['supervisedRestart'],
    run: async (t) => {
      const directory = await t.host.makeDirectory();
      const mounts = [{ hostPath: directory, containerPath: '/data' }];
      const command = script(
        'echo x >> /data/runs; n=$(wc -l < /data/runs); echo "run $n"; [ "$n" -lt 3 ] && exit $((n - 1)); sleep 100000',
      );
      const more = { mounts, restart: { by: 'backend', policy: 'Always' } } as const;
      const id = await t.start(await t.sandbox(), command, more);
      const isThird = (attempts: readonly unknown[]) => attempts.length === 3;
      const status = await t.containerStatus(
        id,
        ({ attempts }) => isThird(attempts),
        'is in its third attempt',
      );
      assert.equal(status.state, 'running');
      assert.deepEqual(
        status.attempts.map(({ attempt }) => attempt),
        [0, 1, 2],
      );
      assert.deepEqual(
        status.attempts.map(({ exitCode }) => exitCode),
        [0, 1, undefined],
      );
      const starts = status.attempts.map(({ startedAtMs }) => startedAtMs);
      assert.deepEqual(
        starts,
        [...starts].sort((a, b) => a - b),
        'oldest first',
      );
    },
  },
  'on-failure': {
    title: 'with OnFailure a container is started again until it ends with 0',
    needs: ['supervisedRestart'],
    run: async (t) => {
      const directory = await t.host.makeDirectory();
      const mounts = [{ hostPath: directory, containerPath: '/data' }];
      const command = script('echo x >> /data/runs; n=$(wc -l < /data/runs); exit $((2 - n))');
      const more = { mounts, restart: { by: 'backend', policy: 'OnFailure' } } as const;
      const id = await t.start(await t.sandbox(), command, more);
      const status = await t.ended(id);
      assert.deepEqual(
        status.attempts.map(({ exitCode }) => exitCode),
        [1, 0],
      );
    },
  },
  never: {
    title: 'with Never, and with the caller in charge, a container ends for good',
    run: async (t) => {
      const sandboxId = await t.sandbox();
      const byCaller = await t.start(sandboxId, exitWith(1));
      assert.equal((await t.ended(byCaller)).attempts.length, 1);
      if (!t.service.features.supervisedRestart) return;
      const byBackend = await t.start(sandboxId, exitWith(1), {
        restart: { by: 'backend', policy: 'Never' },
      });
      assert.equal((await t.ended(byBackend)).attempts.length, 1);
    },
  },
  refused: {
    title: 'a backend that does not restart by itself says so when it is asked to',
    run: async (t) => {
      if (t.service.features.supervisedRestart) return;
      const sandboxId = await t.sandbox();
      await t.pull(t.images.busybox);
      const config = t.containerConfig({
        command: exitWith(1),
        restart: { by: 'backend', policy: 'Always' },
      });
      await t.rejects(t.service.createContainer(sandboxId, config), 'unsupported');
    },
  },
  'waiting-told': {
    title:
      'between two attempts a container is waiting, tells when it goes on, and the event of its end tells it too',
    needs: ['supervisedRestart'],
    run: async (t) => {
      const sandboxId = await t.sandbox();
      const exited = t.next(
        t.service.events,
        ({ type, sandboxId: of }) => type === 'container-exited' && of === sandboxId,
        'its end',
      );
      const id = await t.start(sandboxId, exitWith(1), { restart: { by: 'backend', policy: 'Always' } });
      const event = await exited;
      assert.ok(event.type === 'container-exited' && (event.restartInMs ?? -1) >= 0, 'the delay is told');
      const waiting = await t.containerStatus(id, ({ state }) => state === 'waiting', 'waits');
      assert.ok((waiting.nextStartAtMs ?? 0) >= (lastOf(waiting).finishedAtMs ?? Number.POSITIVE_INFINITY));
      assert.equal(waiting.reason, 'CrashLoopBackOff');
    },
  },
  'stop-means-stop': {
    title: 'a container that is stopped is not started again, also when it waits for its next attempt',
    needs: ['supervisedRestart'],
    run: async (t) => {
      const sandboxId = await t.sandbox();
      const restart = { by: 'backend', policy: 'Always' } as const;
      const running = await t.start(sandboxId, sleepForever(), { restart });
      await t.service.stopContainer(running, { graceMs: 0 });
      assert.equal((await t.service.containerStatus(running)).state, 'exited');
      assert.equal((await t.service.containerStatus(running)).attempts.length, 1);
      const crashing = await t.start(sandboxId, exitWith(1), { restart });
      await t.containerStatus(crashing, ({ state }) => state === 'waiting', 'waits');
      await t.service.stopContainer(crashing);
      const status = await t.service.containerStatus(crashing);
      assert.equal(status.state, 'exited');
      assert.equal(status.nextStartAtMs, undefined);
    },
  },
  'fresh-files': {
    title: 'each attempt begins with the files of the image',
    needs: ['supervisedRestart'],
    run: async (t) => {
      const directory = await t.host.makeDirectory();
      const mounts = [{ hostPath: directory, containerPath: '/data' }];
      const command = script(
        '[ -e /left ] && echo found >> /data/found; echo x > /left; echo x >> /data/runs; [ $(wc -l < /data/runs) -lt 2 ] && exit 1; sleep 100000',
      );
      const restart = { by: 'backend', policy: 'Always' } as const;
      const id = await t.start(await t.sandbox(), command, { mounts, restart });
      await t.containerStatus(id, ({ attempts }) => attempts.length === 2, 'is in its second attempt');
      await t.service.stopContainer(id, { graceMs: 0 });
      assert.equal(await t.host.readFile(`${directory}/found`), undefined);
    },
  },
});
