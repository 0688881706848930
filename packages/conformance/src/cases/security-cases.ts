import assert from 'node:assert/strict';
import { type ContainerSecurity, PodwrightError } from '@podwright/core';
import type { CaseContext } from '../case-context.js';
import { section } from '../conformance-case.js';
import { markedTime, script, sleepForever } from '../workloads.js';

/** What `id` says in a container of the image `nonroot`, whose user app (1000) is in the groups audio (29) and staff (1500). */
async function idsOf(t: CaseContext, security: ContainerSecurity) {
  const { stdout } = await t.runToEnd(script('id -u; id -g; id -G'), { image: t.images.nonroot, security });
  const [user, group, groups = ''] = stdout;
  return { user, group, groups: groups.split(' ').map(Number) };
}

/** Makes a container that has to be refused. */
async function refusal(t: CaseContext, security: ContainerSecurity): Promise<PodwrightError> {
  await t.pull(t.images.busybox);
  const sandboxId = await t.sandbox();
  const made = t.service.createContainer(sandboxId, t.containerConfig({ command: sleepForever(), security }));
  return made.then(
    () => assert.fail(`${JSON.stringify(security)} has to be refused`),
    (error: unknown) => (PodwrightError.is(error) ? error : assert.fail(String(error))),
  );
}

async function podIds(t: CaseContext, spec: object, container: object = {}) {
  const { uid } = await t.runPod(
    t.pod([{ image: t.images.nonroot, command: script('id -u; id -g; id -G'), ...container }], {
      hostNetwork: true,
      ...spec,
    }),
  );
  const status = await t.podEnded(uid);
  const id = status.containers[0]?.id.split('://')[1] ?? '';
  return (await t.lines(id)).map(({ text }) => text);
}

