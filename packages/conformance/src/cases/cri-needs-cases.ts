import assert from 'node:assert/strict';
import { section } from '../conformance-case.js';
import { script, sleepForever } from '../workloads.js';

const MODES = { network: 'node', ipc: 'pod', pid: 'pod' } as const;

/** What else a kubelet asks of a runtime. */
export const criNeedsCases = section('kubelet', {
  resources: {
    title: 'the status has the limits as they are now',
    needs: ['updateResources'],
    run: async (t) => {
      const asked = { memoryLimitBytes: 64 * 1024 * 1024, cpuLimitMillis: 500 };
      const id = await t.start(await t.sandbox(), sleepForever(), { resources: asked });
      const told = async () => {
        const [listed] = await t.service.listContainers({ id });
        const { resources } = await t.service.containerStatus(id);
        assert.deepEqual(listed?.resources, resources);
        return { memoryLimitBytes: resources.memoryLimitBytes, cpuLimitMillis: resources.cpuLimitMillis };
      };
      assert.deepEqual(await told(), asked);
      await t.service.updateContainerResources(id, { cpuLimitMillis: 250 });
      assert.deepEqual(await told(), { ...asked, cpuLimitMillis: 250 });
    },
  },
  process: {
    title: 'the status has the first process of a container while it runs',
    needs: ['kernel'],
    run: async (t) => {
      const sandboxId = await t.sandbox();
      const id = await t.service.createContainer(sandboxId, await t.readyConfig({ command: sleepForever() }));
      assert.equal((await t.service.containerStatus(id)).processId, undefined);
      await t.service.startContainer(id);
      const { processId = assert.fail('it has a process') } = await t.service.containerStatus(id);
      assert.equal(await t.firstProcess(id), processId);
      await t.service.stopContainer(id, { graceMs: 0 });
      assert.equal((await t.service.containerStatus(id)).processId, undefined);
    },
  },
  user: {
    title: 'the status says whom a container runs as, with its image asked',
    run: async (t) => {
      const sandboxId = await t.sandbox();
      const root = await t.start(sandboxId, sleepForever());
      assert.equal((await t.service.containerStatus(root)).user?.uid, 0);
      const own = await t.start(sandboxId, sleepForever(), { image: t.images.nonroot });
      const { stdout } = await t.service.execSync(own, script('id -u; id -g'));
      const { uid, gid } = (await t.service.containerStatus(own)).user ?? {};
      assert.notEqual(uid, 0);
      assert.equal(stdout.toString(), `${uid}\n${gid}\n`);
      const asked = await t.start(sandboxId, sleepForever(), {
        security: { runAsUser: 1234, runAsGroup: 2345, supplementalGroups: [3456, 4567] },
      });
      const { user } = await t.service.containerStatus(asked);
      assert.deepEqual([user?.uid, user?.gid], [1234, 2345]);
      for (const group of [3456, 4567]) assert.ok(user?.supplementalGroups.includes(group));
    },
  },
  modes: {
    title: 'the status of a sandbox has its namespaces as they were asked for',
    run: async (t) => {
      const plain = await t.service.podSandboxStatus(await t.sandbox(MODES));
      assert.deepEqual({ network: plain.network, ipc: plain.ipc, pid: plain.pid }, MODES);
      assert.equal(plain.runtimeHandler, undefined);
    },
  },
  'runtime-handler': {
    title: 'a sandbox can have each runtime handler that the features name, and no other',
    run: async (t) => {
      for (const runtimeHandler of t.service.features.runtimeHandlers) {
        const sandboxId = await t.sandbox({ runtimeHandler });
        assert.equal((await t.service.podSandboxStatus(sandboxId)).runtimeHandler, runtimeHandler);
        await t.start(sandboxId, sleepForever());
      }
      const unknown = t.sandboxConfig({ runtimeHandler: 'no-such-handler' });
      await t.rejects(t.service.runPodSandbox(unknown), 'invalid-argument');
    },
  },
  'pid-own': {
    title: 'in a pod that shares its processes a container can have its own',
    needs: ['kernel'],
    run: async (t) => {
      const sandboxId = await t.sandbox({ pid: 'pod' });
      const shared = await t.start(sandboxId, sleepForever());
      const own = await t.start(sandboxId, sleepForever(), { pid: 'container' });
      const first = async (id: string) =>
        (await t.service.execSync(id, ['cat', '/proc/1/cmdline'])).stdout.toString();
      await t.changing(async () => /^sleep\0/.test(await first(own)) || undefined, 'its own first process');
      assert.doesNotMatch(await first(shared), /^sleep\0/);
    },
  },
  'pid-node': {
    title: 'a single container can see the processes of the node',
    needs: ['kernel'],
    run: async (t) => {
      const sandboxId = await t.sandbox();
      const node = await t.start(sandboxId, sleepForever(), { pid: 'node' });
      const own = await t.start(sandboxId, sleepForever());
      const link = async (id: string) => t.kernel.readProcLink(await t.kernel.hostPidOf(id), 'ns/pid');
      assert.equal(await link(node), await t.kernel.readProcLink(1, 'ns/pid'));
      assert.notEqual(await link(own), await link(node));
    },
  },
  'pid-refused': {
    title: 'a container cannot share the processes of a pod that shares none, nor have two PID namespaces',
    run: async (t) => {
      const sandboxId = await t.sandbox({ pid: 'container' });
      const config = await t.readyConfig({ command: sleepForever() });
      await t.rejects(t.service.createContainer(sandboxId, { ...config, pid: 'pod' }), 'failed-precondition');
      const pidTarget = await t.start(sandboxId, sleepForever());
      const two = { ...config, pidTarget, pid: 'container' } as const;
      await t.rejects(t.service.createContainer(sandboxId, two), 'invalid-argument');
      // Nothing was left of either.
      await t.service.createContainer(sandboxId, config);
    },
  },
  ids: {
    title: 'a pod gets the ids on the host that its caller allots',
    needs: ['userNamespaces', 'kernel'],
    run: async (t) => {
      const idMappings = [{ containerId: 0, hostId: 300_000, size: 65_536 }];
      const sandboxId = await t.sandbox({ network: 'pod', userNamespace: 'pod', idMappings });
      assert.deepEqual((await t.service.podSandboxStatus(sandboxId)).idMappings, idMappings);
      const id = await t.start(sandboxId, sleepForever(), { security: { runAsUser: 1000 } });
      const status = await t.kernel.readProc(await t.firstProcess(id), 'status');
      assert.equal(/^Uid:\t(\d+)/m.exec(status ?? '')?.[1], '301000');
    },
  },
  'ids-refused': {
    title: 'ids are allotted only to a pod with a user namespace of its own',
    run: async (t) => {
      const idMappings = [{ containerId: 0, hostId: 300_000, size: 65_536 }];
      await t.rejects(t.service.runPodSandbox(t.sandboxConfig({ idMappings })), 'invalid-argument');
    },
  },
  'volume-ids': {
    title: "a volume's files belong to the pod's users only where that is asked for",
    needs: ['userNamespaces'],
    run: async (t) => {
      const hostPath = await t.host.makeDirectory();
      await t.host.writeFile(`${hostPath}/there`, 'content\n');
      const id = await t.start(await t.sandbox({ network: 'pod', userNamespace: 'pod' }), sleepForever(), {
        mounts: [
          { hostPath, containerPath: '/mapped', idMapped: true },
          { hostPath, containerPath: '/plain' },
        ],
      });
      const { stdout } = await t.service.execSync(id, ['stat', '-c', '%u', '/mapped/there', '/plain/there']);
      assert.equal(stdout.toString(), '0\n65534\n');
    },
  },
  'host-path': {
    title: 'a directory of the host is made for a mount that asks for it, and for no other',
    run: async (t) => {
      const directory = await t.host.makeDirectory();
      const mount = { hostPath: `${directory}/a/b`, containerPath: '/data' };
      const sandboxId = await t.sandbox();
      await t.rejects(
        t.start(sandboxId, sleepForever(), { mounts: [mount] }),
        ...(['container-start-failed', 'not-found', 'invalid-argument'] as const),
        'not-found',
      );
      const id = await t.start(sandboxId, sleepForever(), { mounts: [{ ...mount, createHostPath: true }] });
      await t.service.execSync(id, script('echo made > /data/file'));
      assert.equal(await t.host.readFile(`${directory}/a/b/file`), 'made\n');
      // What is there is taken as it is.
      const file = { hostPath: `${directory}/a/b/file`, containerPath: '/file', createHostPath: true };
      const again = await t.start(sandboxId, sleepForever(), { mounts: [file] });
      assert.equal((await t.service.execSync(again, ['cat', '/file'])).stdout.toString(), 'made\n');
    },
  },
  'read-only-propagation': {
    title: 'a mount cannot be read-only with all below it, and take up mounts that come later',
    needs: ['recursiveReadOnly'],
    run: async (t) => {
      const mount = {
        hostPath: await t.host.makeDirectory(),
        containerPath: '/data',
        readOnly: true,
        recursiveReadOnly: true,
        propagation: 'host-to-container',
      } as const;
      const config = await t.readyConfig({ command: sleepForever(), mounts: [mount] });
      await t.rejects(t.service.createContainer(await t.sandbox(), config), 'invalid-argument');
    },
  },
});
