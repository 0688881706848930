import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { section } from '../conformance-case.js';
import { exitWith, script, sleepForever } from '../workloads.js';

const EVERYTHING = { minAgeMs: 0, maxPerPodContainer: 0, maxContainers: 0 };
/** Of pods and containers: only what has no owner is left to go. */
const NOTHING = { minAgeMs: 3_600_000, maxPerPodContainer: -1, maxContainers: -1 };

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
      const { errors } = await t.runtime.garbageCollect(
        {
          minAgeMs: 3_600_000,
          maxPerPodContainer: -1,
          maxContainers: -1,
        },
        { orphanGraceMs: 0 },
      );
      assert.deepEqual(errors, []);
      assert.equal(await isThere(), false);
    },
  },
  'dry-run': {
    title: 'a dry run tells what would go, the next collection removes just that',
    run: async (t) => {
      const ended = await t.runCommand(exitWith(0));
      await t.podEnded(ended.uid);
      const mixed = await t.runPod(
        t.pod([{ command: exitWith(0) }, { command: sleepForever() }], { hostNetwork: true }),
      );
      await t.podStatus(
        mixed.uid,
        ({ containers }) => containers.some(({ state }) => state === 'exited'),
        'has an end',
      );
      const dry = await t.runtime.garbageCollect(EVERYTHING, { dryRun: true, orphanGraceMs: 0 });
      assert.deepEqual(dry.errors, []);
      assert.equal(await t.runtime.getPodStatus({ uid: ended.uid }).then(({ phase }) => phase), 'Succeeded');
      assert.equal((await t.service.listContainers({ podUid: mixed.uid })).length, 2);
      const real = await t.runtime.garbageCollect(EVERYTHING, { orphanGraceMs: 0 });
      assert.deepEqual(real.errors, []);
      for (const what of real.removed) assert.ok(dry.removed.includes(what), `${what} was announced`);
      await t.rejects(t.runtime.getPodStatus({ uid: ended.uid }), 'not-found');
      assert.equal((await t.service.listContainers({ podUid: mixed.uid })).length, 1);
    },
  },
  'dry-run-orphans': {
    title: 'a dry run tells of what nobody owns and neither removes nor marks it',
    needs: ['orphans'],
    run: async (t) => {
      const isThere = await t.plantOrphan();
      for (const time of ['first', 'second']) {
        const { removed } = await t.runtime.garbageCollect(NOTHING, { dryRun: true, orphanGraceMs: 0 });
        assert.ok(removed.length > 0, `it is told the ${time} time`);
      }
      const { removed, marked } = await t.runtime.garbageCollect(NOTHING, { dryRun: true });
      assert.deepEqual(removed, []);
      assert.ok(marked.length > 0, 'with a grace it would only be marked');
      assert.equal(await isThere(), true);
      await t.service.removeOrphans({ graceMs: 0 });
      assert.equal(await isThere(), false);
    },
  },
  'orphans-marked': {
    title: 'what nobody owns is only marked at first',
    needs: ['orphans'],
    run: async (t) => {
      const isThere = await t.plantOrphan();
      const first = await t.runtime.garbageCollect(NOTHING);
      assert.deepEqual(first.errors, []);
      assert.ok(first.marked.length > 0, 'what was marked is told');
      for (const what of first.marked) assert.ok(!first.removed.includes(what), `${what} is not removed`);
      assert.equal(await isThere(), true);
      const second = await t.runtime.garbageCollect(NOTHING);
      for (const what of first.marked) assert.ok(second.marked.includes(what), `${what} is still spared`);
      assert.equal(await isThere(), true);
      const third = await t.service.removeOrphans({ graceMs: 0 });
      for (const what of first.marked) assert.ok(third.removed.includes(what), `${what} goes`);
      assert.deepEqual(third.marked, []);
      assert.equal(await isThere(), false);
    },
  },
  'orphans-grace': {
    title: 'the mark of what nobody owns outlives the agent, and its grace goes on',
    needs: ['orphans'],
    run: async (t) => {
      const isThere = await t.plantOrphan();
      const graceMs = 500;
      const { marked } = await t.service.removeOrphans({ graceMs });
      assert.ok(marked.length > 0, 'it is marked');
      await t.restartAgent();
      // Only time makes it due.
      await setTimeout(graceMs + 100);
      const { removed, errors } = await t.service.removeOrphans({ graceMs });
      assert.deepEqual(errors, []);
      for (const what of marked) assert.ok(removed.includes(what), `${what} goes without being marked again`);
      assert.equal(await isThere(), false);
    },
  },
  cancelled: {
    title: 'of several that are to go a call that is cancelled removes no more, and the next one does',
    run: async (t) => {
      const uids: string[] = [];
      for (let i = 0; i < 2; i++) {
        const { uid } = await t.runCommand(exitWith(0));
        await t.podEnded(uid);
        uids.push(uid);
      }
      const cancelled = t.runtime.garbageCollect(EVERYTHING, { signal: AbortSignal.abort() });
      await t.rejects(cancelled, 'cancelled');
      for (const uid of uids) await t.runtime.getPodStatus({ uid });
      await t.runtime.garbageCollect(EVERYTHING);
      for (const uid of uids) await t.rejects(t.runtime.getPodStatus({ uid }), 'not-found');
    },
  },
  volumes: {
    title: 'volumes of pods with a record stay, also when none of their containers is left',
    run: async (t) => {
      const volumes = [{ name: 'data', emptyDir: {} }];
      const volumeMounts = [{ name: 'data', mountPath: '/data' }];
      const command = script(
        'if [ -e /data/kept ]; then echo kept; else touch /data/kept; echo new; fi; exec sleep 100000',
      );
      const { uid } = await t.runPod(t.pod([{ command, volumeMounts }], { hostNetwork: true, volumes }));
      await t.line(t.runtime.getContainerLogs({ uid }, { follow: true }), 'new');
      await t.runtime.garbageCollect(EVERYTHING, { allSourcesReady: true, orphanGraceMs: 0 });
      const { stdout } = await t.runtime.runInContainer({ uid }, ['ls', '/data']);
      assert.equal(stdout.toString().trim(), 'kept');
    },
  },
});
