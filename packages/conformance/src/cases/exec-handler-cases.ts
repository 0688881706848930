import assert from 'node:assert/strict';
import type { ContainerConfig, ExecOptions, PodSandboxConfig } from '@podwright/core';
import type { CaseContext } from '../case-context.js';
import { section } from '../conformance-case.js';
import { markedTime, script, sleepForever } from '../workloads.js';

const NAMESPACES = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'user', 'uts'] as const;
const CAPABILITY_SETS = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'] as const;

/** So that root may run commands in it whoever brings them in: there is no filter that could be missing. */
const UNFILTERED = { seccomp: { type: 'Unconfined' } } as const;

/** A container's first process and a command that sleeps in it, by their PIDs on the host. */
interface Pair {
  readonly first: number;
  readonly command: number;
}

/** Starts a container and a command in it that sleeps until the container ends. */
async function startPair(
  t: CaseContext,
  more: Partial<ContainerConfig>,
  options: Partial<ExecOptions> = {},
  sandbox: Partial<PodSandboxConfig> = {},
): Promise<Pair & { readonly id: string; readonly sandboxId: string }> {
  const sandboxId = await t.sandbox(sandbox);
  const id = await t.start(sandboxId, sleepForever(), more);
  const first = await t.firstProcess(id);
  const mark = markedTime();
  // No shell, which would add to the environment.
  await t.service.exec(id, { command: ['sleep', mark], ...options });
  const namespace = await t.kernel.readProcLink(first, 'ns/pid');
  // What brings it in may have the command in its own arguments, also when it is inside and not yet confined.
  const inside = await t.changing(async () => {
    for (const pid of await t.kernel.findProcesses(`sleep\0${mark}`)) {
      if ((await t.kernel.readProc(pid, 'cmdline')) !== `sleep\0${mark}\0`) continue;
      if ((await t.kernel.readProcLink(pid, 'ns/pid')) === namespace) return pid;
    }
    return undefined;
  }, 'the command among the processes of the host');
  return { first, command: inside, id, sandboxId };
}

async function status(t: CaseContext, pid: number): Promise<Readonly<Record<string, string>>> {
  const text = (await t.kernel.readProc(pid, 'status')) ?? '';
  return Object.fromEntries(
    text.split('\n').map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
    }),
  );
}

/** Asserts that the command has what the first process has. @returns that */
async function sameFields(t: CaseContext, { first, command }: Pair, fields: readonly string[]) {
  const [of, as] = [await status(t, command), await status(t, first)];
  for (const field of fields) assert.equal(of[field], as[field], field);
  return as;
}

async function isGone(t: CaseContext, pid: number): Promise<boolean> {
  return (await t.kernel.readProc(pid, 'cmdline')) === undefined;
}

