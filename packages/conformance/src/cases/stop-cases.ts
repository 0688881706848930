import assert from 'node:assert/strict';
import { once } from 'node:events';
import { section } from '../conformance-case.js';
import { lastOf } from '../log-lines.js';
import { exitWith, ignoreTerm, onTermExit, script } from '../workloads.js';

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
  hurried: {
    title:
      'a stop with a shorter grace than that of one under way ends both when its own is over; a removal at once',
    run: async (t) => {
      const sandboxId = await t.sandbox();
      // The grace of the first is within its own time, and that of the second beyond it.
      for (const terminationGraceMs of [1_000_000, 1000]) {
        for (const hurry of ['stop', 'remove'] as const) {
          const id = await t.start(sandboxId, ignoreTerm(), { terminationGraceMs });
          await t.says(id, 'ready');
          const first = t.service.stopContainer(id, { graceMs: 900_000 });
          const second =
            hurry === 'stop' ? t.service.stopContainer(id, { graceMs: 0 }) : t.service.removeContainer(id);
          await t.soon(Promise.all([first, second]), `both stops, the second one a ${hurry}`);
          if (hurry === 'stop') assert.equal(lastOf(await t.service.containerStatus(id)).exitCode, 137);
        }
      }
    },
  },
  'all-processes': {
    title: 'when the first process ends, all others of the container end with it',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), script('sleep 100000 & echo ready; sleep 100000'));
      await t.says(id, 'ready');
      const session = await t.service.exec(id, { command: script('echo begun; exec sleep 100000') });
      await t.soon(once(session.stdout, 'data'), 'the command to begin');
      await t.service.stopContainer(id, { graceMs: 0 });
      assert.equal(await t.soon(session.exitCode, 'the end of the command'), 137);
    },
  },
});
