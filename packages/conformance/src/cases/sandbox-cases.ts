import assert from 'node:assert/strict';
import { section } from '../conformance-case.js';
import { exitWith, sleepForever } from '../workloads.js';

/** Values that have to come back byte for byte. */
export const awkwardMap = {
  'example.com/quotes': 'a "b" \'c\' `d` \\e',
  'example.com/percent': '100% %n %h',
  'example.com/dollar': '$HOME $$ $(x)',
  'example.com/lines': ' one\n\ttwo\n',
  'example.com/unicode': 'grüße 🐳',
  'example.com/empty': '',
};

export const sandboxCases = section('sandbox', {
  ready: {
    title: 'a new sandbox is ready, with what it was made of',
    run: async (t) => {
      const before = Date.now();
      const config = t.sandboxConfig({ labels: { app: 'x' }, annotations: awkwardMap });
      const id = await t.service.runPodSandbox(config);
      t.atEnd('sandbox', () => t.service.removePodSandbox(id));
      const status = await t.service.podSandboxStatus(id);
      assert.equal(status.id, id);
      assert.equal(status.state, 'ready');
      assert.deepEqual(status.metadata, config.metadata);
      assert.equal(status.network, 'node');
      assert.deepEqual(status.labels, { app: 'x' });
      assert.deepEqual(status.annotations, awkwardMap, 'annotations come back byte for byte');
      assert.ok(status.createdAtMs >= before - 1000 && status.createdAtMs <= Date.now() + 1000);
    },
  },
  'own-address': {
    title: 'every pod on a network of its own has another address',
    run: async (t) => {
      const ids = [await t.sandbox({ network: 'pod' }), await t.sandbox({ network: 'pod' })];
      const ips = await Promise.all(ids.map(async (id) => (await t.service.podSandboxStatus(id)).ips));
      assert.ok(
        ips.every((each) => each.length > 0),
        'a pod has an address',
      );
      assert.notDeepEqual(ips[0], ips[1]);
    },
  },
  twice: {
    title: 'a second sandbox of the same pod and attempt is refused; of the next attempt it is made',
    run: async (t) => {
      const config = t.sandboxConfig();
      const id = await t.service.runPodSandbox(config);
      t.atEnd('sandbox', () => t.service.removePodSandbox(id));
      await t.rejects(t.service.runPodSandbox(config), 'already-exists');
      assert.equal((await t.service.listPodSandboxes({ podUid: config.metadata.uid })).length, 1);
      const next = await t.sandbox({ metadata: { ...config.metadata, attempt: 1 } });
      assert.notEqual(next, id);
    },
  },
  'stop-ends-containers': {
    title: 'stopping a sandbox kills its containers at once and keeps its record',
    run: async (t) => {
      const id = await t.sandbox();
      const container = await t.start(id, sleepForever(), { terminationGraceMs: 100_000 });
      await t.service.stopPodSandbox(id);
      assert.equal((await t.service.podSandboxStatus(id)).state, 'not-ready');
      assert.equal((await t.ended(container)).attempts.at(-1)?.exitCode, 137);
    },
  },
  'stop-twice': {
    title: 'stopping a sandbox again, or one that is gone, does nothing',
    run: async (t) => {
      const id = await t.sandbox();
      await t.service.stopPodSandbox(id);
      await t.service.stopPodSandbox(id);
      await t.service.removePodSandbox(id);
      await t.service.stopPodSandbox(id);
    },
  },
  'stopped-takes-none': {
    title: 'a stopped sandbox takes no more containers',
    run: async (t) => {
      const id = await t.sandbox();
      await t.pull(t.images.busybox);
      await t.service.stopPodSandbox(id);
      await t.rejects(
        t.service.createContainer(id, t.containerConfig({ command: exitWith(0) })),
        'failed-precondition',
      );
    },
  },
  remove: {
    title: 'removing a sandbox removes its running containers too; doing it again does nothing',
    run: async (t) => {
      const id = await t.sandbox();
      const container = await t.start(id, sleepForever());
      await t.service.removePodSandbox(id);
      await t.rejects(t.service.podSandboxStatus(id), 'not-found');
      await t.rejects(t.service.containerStatus(container), 'not-found');
      assert.deepEqual(await t.service.listPodSandboxes({ id }), []);
      assert.deepEqual(await t.service.listContainers({ sandboxId: id }), []);
      await t.service.removePodSandbox(id);
    },
  },
  unknown: {
    title: 'the status of a sandbox that never was is an error of kind not-found',
    run: async (t) => void (await t.rejects(t.service.podSandboxStatus('0123456789abcdef'), 'not-found')),
  },
  list: {
    title: 'sandboxes are listed newest first, by id, pod, state and labels',
    run: async (t) => {
      const labels = { 'example.com/case': t.namespace };
      const first = await t.sandbox({ labels: { ...labels, tier: 'a' } });
      const second = await t.sandbox({ labels: { ...labels, tier: 'b' } });
      const third = await t.sandbox({ labels });
      await t.service.stopPodSandbox(third);
      const { metadata } = await t.service.podSandboxStatus(second);
      const ids = async (filter: Parameters<typeof t.service.listPodSandboxes>[0]) =>
        (await t.service.listPodSandboxes(filter)).map(({ id }) => id);
      assert.deepEqual(await ids({ labels }), [third, second, first]);
      assert.deepEqual(await ids({ labels: { ...labels, tier: 'b' } }), [second]);
      assert.deepEqual(
        await ids({ labels: { ...labels, tier: '' } }),
        [],
        'a label that is absent is not an empty one',
      );
      assert.deepEqual(await ids({ labels, state: 'ready' }), [second, first]);
      assert.deepEqual(await ids({ labels, state: 'not-ready' }), [third]);
      assert.deepEqual(await ids({ podUid: metadata.uid }), [second]);
      assert.deepEqual(await ids({ id: first }), [first]);
      assert.deepEqual(await ids({ id: first, state: 'not-ready' }), []);
    },
  },
  'port-in-use': {
    title: 'a host port serves one pod; a second one is refused and leaves nothing behind',
    run: async (t) => {
      const portMappings = [{ protocol: 'TCP', containerPort: 80, hostPort: 18_431 }] as const;
      const first = await t.sandbox({ network: 'pod', portMappings });
      const second = t.sandboxConfig({ network: 'pod', portMappings });
      await t.rejects(t.service.runPodSandbox(second), 'port-in-use');
      assert.deepEqual(await t.service.listPodSandboxes({ podUid: second.metadata.uid }), []);
      await t.service.stopPodSandbox(first);
      const id = await t.service.runPodSandbox(second);
      await t.service.removePodSandbox(id);
    },
  },
  'orphans-removed': {
    title: 'what belongs to nothing is removed and told',
    needs: ['orphans'],
    run: async (t) => {
      const isThere = await t.plantOrphan();
      assert.equal(await isThere(), true);
      const { removed, errors } = await t.service.removeOrphans({ graceMs: 0 });
      assert.deepEqual(errors, []);
      assert.ok(removed.length > 0, 'what was removed is told');
      assert.equal(await isThere(), false);
    },
  },
  'orphans-spared': {
    title: 'removing orphans touches nothing that is known',
    run: async (t) => {
      const id = await t.sandbox({ network: 'pod' });
      const container = await t.start(id, sleepForever());
      const { errors } = await t.service.removeOrphans({ graceMs: 0 });
      assert.deepEqual(errors, []);
      assert.equal((await t.service.podSandboxStatus(id)).state, 'ready');
      assert.equal((await t.service.containerStatus(container)).state, 'running');
      assert.equal((await t.service.execSync(container, ['true'])).exitCode, 0);
    },
  },
});