export const securityCases = section('security', {
  'image-user': {
    title: "without a word a container runs as its image's user, in that user's groups",
    run: async (t) => {
      const ids = await idsOf(t, {});
      assert.deepEqual([ids.user, ids.group], ['1000', '1000']);
      for (const group of [29, 1500]) assert.ok(ids.groups.includes(group), `${ids.groups}`);
    },
  },
  'user-number': {
    title: 'a user and a group by number win over the image',
    run: async (t) => {
      const ids = await idsOf(t, { runAsUser: 1234, runAsGroup: 4321 });
      assert.deepEqual([ids.user, ids.group], ['1234', '4321']);
    },
  },
  'user-name': {
    title: "a user by name is that of the image's passwd file",
    run: async (t) => {
      assert.equal((await idsOf(t, { runAsUserName: 'app' })).user, '1000');
      assert.equal((await idsOf(t, { runAsUserName: 'root' })).user, '0');
    },
  },
  'groups-merged': {
    title: "supplemental groups are added to those of the image's group file",
    run: async (t) => {
      const { groups } = await idsOf(t, { supplementalGroups: [7000] });
      for (const group of [29, 1500, 7000]) assert.ok(groups.includes(group), `${groups}`);
    },
  },
  'groups-strict': {
    title: 'with the policy Strict a container has the groups that are named, and no others',
    run: async (t) => {
      const { groups } = await idsOf(t, { supplementalGroups: [7000], supplementalGroupsPolicy: 'Strict' });
      assert.deepEqual(
        [...groups].sort((a, b) => a - b),
        [1000, 7000],
      );
    },
  },
  'pod-security': {
    title: "a pod's security context holds for its containers, and a container's own wins",
    run: async (t) => {
      const securityContext = {
        runAsUser: 2001,
        runAsGroup: 2002,
        supplementalGroups: [2003],
        fsGroup: 2004,
      };
      const [user, group, groups = ''] = await podIds(t, { securityContext });
      assert.deepEqual([user, group], ['2001', '2002']);
      assert.deepEqual(groups.split(' ').map(Number).sort(), [2002, 2003, 2004]);
      const own = await podIds(t, { securityContext }, { securityContext: { runAsUser: 3001 } });
      assert.deepEqual(own.slice(0, 2), ['3001', '2002']);
    },
  },
  'pod-groups-strict': {
    title: "a pod's supplementalGroupsPolicy Strict leaves out the groups of the image",
    run: async (t) => {
      const securityContext = { supplementalGroups: [2003], supplementalGroupsPolicy: 'Strict' };
      const [, , groups = ''] = await podIds(t, { securityContext });
      assert.deepEqual(groups.split(' ').map(Number).sort(), [1000, 2003]);
    },
  },
  'non-root': {
    title: 'runAsNonRoot refuses root, by number or by image, and lets others run',
    run: async (t) => {
      const kinds = ['invalid-argument', 'failed-precondition'];
      assert.ok(kinds.includes((await refusal(t, { runAsNonRoot: true })).kind));
      assert.ok(kinds.includes((await refusal(t, { runAsNonRoot: true, runAsUser: 0 })).kind));
      assert.equal((await idsOf(t, { runAsNonRoot: true })).user, '1000');
    },
  },
  'read-only-root': {
    title: 'a read-only root file system takes no files, a volume in it does',
    run: async (t) => {
      const hostPath = await t.host.makeDirectory();
      const { stdout } = await t.runToEnd(
        script('(echo x > /file) 2>/dev/null || echo refused; echo x > /data/file && echo written'),
        { security: { readOnlyRootFilesystem: true }, mounts: [{ hostPath, containerPath: '/data' }] },
      );
      assert.deepEqual(stdout, ['refused', 'written']);
    },
  },
  'privileged-contradiction': {
    title: 'privileged and allowPrivilegeEscalation: false contradict each other',
    run: async (t) => {
      const { kind } = await refusal(t, { privileged: true, allowPrivilegeEscalation: false });
      assert.equal(kind, 'invalid-argument');
    },
  },
  'app-armor-absent': {
    title: 'an AppArmor profile that cannot be is refused, never ignored; Unconfined needs none',
    run: async (t) => {
      const appArmor = { type: 'Localhost', localhostProfile: `podwright-${t.namespace}` } as const;
      const { kind, message } = await refusal(t, { appArmor });
      assert.ok(['unsupported', 'missing-requirement'].includes(kind), kind);
      assert.match(message, /AppArmor/);
      assert.equal((await idsOf(t, { appArmor: { type: 'Unconfined' } })).user, '1000');
    },
  },
  'sysctls-pod': {
    title: "kernel parameters of a pod hold for all of its containers, and not for another pod's",
    run: async (t) => {
      const read = ['cat', '/proc/sys/net/ipv4/ip_unprivileged_port_start'];
      const sysctls = { 'net.ipv4.ip_unprivileged_port_start': '77' };
      const sandboxId = await t.sandbox({ network: 'pod', sysctls });
      for (const id of [await t.start(sandboxId, sleepForever()), await t.start(sandboxId, sleepForever())]) {
        assert.equal((await t.service.execSync(id, read)).stdout.toString(), '77\n');
      }
      const other = await t.start(await t.sandbox({ network: 'pod' }), sleepForever());
      assert.notEqual((await t.service.execSync(other, read)).stdout.toString(), '77\n');
    },
  },
  'sysctls-node': {
    title: "a kernel parameter that is the node's is refused",
    run: async (t) => {
      const refused = (more: object) =>
        t.rejects(t.service.runPodSandbox(t.sandboxConfig(more)), 'invalid-argument');
      await refused({ network: 'pod', sysctls: { 'kernel.panic': '1' } });
      await refused({ network: 'node', sysctls: { 'net.core.somaxconn': '1' } });
      await refused({ network: 'pod', ipc: 'node', sysctls: { 'kernel.msgmax': '1' } });
    },
  },
  'sysctls-unsafe': {
    title: 'a pod that asks for a parameter that can harm others is refused, unless the agent allows it',
    run: async (t) => {
      const pod = (name: string) =>
        t.pod([{ command: sleepForever() }], {
          securityContext: { sysctls: [{ name, value: '1' }] },
        });
      await t.rejects(t.runPod(pod('net.core.somaxconn')), 'unsupported');
      const { uid } = await t.runPod(pod('net.ipv4.tcp_syncookies'));
      const { stdout } = await t.runtime.runInContainer({ uid }, [
        'cat',
        '/proc/sys/net/ipv4/tcp_syncookies',
      ]);
      assert.equal(stdout.toString(), '1\n');
    },
  },
  'shared-processes': {
    title: 'containers of a pod with shareProcessNamespace see each other’s processes',
    needs: ['kernel'],
    run: async (t) => {
      const sandboxId = await t.sandbox({ pid: 'pod' });
      const [a, b] = [
        await t.start(sandboxId, sleepForever()),
        await t.start(sandboxId, ['sleep', '100009']),
      ];
      const namespace = async (id: string) => t.kernel.readProcLink(await t.kernel.hostPidOf(id), 'ns/pid');
      assert.equal(await namespace(a), await namespace(b));
      // It may be on its way to its program.
      await t.changing(async () => {
        const { stdout } = await t.service.execSync(a, ['ps']);
        return /sleep 100009/.test(stdout.toString()) || undefined;
      }, 'the process of the other container');
    },
  },
  'shared-processes-end': {
    title: 'a container of a shared PID namespace ends with all its children, and the others run on',
    needs: ['kernel'],
    run: async (t) => {
      const sandboxId = await t.sandbox({ pid: 'pod' });
      const mark = markedTime();
      const a = await t.start(sandboxId, script(`sleep ${mark} & echo ready; wait`));
      const b = await t.start(sandboxId, sleepForever());
      await t.says(a, 'ready');
      const children = async (count: number) =>
        t.changing(
          async () => (await t.kernel.findProcesses(`sleep\0${mark}`)).length === count || undefined,
          `${count} children`,
        );
      await children(1);
      await t.service.stopContainer(a, { graceMs: 0 });
      // No PID namespace ends with it, so that a child that was killed may be about to die.
      await children(0);
      assert.equal((await t.service.containerStatus(b)).state, 'running');
      await t.service.removePodSandbox(sandboxId);
    },
  },
  'proc-unmasked': {
    title: 'empty lists of masked and read-only paths leave /proc as it is',
    needs: ['kernel'],
    run: async (t) => {
      const security = { maskedPaths: [], readOnlyPaths: [] };
      const id = await t.start(await t.sandbox(), sleepForever(), { security });
      const mounts = await t.kernel.readProc(await t.kernel.hostPidOf(id), 'mounts');
      assert.doesNotMatch(mounts ?? '', / \/proc\/(sys|kcore) /);
    },
  },
  'seccomp-missing': {
    title: 'a seccomp profile that is not there is an error that names it',
    needs: ['kernel'],
    run: async (t) => {
      const localhostPath = `none/${t.namespace}.json`;
      const { kind, message } = await refusal(t, { seccomp: { type: 'Localhost', localhostPath } });
      assert.equal(kind, 'not-found');
      assert.ok(message.includes(localhostPath), message);
    },
  },
});