/** Of the handler that brings commands into containers: what it gives them of what the container's first process has. */
export const execHandlerCases = section('exec-handler', {
  user: {
    title: "a command has the first process's user, group and supplemental groups",
    needs: ['kernel'],
    run: async (t) => {
      const security = { supplementalGroups: [4711, 4712] };
      const pair = await startPair(t, { image: t.images.nonroot, security });
      const { Uid, Groups = '' } = await sameFields(t, pair, ['Uid', 'Gid', 'Groups']);
      assert.equal(Uid, '1000\t1000\t1000\t1000');
      assert.match(Groups, /4711 4712/);
    },
  },
  environment: {
    title: "a command has the first process's environment, whatever the values are",
    needs: ['kernel'],
    run: async (t) => {
      const env = [
        { name: 'ODD', value: ' a\n$HOME "%n" \\ =\t\u00fc ' },
        { name: 'EMPTY', value: '' },
      ];
      const { first, command } = await startPair(t, { image: t.images.nonroot, env });
      const of = async (pid: number) => (await t.kernel.readProc(pid, 'environ'))?.split('\0').sort();
      assert.deepEqual(await of(command), await of(first));
      assert.ok((await of(first))?.includes('EMPTY='));
    },
  },
  directory: {
    title: "a command begins in the container's working directory",
    needs: ['kernel'],
    run: async (t) => {
      const { command } = await startPair(t, { image: t.images.nonroot, workingDir: '/tmp' });
      assert.equal(await t.kernel.readProcLink(command, 'cwd'), '/tmp');
    },
  },
  namespaces: {
    title: "a command is in all of the first process's namespaces",
    needs: ['kernel'],
    run: async (t) => {
      const { first, command } = await startPair(t, { image: t.images.nonroot }, {}, { network: 'pod' });
      for (const name of NAMESPACES) {
        const link = `ns/${name}`;
        assert.equal(await t.kernel.readProcLink(command, link), await t.kernel.readProcLink(first, link));
      }
      assert.equal(await t.kernel.readProcLink(command, 'root'), '/');
    },
  },
  'own-users': {
    title: "a command in a pod with users of its own is in them, also on a terminal, as the container's user",
    needs: ['kernel', 'userNamespaces'],
    run: async (t) => {
      for (const security of [UNFILTERED, { runAsUser: 1234 }]) {
        const pair = await startPair(
          t,
          { security },
          { tty: true },
          { network: 'pod', userNamespace: 'pod' },
        );
        const { Uid = '' } = await sameFields(t, pair, ['Uid', 'Gid', 'Groups', ...CAPABILITY_SETS]);
        assert.ok(Number(Uid.split('\t')[0]) >= 65_536, 'a user that the host does not have');
        for (const name of NAMESPACES) {
          const links = [pair.command, pair.first].map((pid) => t.kernel.readProcLink(pid, `ns/${name}`));
          assert.equal(await links[0], await links[1], name);
        }
      }
    },
  },
  cgroup: {
    title: "a command is in the container's cgroup of each hierarchy",
    needs: ['kernel'],
    run: async (t) => {
      const { first, command } = await startPair(t, { image: t.images.nonroot });
      const cgroup = await t.kernel.readProc(first, 'cgroup');
      assert.equal(await t.kernel.readProc(command, 'cgroup'), cgroup);
      assert.notEqual(cgroup, await t.kernel.readProc(1, 'cgroup'));
    },
  },
  'no-new-privileges': {
    title: 'a command in a container without privilege escalation has no_new_privs',
    needs: ['kernel'],
    run: async (t) => {
      const security = { ...UNFILTERED, allowPrivilegeEscalation: false };
      const { NoNewPrivs } = await sameFields(t, await startPair(t, { security }), ['NoNewPrivs']);
      assert.equal(NoNewPrivs, '1');
      await sameFields(t, await startPair(t, { security: UNFILTERED }), ['NoNewPrivs']);
    },
  },
  capabilities: {
    title: 'a command has the first process’s five sets of capabilities',
    needs: ['kernel'],
    run: async (t) => {
      for (const security of [
        UNFILTERED,
        { ...UNFILTERED, addCapabilities: ['NET_ADMIN', 'SYS_PTRACE'] },
        { ...UNFILTERED, dropCapabilities: ['ALL'] },
        { ...UNFILTERED, runAsUser: 1234 },
        { privileged: true },
      ]) {
        const pair = await startPair(t, { security });
        const { CapBnd } = await sameFields(t, pair, CAPABILITY_SETS);
        assert.equal(CapBnd === '0000000000000000', 'dropCapabilities' in security);
      }
    },
  },
  'resource-limits': {
    title: "a command has the container's resource limits",
    needs: ['kernel'],
    run: async (t) => {
      const rlimits = [
        { type: 'RLIMIT_NOFILE', soft: 321, hard: 432 },
        { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
      ];
      const { command } = await startPair(t, { image: t.images.nonroot, rlimits });
      const limits = (await t.kernel.readProc(command, 'limits')) ?? '';
      assert.match(limits, /^Max open files +321 +432 /m);
      assert.match(limits, /^Max core file size +0 +0 /m);
    },
  },
  'open-files': {
    title: 'a command can open as many files as the container, and not as the agent',
    needs: ['kernel'],
    run: async (t) => {
      const { first, command } = await startPair(t, { image: t.images.nonroot });
      const limitOf = async (process: number) =>
        /^Max open files +(\d+)/m.exec((await t.kernel.readProc(process, 'limits')) ?? '')?.[1];
      assert.equal(await limitOf(command), await limitOf(first));
    },
  },
  seccomp: {
    title: "a command has the container's seccomp filter, unless execGaps says that it has not",
    needs: ['kernel'],
    run: async (t) => {
      const pair = await startPair(t, { image: t.images.nonroot });
      const [of, as] = [await status(t, pair.command), await status(t, pair.first)];
      assert.equal(as['Seccomp'], '2', 'the container has a filter');
      const gap = t.service.features.execGaps.includes('seccomp');
      assert.equal(of['Seccomp_filters'] === as['Seccomp_filters'], !gap);
    },
  },
  refusal: {
    title: 'root without the filter of its container is refused, and the error names the handler that has it',
    needs: ['kernel', 'execRefusal'],
    run: async (t) => {
      const directory = await t.host.makeDirectory();
      const mounts = [{ hostPath: directory, containerPath: '/data' }];
      const id = await t.start(await t.sandbox(), sleepForever(), { mounts });
      const command = script('echo x > /data/run');
      const error = await t.rejects(t.service.execSync(id, command), 'unsupported');
      assert.match(error.message, /seccomp.*\boci\b.*allowUnconfined/);
      await t.rejects(t.service.exec(id, { command, tty: true, stdin: true }), 'unsupported');
      assert.equal(await t.host.readFile(`${directory}/run`), undefined, 'nothing was run');
    },
  },
  'refuses-no-other': {
    title: 'no command is refused that is as confined as its container, or that is not root',
    needs: ['kernel', 'execRefusal'],
    run: async (t) => {
      const sandboxId = await t.sandbox();
      for (const security of [{ privileged: true }, UNFILTERED, { runAsUser: 1234 }]) {
        const id = await t.start(sandboxId, sleepForever(), { security });
        assert.equal((await t.service.execSync(id, ['true'])).exitCode, 0);
      }
    },
  },
  'no-way-to-root': {
    title: 'a command that lacks the filter and is not root cannot become it through a set-user-id program',
    needs: ['kernel', 'execRefusal'],
    run: async (t) => {
      const { command } = await startPair(t, { image: t.images.nonroot });
      assert.equal((await status(t, command))['NoNewPrivs'], '1');
    },
  },
  'ends-with-container': {
    title: 'commands end with their container, also one on a terminal and one that left its session',
    needs: ['kernel'],
    run: async (t) => {
      const nonroot = { image: t.images.nonroot };
      const plain = await startPair(t, nonroot);
      const mark = markedTime();
      const left = script(`(setsid sleep ${mark} </dev/null >/dev/null 2>&1 &) ; exit 0`);
      await t.service.execSync(plain.id, left);
      const terminal = await startPair(t, nonroot, { tty: true });
      // It goes on by itself when the command that has begun it is over.
      await t.changing(
        async () => (await t.kernel.findProcesses(`sleep\0${mark}`)).length === 1 || undefined,
        'the command that left its session',
      );
      await t.service.stopContainer(plain.id, { graceMs: 0 });
      await t.service.stopPodSandbox(terminal.sandboxId);
      assert.ok(await isGone(t, plain.command));
      assert.ok(await isGone(t, terminal.command));
      assert.deepEqual(await t.kernel.findProcesses(mark), []);
    },
  },
});
