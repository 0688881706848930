import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { ContainerOptionsGenerator, type Device } from '@podwright/core';
import { ManifestContainerOptionsGenerator } from '@podwright/pods';
import { ContainerModule } from 'inversify';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { slowness } from '../slowness.js';
import { cgroupOf, hostPidOf, processes, statusField } from './support/processes.js';
import {
  makeAgentFolder,
  pullBusybox,
  removeAgentFolder,
  removeAllPods,
  startTestAgent,
  type TestAgent,
} from './support/test-agent.js';
import { backendId, containerOf, podStatusAtEnd, shell, testPod } from './support/test-pods.js';

const WAIT = { timeout: 20_000 * slowness };
const LOOP_CONTROL = { major: 10, minor: 237 };
/** What Docker and containerd give: bits of capabilities(7). */
const DEFAULT_CAPABILITIES = '00000000a80425fb';

let agent: TestAgent;
let devices: readonly Device[] = [];

beforeAll(async () => {
  // Devices are no part of the manifest: an agent gives them by its own generator.
  const generator = new ManifestContainerOptionsGenerator();
  const withDevices: ContainerOptionsGenerator = {
    generate: async (context) => ({ ...(await generator.generate(context)), devices }),
  };
  agent = await startTestAgent(await makeAgentFolder(), {
    modules: [
      new ContainerModule(async ({ rebind }) => {
        (await rebind(ContainerOptionsGenerator)).toConstantValue(withDevices);
      }),
    ],
  });
  await pullBusybox(agent);
});

afterEach(async () => {
  devices = [];
  await removeAllPods(agent);
});

afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await removeAgentFolder(agent.folder);
});

/** Runs a script as a container's only process; its output and exit code. */
async function outcomeOf(script: string, securityContext: Readonly<Record<string, unknown>> = {}) {
  const { uid } = await agent.runtime.runPod(testPod('trial', [shell('main', script, { securityContext })]));
  const status = await podStatusAtEnd(agent, uid);
  const lines: string[] = [];
  for await (const { line } of agent.runtime.getContainerLogs({ uid })) lines.push(line.toString());
  await agent.runtime.removePod({ uid });
  return { output: lines.join('\n'), exitCode: containerOf(status, 'main').attempts.at(-1)?.exitCode };
}

/** Runs a container that sleeps, and looks at it from outside. */
async function sleeping(container: Readonly<Record<string, unknown>> = {}, spec = {}) {
  const { uid } = await agent.runtime.runPod(
    testPod('sleeper', [{ name: 'main', command: ['sleep', '100001'], ...container }], spec),
  );
  const main = containerOf(await agent.runtime.getPodStatus({ uid }), 'main');
  const pid = await hostPidOf(agent, main);
  return { uid, pid, unit: `podwright-${backendId(main)}.service` };
}

