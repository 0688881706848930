import assert from 'node:assert/strict';
import type { CaseContext } from '../case-context.js';
import { section } from '../conformance-case.js';
import { markedTime, script, sleepForever } from '../workloads.js';

const NAMESPACES = ['mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'] as const;

async function namespacesOf(t: CaseContext, containerId: string) {
  const pid = await t.kernel.hostPidOf(containerId);
  const links = await Promise.all(
    NAMESPACES.map(async (name) => [name, await t.kernel.readProcLink(pid, `ns/${name}`)] as const),
  );
  return Object.fromEntries(links) as Readonly<Record<(typeof NAMESPACES)[number], string>>;
}

async function hostNamespace(t: CaseContext, name: (typeof NAMESPACES)[number]) {
  return t.kernel.readProcLink(1, `ns/${name}`);
}

/** A field of /proc/PID/status of a container's first process. */
async function statusField(t: CaseContext, containerId: string, field: string): Promise<string> {
  const text = await t.kernel.readProc(await t.firstProcess(containerId), 'status');
  return (
    text
      ?.split('\n')
      .find((line) => line.startsWith(`${field}:`))
      ?.slice(field.length + 1)
      .trim() ?? ''
  );
}

const CAP_NET_BIND_SERVICE = 1n << 10n;
const CAP_SYS_ADMIN = 1n << 21n;
const CAP_NET_ADMIN = 1n << 12n;

