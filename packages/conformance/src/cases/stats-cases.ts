import assert from 'node:assert/strict';
import type { ContainerStats, PodStats, StatsOptions } from '@podwright/core';
import { filter, firstValueFrom, map, scan } from 'rxjs';
import type { CaseContext } from '../case-context.js';
import { section } from '../conformance-case.js';
import { exitWith, script, sleepForever } from '../workloads.js';

/** Reads again and again until the numbers are as wanted: what a container uses is not told when it changes. */
async function statsOf(
  t: CaseContext,
  id: string,
  wanted: (stats: ContainerStats) => boolean,
  what: string,
  options: StatsOptions = {},
): Promise<ContainerStats> {
  const read = async () => {
    for (;;) {
      const [stats] = await t.service.listContainerStats({ id }, options);
      if (stats && wanted(stats)) return stats;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  return t.soon(read(), what);
}

const cpuOf = (stats: PodStats | undefined) => stats?.cpu.usageNanoseconds ?? Number.NaN;
const podOf = (uid: string) => (all: readonly PodStats[]) => all.find(({ metadata }) => metadata.uid === uid);

/** What containers and pods use. */
export const statsCases = section('stats', {
  container: {
    title: 'a running container has numbers of its CPU, memory, processes and writable layer',
    needs: ['stats'],
    run: async (t) => {
      const sandboxId = await t.sandbox();
      const id = await t.start(sandboxId, sleepForever());
      const { podUid, metadata } = await t.service.containerStatus(id);
      const stats = await statsOf(
        t,
        id,
        ({ cpu, pids }) => cpu.usageNanoseconds > 0 && pids === 1,
        'CPU time is counted, and one process: what watches it is none of it',
      );
      assert.deepEqual(
        [stats.id, stats.sandboxId, stats.podUid, stats.name],
        [id, sandboxId, podUid, metadata.name],
      );
      assert.ok(stats.memory.workingSetBytes > 0 && stats.memory.usageBytes >= stats.memory.workingSetBytes);
      assert.ok(stats.writableLayer.mountpoint.startsWith('/'));
      assert.ok(Math.abs(stats.timestampMs - Date.now()) < 60_000, 'the time of the reading');
    },
  },
  'cpu-grows': {
    title: 'the CPU time of a container at work grows',
    needs: ['stats'],
    run: async (t) => {
      const id = await t.start(await t.sandbox(), script('while :; do sleep 0.01; done'));
      const first = await statsOf(t, id, ({ cpu }) => cpu.usageNanoseconds > 0, 'CPU time is counted');
      const more = ({ cpu, timestampMs }: ContainerStats) =>
        cpu.usageNanoseconds > first.cpu.usageNanoseconds && timestampMs > first.timestampMs;
      await statsOf(t, id, more, 'CPU time grows');
    },
  },
  processes: {
    title: 'the processes of a container are counted',
    needs: ['stats'],
    run: async (t) => {
      const id = await t.start(await t.sandbox(), script('sleep 1000 & sleep 1000 & wait'));
      await statsOf(t, id, ({ pids }) => pids >= 3, 'the shell and its two children are counted');
    },
  },
  'memory-available': {
    title: 'with a limit of memory there is what is left of it, without one there is none',
    needs: ['stats'],
    run: async (t) => {
      const sandboxId = await t.sandbox();
      const memoryLimitBytes = 64 * 1024 * 1024;
      const limited = await t.start(sandboxId, sleepForever(), { resources: { memoryLimitBytes } });
      const free = await t.start(sandboxId, sleepForever());
      const { memory } = await statsOf(t, limited, () => true, 'numbers');
      assert.equal(memory.availableBytes, memoryLimitBytes - memory.workingSetBytes);
      const others = await statsOf(t, free, () => true, 'numbers');
      assert.equal(others.memory.availableBytes, undefined);
    },
  },
  'writable-layer': {
    title: 'what a container writes into its root file system is in its writable layer',
    needs: ['stats'],
    run: async (t) => {
      const text = 'x'.repeat(50_000);
      const id = await t.start(await t.sandbox(), script(`printf '%s' ${text} > /written; sleep 100000`));
      const { writableLayer } = await statsOf(
        t,
        id,
        (stats) => stats.writableLayer.usedBytes >= text.length,
        'the file is counted',
      );
      assert.ok(writableLayer.usedBytes < text.length * 20, 'the layers of the image are not counted');
      assert.ok(writableLayer.inodesUsed >= 1);
    },
  },
  'running-only': {
    title: 'only running containers have numbers, newest first, by every filter',
    needs: ['stats'],
    run: async (t) => {
      const [one, other] = [await t.sandbox(), await t.sandbox()];
      const { id: ended } = await t.runToEnd(exitWith(0));
      const labels = { color: t.namespace };
      const first = await t.start(one, sleepForever());
      const second = await t.start(one, sleepForever(), { labels });
      const third = await t.start(other, sleepForever(), { labels });
      const { podUid } = await t.service.containerStatus(third);
      const of = async (...args: Parameters<typeof t.service.listContainerStats>) =>
        (await t.service.listContainerStats(...args)).map(({ id }) => id);
      const own = (ids: readonly string[]) => ids.filter((id) => [ended, first, second, third].includes(id));
      assert.deepEqual(own(await of()), [third, second, first]);
      assert.deepEqual(await of({ sandboxId: one }), [second, first]);
      assert.deepEqual(await of({ podUid }), [third]);
      assert.deepEqual(await of({ labels }), [third, second]);
      assert.deepEqual(await of({ id: first }), [first]);
      assert.deepEqual(await of({ id: ended }), []);
      assert.deepEqual(await of({ state: 'exited' }), []);
    },
  },
  sandbox: {
    title: 'a sandbox uses what its containers use, and has their numbers with it',
    needs: ['stats'],
    run: async (t) => {
      const id = await t.sandbox({ labels: { own: t.namespace } });
      const containers = [await t.start(id, sleepForever()), await t.start(id, sleepForever())];
      const stopped = await t.sandbox({ labels: { own: t.namespace } });
      await t.service.stopPodSandbox(stopped);
      const found = await t.service.listPodSandboxStats({ labels: { own: t.namespace } });
      assert.deepEqual(
        found.map((stats) => stats.id),
        [id],
        'only ready ones',
      );
      const [stats] = found;
      assert.ok(stats);
      const { metadata } = await t.service.podSandboxStatus(id);
      assert.deepEqual(stats.metadata, metadata);
      assert.deepEqual(
        stats.containers.map((container) => container.id),
        containers.toReversed(),
      );
      assert.equal(stats.pids, 2);
      assert.ok(stats.memory.workingSetBytes > 0);
      assert.deepEqual(await t.service.listPodSandboxStats({ id: stopped }), []);
      assert.equal((await t.service.listPodSandboxStats({ podUid: metadata.uid })).length, 1);
    },
  },
  network: {
    title: 'a pod has its network interfaces, without the loopback one, and none of the node',
    needs: ['stats'],
    run: async (t) => {
      const id = await t.sandbox({ network: 'pod' });
      const interfaces = async () => (await t.service.listPodSandboxStats({ id }))[0]?.network ?? [];
      const names = (await interfaces()).map(({ name }) => name);
      assert.ok(names.length > 0 && !names.includes('lo'), 'also before a container runs there');
      await t.start(id, sleepForever());
      for (const { name, rxBytes, txBytes, rxErrors, txErrors } of await interfaces()) {
        assert.ok(names.includes(name));
        for (const count of [rxBytes, txBytes, rxErrors, txErrors]) assert.ok(Number.isInteger(count));
      }
      const node = await t.sandbox({ network: 'node' });
      assert.deepEqual((await t.service.listPodSandboxStats({ id: node }))[0]?.network, []);
    },
  },
  detail: {
    title: 'the detail of a container and its pod is told when it is asked for, and else not',
    needs: ['stats'],
    run: async (t) => {
      const sandboxId = await t.sandbox({ network: 'pod' });
      const memoryLimitBytes = 64 * 1024 * 1024;
      const resources = { memoryLimitBytes, cpuLimitMillis: 500 };
      const id = await t.start(sandboxId, script('sleep 1000 & sleep 1000 & wait'), { resources });
      const { attempts } = await t.service.containerStatus(id);
      const plain = await statsOf(t, id, ({ pids }) => pids >= 3, 'the shell and its two children run');
      assert.equal(plain.detail, undefined);
      assert.equal((await t.service.listPodSandboxStats({ id: sandboxId }))[0]?.detail, undefined);
      // What still runs may be counted another time a moment later.
      const stats = await statsOf(
        t,
        id,
        ({ detail, pids }) => detail === undefined || detail.processes?.threadStates?.sleeping === pids,
        'all of them sleep',
        { detail: true },
      );
      const { cpu, memory, limits, processes, filesystem, startedAtMs } = stats.detail ?? {};
      assert.ok(Math.abs((startedAtMs ?? 0) - (attempts[0]?.startedAtMs ?? Number.NaN)) <= 1000);
      const { userNanoseconds = Number.NaN, systemNanoseconds = Number.NaN } = cpu ?? {};
      // They may be in whole seconds, and the time of both is read beside them.
      const seconds = Math.abs(userNanoseconds + systemNanoseconds - stats.cpu.usageNanoseconds) / 1e9;
      assert.ok(seconds <= 2, 'what is used is used in processes or in the kernel for them');
      assert.ok((memory?.cacheBytes ?? -1) >= 0 && (memory?.mappedFileBytes ?? -1) >= 0);
      assert.ok((memory?.maxUsageBytes ?? Number.POSITIVE_INFINITY) > 0);
      assert.deepEqual([memory?.limitHits, memory?.oomKills], [0, 0]);
      assert.equal(limits?.memoryBytes, memoryLimitBytes);
      const { cpuQuotaMicroseconds = 0, cpuPeriodMicroseconds = 1 } = limits ?? {};
      assert.equal(cpuQuotaMicroseconds / cpuPeriodMicroseconds, 0.5);
      assert.equal(processes?.processes, stats.pids, 'what watches the container is none of it');
      const { running = 0, sleeping = 0, uninterruptible = 0, stopped = 0 } = processes?.threadStates ?? {};
      assert.equal(running + sleeping + uninterruptible + stopped, stats.pids);
      assert.ok((processes?.fileDescriptors ?? 0) >= 3 * plain.pids, 'each has its standard streams');
      assert.ok((processes?.sockets ?? 0) <= (processes?.fileDescriptors ?? 0));
      assert.ok((filesystem?.capacityBytes ?? 0) > 0 && (filesystem?.device ?? '') !== '');
      const [pod] = await t.service.listPodSandboxStats({ id: sandboxId }, { detail: true });
      assert.ok(pod?.detail?.startedAtMs !== undefined && pod.detail.memory.cacheBytes !== undefined);
      assert.equal(pod.detail.processes, undefined, 'they are told of containers');
      assert.deepEqual(
        pod.containers.map(({ detail }) => detail?.processes?.processes),
        pod.containers.map(({ pids }) => pids),
      );
      for (const { name, rxPackets, rxDropped, txPackets, txDropped } of pod.network) {
        for (const count of [rxPackets, rxDropped, txPackets, txDropped])
          assert.ok(Number.isInteger(count), `packets of ${name}`);
      }
    },
  },
  'detail-pod': {
    title: 'stats of ContainerRuntime has the detail when it is asked for',
    needs: ['stats'],
    run: async (t) => {
      const { uid } = await t.runCommand(sleepForever());
      const { namespace } = t;
      const read = async (detail: boolean) => podOf(uid)(await t.runtime.stats({ namespace }, { detail }));
      assert.equal((await read(false))?.detail, undefined);
      const stats = await read(true);
      assert.ok(stats?.detail);
      assert.equal(stats.containers[0]?.detail?.processes?.processes, 1);
    },
  },
  pod: {
    title: 'stats of ContainerRuntime has running pods with their volumes, by namespace and labels',
    needs: ['stats'],
    run: async (t) => {
      const mount = { name: 'data', mountPath: '/data' };
      const pod = t.pod(
        [{ command: script('echo written > /data/file; sleep 100000'), volumeMounts: [mount] }],
        { hostNetwork: true, volumes: [{ name: 'data', emptyDir: {} }] },
        { labels: { own: 'yes' } },
      );
      const { uid } = await t.runPod(pod);
      const { uid: other } = await t.runCommand(sleepForever());
      const { uid: ended } = await t.runCommand(sleepForever());
      await t.runtime.killPod({ uid: ended }, { graceMs: 0 });
      const uids = async (...args: Parameters<typeof t.runtime.stats>) =>
        (await t.runtime.stats(...args)).map(({ metadata }) => metadata.uid);
      const { namespace } = t;
      assert.deepEqual(await uids({ namespace }), [other, uid]);
      assert.deepEqual(await uids({ namespace, labels: { own: 'yes' } }), [uid]);
      assert.deepEqual(await uids({ namespace: `${namespace}-other` }), []);
      const [stats] = await t.runtime.stats({ namespace, labels: { own: 'yes' } });
      assert.deepEqual(
        stats?.volumes.map(({ name }) => name),
        ['data'],
      );
      assert.equal(stats?.containers[0]?.name, 'c0');
    },
  },
  watch: {
    title: 'watchStats tells at once and then again and again, and ends when it is unsubscribed',
    needs: ['stats'],
    run: async (t) => {
      const { uid } = await t.runCommand(script('while :; do sleep 0.01; done'));
      const readings = t.runtime.watchStats({ namespace: t.namespace, intervalMs: 50 }).pipe(
        map(podOf(uid)),
        filter((stats) => stats !== undefined),
        scan((all: readonly PodStats[], stats) => [...all, stats], []),
        // Six, or more on a host so busy that the container had no time meanwhile.
        filter((all) => all.length >= 6 && cpuOf(all.at(-1)) > cpuOf(all[0])),
      );
      const seen = await t.soon(firstValueFrom(readings), 'six readings, with more CPU time in the last');
      const times = seen.map(({ timestampMs }) => timestampMs);
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      );
      // Five waits, less what a reading may take longer than another.
      assert.ok((times[5] ?? 0) - (times[0] ?? 0) >= 150, 'it waits between two readings');
    },
  },
  'watch-interval': {
    title: 'watchStats refuses an interval of nothing',
    needs: ['stats'],
    run: async (t) => {
      await t.rejects(firstValueFrom(t.runtime.watchStats({ intervalMs: 0 })), 'invalid-argument');
    },
  },
});
