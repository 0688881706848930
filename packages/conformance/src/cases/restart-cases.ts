import assert from 'node:assert/strict';
import { section } from '../conformance-case.js';
import { lastOf } from '../log-lines.js';
import { exitWith, script, sleepForever } from '../workloads.js';

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
  'never-exited': {
    title: 'a container that is started again is told as exited at no moment in between',
    needs: ['supervisedRestart'],
    run: async (t) => {
      const id = await t.start(await t.sandbox(), exitWith(1), {
        restart: { by: 'backend', policy: 'OnFailure' },
      });
      const isThird = t.containerStatus(
        id,
        ({ attempts }) => attempts.length >= 3,
        'is in its third attempt',
      );
      let done = false;
      isThird.then(
        () => {
          done = true;
        },
        () => {
          done = true;
        },
      );
      const states = new Set<string>();
      while (!done) {
        states.add((await t.service.containerStatus(id)).state);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await isThird;
      assert.ok(!states.has('exited'), `its states were ${[...states].join(', ')}`);
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
