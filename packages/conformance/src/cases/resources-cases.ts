import assert from 'node:assert/strict';
import type { CaseContext } from '../case-context.js';
import { section } from '../conformance-case.js';
import { exitWith, script, sleepForever } from '../workloads.js';

const MIB = 1024 * 1024;

/** The limit of memory that holds for a running container, as its numbers have it. */
async function memoryLimit(t: CaseContext, id: string): Promise<number | undefined> {
  const [stats] = await t.service.listContainerStats({ id });
  assert.ok(stats, 'it runs');
  const { availableBytes, workingSetBytes } = stats.memory;
  return availableBytes === undefined ? undefined : availableBytes + workingSetBytes;
}

async function podMemoryLimit(t: CaseContext, podUid: string): Promise<number | undefined> {
  const [stats] = await t.service.listPodSandboxStats({ podUid });
  assert.ok(stats, 'it is ready');
  const { availableBytes, workingSetBytes } = stats.memory;
  return availableBytes === undefined ? undefined : availableBytes + workingSetBytes;
}

/** Limits, and how they are changed. */
export const resourceCases = section('resources', {
  update: {
    title: 'limits of a running container are changed live, and what is left out stays',
    needs: ['updateResources', 'stats'],
    run: async (t) => {
      const resources = { memoryLimitBytes: 64 * MIB, pidsLimit: 50 };
      const id = await t.start(await t.sandbox(), sleepForever(), { resources });
      await t.service.updateContainerResources(id, { memoryLimitBytes: 128 * MIB });
      assert.equal(await memoryLimit(t, id), 128 * MIB);
      assert.equal((await t.service.containerStatus(id)).attempts.length, 1, 'it was not restarted');
      await t.service.updateContainerResources(id, { cpuLimitMillis: 500 });
      assert.equal(await memoryLimit(t, id), 128 * MIB);
    },
  },
  'update-kernel': {
    title: "changed limits are the kernel's",
    needs: ['updateResources', 'kernel'],
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever(), {
        resources: { memoryLimitBytes: 64 * MIB, pidsLimit: 50 },
      });
      await t.service.updateContainerResources(id, { memoryLimitBytes: 32 * MIB, pidsLimit: 60 });
      assert.equal(await t.kernel.limitOf(id, 'memory'), 32 * MIB);
      assert.equal(await t.kernel.limitOf(id, 'pids'), 60);
    },
  },
  'update-created': {
    title: 'limits that are changed before the start hold from the start',
    needs: ['updateResources', 'stats'],
    run: async (t) => {
      const sandboxId = await t.sandbox();
      const config = t.containerConfig({ command: sleepForever() });
      if (!(await t.imageService.imageStatus(config.image))) await t.pull(config.image);
      const id = await t.service.createContainer(sandboxId, config);
      await t.service.updateContainerResources(id, { memoryLimitBytes: 48 * MIB });
      await t.service.startContainer(id);
      assert.equal(await memoryLimit(t, id), 48 * MIB);
    },
  },
  'update-restarted': {
    title: 'changed limits hold for the next attempt, also of another agent',
    needs: ['updateResources', 'stats', 'supervisedRestart'],
    run: async (t) => {
      const id = await t.start(await t.sandbox(), script('until [ -e /end ]; do sleep 0.05; done; exit 1'), {
        restart: { by: 'backend', policy: 'Always' },
        resources: { memoryLimitBytes: 64 * MIB },
      });
      await t.service.updateContainerResources(id, { memoryLimitBytes: 96 * MIB });
      await t.restartAgent();
      await t.service.execSync(id, ['touch', '/end']);
      await t.containerStatus(
        id,
        ({ state, attempts }) => state === 'running' && attempts.length === 2,
        'runs again',
      );
      assert.equal(await memoryLimit(t, id), 96 * MIB);
      await t.service.updateContainerResources(id, { pidsLimit: 100 });
      assert.equal(await memoryLimit(t, id), 96 * MIB, 'the record has it too');
    },
  },
  'update-too-low': {
    title: 'a limit below what a container uses is refused, and the one before holds',
    needs: ['updateResources', 'stats'],
    run: async (t) => {
      const id = await t.start(await t.sandbox(), script('sleep 1000 & sleep 1000 & wait'), {
        resources: { memoryLimitBytes: 64 * MIB },
      });
      await t.rejects(
        t.service.updateContainerResources(id, { memoryLimitBytes: 4096 }),
        'failed-precondition',
      );
      assert.equal(await memoryLimit(t, id), 64 * MIB);
      assert.equal((await t.service.containerStatus(id)).state, 'running');
    },
  },
  'update-wrong': {
    title: 'limits that make no sense are refused',
    needs: ['updateResources'],
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever(), {
        resources: { memoryLimitBytes: 64 * MIB },
      });
      for (const resources of [
        { memoryLimitBytes: -1 },
        { cpuLimitMillis: 0.5 },
        { pidsLimit: 0 },
        { memoryRequestBytes: 128 * MIB },
        { oomScoreAdj: 2000 },
        { cpusetCpus: 'all' },
      ]) {
        await t.rejects(t.service.updateContainerResources(id, resources), 'invalid-argument');
      }
    },
  },
  'create-wrong': {
    title: 'a container with limits that make no sense is not made',
    run: async (t) => {
      const sandboxId = await t.sandbox();
      await t.pull(t.images.busybox);
      const config = t.containerConfig({ resources: { memoryLimitBytes: 1024, memoryRequestBytes: 2048 } });
      await t.rejects(t.service.createContainer(sandboxId, config), 'invalid-argument');
      assert.deepEqual(await t.service.listContainers({ sandboxId }), []);
    },
  },
  'update-ended': {
    title: 'limits of a container that has ended, or is not there, cannot be changed',
    needs: ['updateResources'],
    run: async (t) => {
      const { id } = await t.runToEnd(exitWith(0));
      await t.rejects(t.service.updateContainerResources(id, { pidsLimit: 5 }), 'failed-precondition');
      await t.rejects(t.service.updateContainerResources('none', { pidsLimit: 5 }), 'not-found');
    },
  },
  'update-sandbox': {
    title: 'what the containers of a sandbox may use together is changed live',
    needs: ['updateResources', 'stats'],
    run: async (t) => {
      const id = await t.sandbox({ resources: { memoryLimitBytes: 64 * MIB } });
      await t.start(id, sleepForever());
      const { metadata } = await t.service.podSandboxStatus(id);
      assert.equal(await podMemoryLimit(t, metadata.uid), 64 * MIB);
      await t.service.updatePodSandboxResources(id, { memoryLimitBytes: 128 * MIB });
      assert.equal(await podMemoryLimit(t, metadata.uid), 128 * MIB);
      await t.rejects(t.service.updatePodSandboxResources(id, { memoryLimitBytes: 0 }), 'invalid-argument');
      await t.service.stopPodSandbox(id);
      await t.rejects(t.service.updatePodSandboxResources(id, { pidsLimit: 5 }), 'failed-precondition');
      await t.rejects(t.service.updatePodSandboxResources('none', { pidsLimit: 5 }), 'not-found');
    },
  },
  'update-pod': {
    title: 'limits changed through ContainerRuntime are in the manifest, and those of the pod follow',
    needs: ['updateResources', 'stats'],
    run: async (t) => {
      const resources = { limits: { memory: '64Mi' } };
      const pod = t.pod([{ command: sleepForever(), resources }], { hostNetwork: true });
      const { uid } = await t.runPod(pod);
      assert.equal(await podMemoryLimit(t, uid), 64 * MIB);
      const change = { memoryLimitBytes: 128 * MIB, cpuLimitMillis: 250, cpuRequestMillis: 100 };
      await t.runtime.updateContainerResources({ uid, container: 'c0' }, change);
      const { manifest, containers } = await t.runtime.getPodStatus({ uid });
      assert.deepEqual(manifest?.spec.containers[0]?.resources, {
        limits: { cpu: '250m', memory: String(128 * MIB) },
        requests: { cpu: '100m' },
      });
      assert.equal(await podMemoryLimit(t, uid), 128 * MIB);
      assert.equal(containers[0]?.restartCount, 0);
      assert.ok(manifest);
      assert.deepEqual((await t.runtime.syncPod(manifest)).actions, [], 'it is as its manifest says');
      const { actions } = await t.runtime.syncPod(pod);
      assert.deepEqual(
        actions.map(({ action, error }) => [action, error]),
        // The old manifest has no limit of CPU, and a limit is taken away by a restart only; the pod's follow.
        [
          ['kill-container', undefined],
          ['resize-pod', undefined],
          ['start-container', undefined],
        ],
      );
      assert.equal(await podMemoryLimit(t, uid), 64 * MIB);
    },
  },
  'sync-resize': {
    title: 'syncPod with other limits changes them live, and those of the pod with them',
    needs: ['updateResources', 'stats'],
    run: async (t) => {
      const podWith = (memory: string, metadata = {}) =>
        t.pod(
          [{ command: sleepForever(), resources: { limits: { memory } } }],
          { hostNetwork: true },
          metadata,
        );
      const pod = podWith('64Mi');
      const { uid } = await t.runPod(pod);
      const { name } = pod.metadata;
      const { actions } = await t.runtime.syncPod(podWith('96Mi', { uid, name }));
      assert.deepEqual(
        actions.map(({ action, error }) => [action, error]),
        [['resize-container', undefined]],
      );
      assert.equal(await podMemoryLimit(t, uid), 96 * MIB);
      const [container] = await t.service.listContainers({ podUid: uid });
      assert.ok(container);
      assert.equal(await memoryLimit(t, container.id), 96 * MIB);
    },
  },
  'sync-resize-pod': {
    title: 'syncPod with other limits or an overhead of the pod as a whole changes those live',
    needs: ['updateResources', 'stats'],
    run: async (t) => {
      const podWith = (spec: Readonly<Record<string, unknown>>, metadata = {}) =>
        t.pod([{ command: sleepForever() }], { hostNetwork: true, ...spec }, metadata);
      const pod = podWith({ resources: { limits: { memory: '64Mi' } } });
      const { uid } = await t.runPod(pod);
      const { name } = pod.metadata;
      const sync = async (spec: Readonly<Record<string, unknown>>) => {
        const { actions } = await t.runtime.syncPod(podWith(spec, { uid, name }));
        return actions.map(({ action, error }) => [action, error]);
      };
      const larger = { resources: { limits: { memory: '96Mi' } } };
      assert.deepEqual(await sync(larger), [['resize-pod', undefined]]);
      assert.equal(await podMemoryLimit(t, uid), 96 * MIB);
      assert.deepEqual(await sync(larger), []);
      const withOverhead = { ...larger, overhead: { memory: '8Mi' } };
      assert.deepEqual(await sync(withOverhead), [['resize-pod', undefined]]);
      assert.equal(await podMemoryLimit(t, uid), 104 * MIB);
    },
  },
  'sync-lift-pod': {
    title: 'syncPod takes a limit of the pod away when a container comes that has none, and gives it again',
    needs: ['updateResources', 'stats'],
    run: async (t) => {
      const limited = { command: sleepForever(), resources: { limits: { memory: '64Mi', cpu: '100m' } } };
      const pod = t.pod([limited], { hostNetwork: true });
      const { uid } = await t.runPod(pod);
      const sync = async (containers: Parameters<typeof t.pod>[0]) => {
        const { actions } = await t.runtime.syncPod(t.pod(containers, { hostNetwork: true }, pod.metadata));
        return actions.map(({ action, error }) => [action, error]);
      };
      assert.equal(await podMemoryLimit(t, uid), 64 * MIB);
      const starts = [
        ['resize-pod', undefined],
        ['start-container', undefined],
      ];
      assert.deepEqual(await sync([limited, { command: sleepForever() }]), starts);
      assert.equal(await podMemoryLimit(t, uid), undefined);
      assert.deepEqual(await sync([limited, { command: sleepForever() }]), []);
      await sync([limited]);
      assert.equal(await podMemoryLimit(t, uid), 64 * MIB);
    },
  },
  'update-pod-wrong': {
    title: 'limits that the manifest cannot have are refused, and nothing changes',
    needs: ['updateResources', 'stats'],
    run: async (t) => {
      const resources = { requests: { memory: '32Mi' }, limits: { memory: '64Mi' } };
      const { uid } = await t.runPod(t.pod([{ command: sleepForever(), resources }], { hostNetwork: true }));
      const update = t.runtime.updateContainerResources({ uid }, { memoryLimitBytes: 16 * MIB });
      await t.rejects(update, 'invalid-argument');
      assert.equal(await podMemoryLimit(t, uid), 64 * MIB);
      await t.rejects(
        t.runtime.updateContainerResources({ uid, container: 'none' }, { pidsLimit: 5 }),
        'not-found',
      );
    },
  },
  'oom-last-state': {
    title:
      'a container that is started again after it took too much memory says OOMKilled of its last attempt',
    needs: ['kernel'],
    run: async (t) => {
      const { uid } = await t.runPod(
        t.pod(
          [
            {
              command: script(
                '[ -e /data/again ] && sleep 100000; touch /data/again; x=a; while :; do x="$x$x"; done',
              ),
              resources: { limits: { memory: '16Mi' } },
              volumeMounts: [{ name: 'data', mountPath: '/data' }],
            },
          ],
          { hostNetwork: true, restartPolicy: 'Always', volumes: [{ name: 'data', emptyDir: {} }] },
        ),
      );
      const { containers } = await t.podStatus(
        uid,
        (status) => status.containers[0]?.restartCount === 1 && status.containers[0].state === 'running',
        'runs again',
      );
      const [first] = containers[0]?.attempts ?? [];
      assert.deepEqual([first?.reason, first?.exitCode], ['OOMKilled', 137]);
    },
  },
  'oom-score': {
    title: "the OOM killer's score of a pod without requests is the highest",
    needs: ['kernel'],
    run: async (t) => {
      const { uid } = await t.runCommand(sleepForever());
      const [container] = await t.service.listContainers({ podUid: uid });
      assert.ok(container);
      const pid = await t.kernel.hostPidOf(container.id);
      assert.equal((await t.kernel.readProc(pid, 'oom_score_adj'))?.trim(), '1000');
    },
  },
  hugepages: {
    title: 'a limit of huge pages is enforced, or refused with the name of what is missing',
    needs: ['kernel'],
    run: async (t) => {
      const sandboxId = await t.sandbox();
      await t.pull(t.images.busybox);
      const config = t.containerConfig({ resources: { hugepageLimits: { '2MB': 2 * MIB } } });
      const error = await t.rejects(t.service.createContainer(sandboxId, config), 'unsupported');
      assert.match(error.message, /hugetlb/);
    },
  },
});