describe('devices', () => {
  const open = (type: string, major: number, minor: number) =>
    `mknod /dev/tried ${type} ${major} ${minor} && echo made && exec 3<>/dev/tried && echo opened`;

  it.each([
    ['/dev/loop-control', 'c', 10, 237],
    ['/dev/kmsg', 'c', 1, 11],
    ['/dev/mem', 'c', 1, 1],
    ['/dev/fuse', 'c', 10, 229],
    ['/dev/loop0', 'b', 7, 0],
  ] as const)('a container with CAP_MKNOD cannot open %s', async (_path, type, major, minor) => {
    const script = `${open(type, major, minor)}`;
    const { output, exitCode } = await outcomeOf(script, { capabilities: { add: ['MKNOD'] } });
    expect(output).toMatch(/^made\n.*can't create \/dev\/tried: Operation not permitted$/);
    expect(exitCode).not.toBe(0);
  });

  it('a privileged one can: nothing but its confinement keeps the others from it', async () => {
    const { output } = await outcomeOf(open('c', LOOP_CONTROL.major, LOOP_CONTROL.minor), {
      privileged: true,
    });
    expect(output).toBe('made\nopened');
  });

  it('that were given work, as far as they were given', async () => {
    const path = '/dev/podwright-e2e';
    const { major, minor } = LOOP_CONTROL;
    await promisify(execFile)('mknod', [path, 'c', String(major), String(minor)]);
    onTestFinished(() => rm(path));
    devices = [
      { hostPath: path, containerPath: '/dev/both', permissions: 'rw' },
      { hostPath: path, containerPath: '/dev/also-read', permissions: 'r' },
    ];
    expect(await outcomeOf('exec 3<>/dev/both && echo opened')).toEqual({ output: 'opened', exitCode: 0 });
    devices = [{ hostPath: path, containerPath: '/dev/read', permissions: 'r' }];
    const { output } = await outcomeOf('exec 3</dev/read && echo read && exec 3<>/dev/read && echo written');
    expect(output).toMatch(/^read\n.*can't create \/dev\/read: Operation not permitted$/);
  });
});

describe('commands run in a container', () => {
  it('are in its cgroup with all their children, confined as it is, and die with it', async () => {
    const { uid, pid } = await sleeping();
    const script =
      'sleep 100002 & (sleep 100003 &) ; setsid sleep 100004 </dev/null >/dev/null 2>&1 & ' +
      "(setsid sh -c '(sleep 100005 &)' &) ; exit 0";
    const { exitCode } = await agent.runtime.runInContainer({ uid }, [
      'sh',
      '-c',
      `(${script}) >/dev/null 2>&1`,
    ]);
    expect(exitCode).toBe(0);
    const session = await agent.runtime.execInContainer({ uid }, { command: ['sleep', '100006'] });
    const findStarted = () => processes(({ command }) => /^sleep 10000[2-6]$/.test(command));
    await expect
      .poll(async () => (await findStarted()).map(({ command }) => command).sort(), WAIT)
      .toEqual([2, 3, 4, 5, 6].map((n) => `sleep 10000${n}`));
    const started = await findStarted();
    const cgroups = await readFile(`/proc/${pid}/cgroup`, 'utf8');
    for (const { pid: child } of started) {
      expect(await readFile(`/proc/${child}/cgroup`, 'utf8')).toBe(cgroups);
      for (const name of ['CapEff', 'CapBnd', 'CapPrm', 'Seccomp', 'NoNewPrivs', 'Uid', 'Gid']) {
        expect(`${name} ${await statusField(child, name)}`).toBe(`${name} ${await statusField(pid, name)}`);
      }
    }
    await agent.runtime.killPod({ uid }, { graceMs: 0 });
    expect(await session.exitCode).toBe(137);
    expect(await processes(({ command }) => /^sleep 10000[1-6]$/.test(command))).toEqual([]);
  });
});

describe('what a pod costs', () => {
  it("a container's unit holds conmon and its own processes, and a pod no process beside them", async () => {
    const own = await cgroupOf('self');
    const ofOthers = () => processes((_process, cgroup) => cgroup !== own);
    const before = new Set((await ofOthers()).map(({ pid }) => pid));
    const { uid } = await agent.runtime.runPod(
      testPod(
        'three',
        ['100011', '100012', '100013'].map((time) => ({ name: `c${time}`, command: ['sleep', time] })),
        { hostNetwork: false },
      ),
    );
    const status = await agent.runtime.getPodStatus({ uid });
    for (const container of status.containers) {
      await hostPidOf(agent, container);
      const unit = `podwright-${backendId(container)}.service`;
      const inUnit = await processes((_process, cgroup) => cgroup.split('/').includes(unit));
      expect(inUnit.map(({ command }) => command.replace(/ .*--api-version.*/, '')).sort()).toEqual([
        expect.stringMatching(/conmon$/),
        `sleep ${container.name.slice(1)}`,
      ]);
    }
    // Programs of the host that run a moment are none of the pod's.
    const made = async () => (await ofOthers()).filter(({ pid }) => !before.has(pid));
    await expect
      .poll(
        async () => (await made()).map(({ command }) => command.split(' ')[0]?.split('/').at(-1)).sort(),
        WAIT,
      )
      .toEqual(['conmon', 'conmon', 'conmon', 'sleep', 'sleep', 'sleep']);
  });

  it('no overlay of it is in the mount table of the host', async () => {
    const overlays = async () =>
      (await readFile('/proc/1/mountinfo', 'utf8')).split('\n').filter((line) => / - overlay /.test(line));
    const before = await overlays();
    const { uid } = await sleeping();
    expect((await agent.runtime.runInContainer({ uid }, ['mount'])).stdout.toString()).toMatch(
      /^overlay on \/ type overlay/m,
    );
    expect(await overlays()).toEqual(before);
  });
});

describe('the first process of a container, read from /proc', () => {
  const cases = [
    ['by default', {}, { CapEff: DEFAULT_CAPABILITIES, Seccomp: '2', NoNewPrivs: '0' }],
    [
      'without privilege escalation',
      { allowPrivilegeEscalation: false },
      { CapEff: DEFAULT_CAPABILITIES, Seccomp: '2', NoNewPrivs: '1' },
    ],
    [
      'with all capabilities dropped and two added',
      { capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE', 'CAP_KILL'] } },
      { CapEff: '0000000000000420', CapBnd: '0000000000000420', Seccomp: '2' },
    ],
    [
      'with a user of its own',
      { runAsUser: 1234, runAsGroup: 4321 },
      {
        CapEff: '0000000000000000',
        Seccomp: '2',
        Uid: '1234\t1234\t1234\t1234',
        Gid: '4321\t4321\t4321\t4321',
      },
    ],
    ['without seccomp', { seccompProfile: { type: 'Unconfined' } }, { Seccomp: '0', NoNewPrivs: '0' }],
  ] as const;

  it.each(cases)('%s', async (_case, securityContext, expected) => {
    const { pid } = await sleeping({ securityContext });
    const seen = await Promise.all(
      Object.keys(expected).map(async (name) => [name, await statusField(pid, name)]),
    );
    expect(Object.fromEntries(seen)).toEqual(expected);
  });
});