export const kernelCases = section('kernel', {
  namespaces: {
    title:
      'containers of a pod share network, IPC and UTS namespaces and have mounts and processes of their own',
    needs: ['kernel'],
    run: async (t) => {
      const sandboxId = await t.sandbox({ network: 'pod' });
      const [a, b] = [await t.start(sandboxId, sleepForever()), await t.start(sandboxId, sleepForever())];
      const [first, second] = [await namespacesOf(t, a), await namespacesOf(t, b)];
      for (const name of ['net', 'ipc', 'uts'] as const) {
        assert.equal(first[name], second[name], name);
        assert.notEqual(first[name], await hostNamespace(t, name), name);
      }
      for (const name of ['mnt', 'pid'] as const) {
        assert.notEqual(first[name], second[name], name);
        assert.notEqual(first[name], await hostNamespace(t, name), name);
      }
    },
  },
  'node-namespaces': {
    title: "a pod on the node's network and IPC is in the node's namespaces",
    needs: ['kernel'],
    run: async (t) => {
      const id = await t.start(await t.sandbox({ network: 'node', ipc: 'node' }), sleepForever());
      const own = await namespacesOf(t, id);
      for (const name of ['net', 'ipc'] as const) assert.equal(own[name], await hostNamespace(t, name), name);
      assert.notEqual(own.mnt, await hostNamespace(t, 'mnt'));
    },
  },
  'node-processes': {
    title: "a pod with the node's processes is in the node's PID namespace",
    needs: ['kernel'],
    run: async (t) => {
      const id = await t.start(await t.sandbox({ pid: 'node' }), sleepForever());
      assert.equal((await namespacesOf(t, id)).pid, await hostNamespace(t, 'pid'));
    },
  },
  'exec-in-cgroup': {
    title: "a command and its children are in the container's cgroups and namespaces, and die with it",
    needs: ['kernel'],
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever());
      const mark = markedTime();
      // Both children are forked before it says that it is ready.
      const command = script(`sleep ${mark} & sleep ${mark} & echo ready; wait`);
      const session = await t.service.exec(id, { command });
      await t.soon(session.stdout[Symbol.asyncIterator]().next(), 'the command');
      const first = await t.kernel.hostPidOf(id);
      const [cgroup, namespace] = [
        await t.kernel.readProc(first, 'cgroup'),
        await t.kernel.readProcLink(first, 'ns/pid'),
      ];
      const isInside = (pid: number) =>
        t.kernel.readProcLink(pid, 'ns/pid').then(
          (link) => link === namespace,
          () => false, // gone meanwhile
        );
      // A process has no command line in the moment in which it becomes another program.
      const inside = await t.changing(async () => {
        const pids: number[] = [];
        for (const pid of await t.kernel.findProcesses(mark)) if (await isInside(pid)) pids.push(pid);
        return pids.length === 3 ? pids : undefined;
      }, 'the command and its two children in the container');
      for (const pid of inside) assert.equal(await t.kernel.readProc(pid, 'cgroup'), cgroup);
      await t.service.stopContainer(id, { graceMs: 0 });
      await t.soon(session.exitCode, 'the end of the command');
      assert.deepEqual(await t.kernel.findProcesses(mark), [], 'all of them are dead');
    },
  },
  capabilities: {
    title: 'a container has the usual capabilities, those added, and none that were dropped',
    needs: ['kernel'],
    run: async (t) => {
      const sandboxId = await t.sandbox();
      const effective = async (security: object) =>
        BigInt(`0x${await statusField(t, await t.start(sandboxId, sleepForever(), { security }), 'CapEff')}`);
      const usual = await effective({});
      assert.notEqual(usual & CAP_NET_BIND_SERVICE, 0n);
      assert.equal(usual & CAP_SYS_ADMIN, 0n);
      assert.notEqual((await effective({ addCapabilities: ['NET_ADMIN'] })) & CAP_NET_ADMIN, 0n);
      assert.equal(await effective({ dropCapabilities: ['ALL'] }), 0n);
      assert.equal(
        await effective({ dropCapabilities: ['ALL'], addCapabilities: ['CAP_NET_ADMIN'] }),
        CAP_NET_ADMIN,
      );
      assert.notEqual((await effective({ privileged: true })) & CAP_SYS_ADMIN, 0n);
    },
  },
  seccomp: {
    title: 'a container runs under the default seccomp profile, unless it is unconfined or privileged',
    needs: ['kernel'],
    run: async (t) => {
      const sandboxId = await t.sandbox();
      const mode = async (security: object) =>
        statusField(t, await t.start(sandboxId, sleepForever(), { security }), 'Seccomp');
      assert.equal(await mode({ seccomp: { type: 'RuntimeDefault' } }), '2');
      assert.equal(await mode({ seccomp: { type: 'Unconfined' } }), '0');
      assert.equal(await mode({ privileged: true }), '0');
    },
  },
  'no-new-privileges': {
    title: 'allowPrivilegeEscalation false sets no_new_privs',
    needs: ['kernel'],
    run: async (t) => {
      const security = { allowPrivilegeEscalation: false };
      const id = await t.start(await t.sandbox(), sleepForever(), { security });
      assert.equal(await statusField(t, id, 'NoNewPrivs'), '1');
    },
  },
  'devices-closed': {
    title: 'a container with CAP_MKNOD cannot open a device that it was not given',
    needs: ['kernel'],
    run: async (t) => {
      const command = script(
        'mknod /loop c 10 237 && (: < /loop) 2>/dev/null && echo opened || echo refused',
      );
      const { stdout } = await t.runToEnd(command, { security: { addCapabilities: ['MKNOD'] } });
      assert.deepEqual(stdout, ['refused']);
    },
  },
  'no-host-mounts': {
    title: "a running container adds no overlay to the host's mount table",
    needs: ['kernel'],
    run: async (t) => {
      const overlays = async () =>
        (await t.kernel.hostMounts()).split('\n').filter((line) => line.includes(' - overlay ')).length;
      const before = await overlays();
      await t.start(await t.sandbox(), sleepForever());
      assert.equal(await overlays(), before);
    },
  },
  limits: {
    title: 'limits of memory and processes hold on the host',
    needs: ['kernel'],
    run: async (t) => {
      const resources = { memoryLimitBytes: 64 * 1024 * 1024, pidsLimit: 50 };
      const id = await t.start(await t.sandbox(), sleepForever(), { resources });
      assert.equal(await t.kernel.limitOf(id, 'memory'), resources.memoryLimitBytes);
      assert.equal(await t.kernel.limitOf(id, 'pids'), resources.pidsLimit);
    },
  },
  'out-of-memory': {
    title: 'a container that takes more memory than its limit is killed, with the reason OOMKilled',
    needs: ['kernel'],
    run: async (t) => {
      const { exit } = await t.runToEnd(script('x=a; while :; do x="$x$x"; done'), {
        resources: { memoryLimitBytes: 16 * 1024 * 1024 },
      });
      assert.equal(exit.reason, 'OOMKilled');
      assert.equal(exit.exitCode, 137);
    },
  },
  'secrets-hidden': {
    title: "environment values are in no process's command line on the host",
    needs: ['kernel'],
    run: async (t) => {
      const value = `secret-${t.namespace}`;
      const env = [{ name: 'SECRET', value }];
      const id = await t.start(await t.sandbox(), sleepForever(), { env });
      assert.deepEqual(await t.kernel.findProcesses(value), []);
      const { stdout } = await t.service.execSync(id, script('echo "$SECRET"'));
      assert.equal(stdout.toString(), `${value}\n`);
    },
  },
  'nothing-left': {
    title: 'a removed sandbox leaves no process of its containers',
    needs: ['kernel'],
    run: async (t) => {
      const sandboxId = await t.sandbox({ network: 'pod' });
      const id = await t.start(sandboxId, sleepForever());
      const pid = await t.kernel.hostPidOf(id);
      await t.service.removePodSandbox(sandboxId);
      const cmdline = await t.kernel.readProc(pid, 'cmdline');
      assert.ok(cmdline === undefined || !cmdline.startsWith('sleep\0'));
      assert.deepEqual(await t.kernel.findProcesses(id), []);
    },
  },
  'masked-paths': {
    title: "files of the kernel that tell of the host are masked, and the host's settings are read-only",
    needs: ['kernel'],
    run: async (t) => {
      const { stdout } = await t.runToEnd(
        script(
          '[ -s /proc/kcore ] && echo seen || echo masked; (echo x > /proc/sys/kernel/core_pattern) 2>/dev/null && echo written || echo refused',
        ),
      );
      assert.deepEqual(stdout, ['masked', 'refused']);
    },
  },
});
