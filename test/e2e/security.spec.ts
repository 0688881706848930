import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PodContainer } from '@podwright/core';
import { COMPILED_SECCOMP_ANNOTATION } from '@podwright/oci';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { oldKernelLacks } from '../old-kernel.js';
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
import {
  backendId,
  containerOf,
  podStatusAtEnd,
  podStatusWhen,
  shell,
  testPod,
} from './support/test-pods.js';

/** Says `Y` where the kernel confines by AppArmor. */
const APP_ARMOR_ENABLED = '/sys/module/apparmor/parameters/enabled';
/** Ids of each pod with users of its own. */
const IDS = 65_536;
const WAIT = { timeout: 20_000 * slowness };
const OWN_USERS = { hostUsers: false, hostNetwork: false };

let agent: TestAgent;

beforeAll(async () => {
  agent = await startTestAgent(await makeAgentFolder());
  await pullBusybox(agent);
});

afterEach(() => removeAllPods(agent));

afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await removeAgentFolder(agent.folder);
});

async function sleeping(container: Readonly<Record<string, unknown>> = {}, spec = {}, name = 'sleeper') {
  const { uid } = await agent.runtime.runPod(
    testPod(name, [{ name: 'main', command: ['sleep', '100021'], ...container }], spec),
  );
  const main = containerOf(await agent.runtime.getPodStatus({ uid }), 'main');
  return { uid, main, pid: await hostPidOf(agent, main) };
}

async function run(uid: string, script: string): Promise<string> {
  const { stdout, stderr } = await agent.runtime.runInContainer({ uid }, ['sh', '-c', script]);
  return `${stdout}${stderr}`;
}

const runPod = (container: Readonly<Record<string, unknown>>, spec = {}) =>
  agent.runtime.runPod(testPod('refused', [{ name: 'main', command: ['true'], ...container }], spec));

describe('groups', () => {
  it('are those of the pod and its fsGroup', async () => {
    const securityContext = { runAsUser: 1234, runAsGroup: 7, supplementalGroups: [30, 40], fsGroup: 2000 };
    const { pid } = await sleeping({}, { securityContext });
    expect(await statusField(pid, 'Groups')).toBe('7 30 40 2000');
  });
});

describe('seccomp profiles of the host', () => {
  const profile = {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' }],
  };
  const localhost = (localhostProfile: string) => ({
    securityContext: { seccompProfile: { type: 'Localhost', localhostProfile } },
  });

  it('are found below their directory, and hold', async () => {
    const directory = join(agent.layout.stateDir, 'seccomp', 'profiles');
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'no-mkdir.json'), JSON.stringify(profile));
    const { uid, pid } = await sleeping(localhost('profiles/no-mkdir.json'));
    expect(await statusField(pid, 'Seccomp')).toBe('2');
    expect(await run(uid, 'mkdir /made')).toContain('Operation not permitted');
  });

  it('hold in the next containers too, which are given what the OCI runtime compiled for the first', async () => {
    const directory = join(agent.layout.stateDir, 'seccomp', 'profiles');
    await mkdir(directory, { recursive: true });
    // Its own, so that it was compiled for nobody before.
    const own = {
      ...profile,
      syscalls: [...profile.syscalls, { names: ['rmdir'], action: 'SCMP_ACT_ERRNO' }],
    };
    await writeFile(join(directory, 'again.json'), JSON.stringify(own));
    const container = {
      ...localhost('profiles/again.json'),
      command: ['sh', '-c', 'mkdir /by-the-first-process; exec sleep 100021'],
    };
    const { compiledSeccompDir, runtimeRoot } = agent.layout;
    const kept = async () => (await readdir(compiledSeccompDir).catch(() => [])).length;
    const before = await kept();
    const filterOf = (main: PodContainer) => readFile(join(runtimeRoot, backendId(main), 'seccomp.bpf'));
    const first = await filterOf((await sleeping(container, {}, 'first')).main);
    await expect.poll(kept, WAIT).toBe(before + 1);
    const { uid, main, pid } = await sleeping(container, {}, 'second');
    const document = JSON.parse(await readFile(agent.layout.container(backendId(main)).ociConfig, 'utf8'));
    expect(document.annotations).toEqual({ [COMPILED_SECCOMP_ANNOTATION]: first.toString('base64') });
    expect(await filterOf(main)).toEqual(first);
    expect(await statusField(pid, 'Seccomp')).toBe('2');
    expect(await run(uid, 'mkdir /by-a-command')).toContain('Operation not permitted');
    expect(await run(uid, 'ls /')).not.toContain('by-');
  });

  it('that are not there are named', async () => {
    const path = join(agent.layout.stateDir, 'seccomp', 'none.json');
    await expect(runPod(localhost('none.json'))).rejects.toMatchObject({
      kind: 'not-found',
      message: expect.stringContaining(path),
    });
  });
});

describe('facilities that this host lacks', () => {
  const lacks = (facility: string) => ({ kind: 'unsupported', details: { facility } });
  /** Debian's own kernel has AppArmor, but no profile `web`, and none is the default of containers. */
  const hasAppArmor =
    existsSync(APP_ARMOR_ENABLED) && readFileSync(APP_ARMOR_ENABLED, 'utf8').startsWith('Y');
  const noProfile = hasAppArmor ? { kind: 'missing-requirement' } : lacks('AppArmor');

  it.each([
    ['AppArmor', { appArmorProfile: { type: 'RuntimeDefault' } }, noProfile],
    ['AppArmor', { appArmorProfile: { type: 'Localhost', localhostProfile: 'web' } }, noProfile],
    ['SELinux', { seLinuxOptions: { level: 's0:c1' } }, lacks('SELinux')],
  ])('are named: %s', async (_facility, securityContext, error) => {
    await expect(runPod({ securityContext })).rejects.toMatchObject(error);
  });
});

describe('kernel parameters', () => {
  const sysctls = (...names: string[]) => ({
    hostNetwork: false,
    securityContext: { sysctls: names.map((name) => ({ name, value: '1024 65000' })) },
  });

  it('of the pod’s own namespaces are set for all its containers', async () => {
    const { uid } = await sleeping({}, sysctls('net.ipv4.ip_local_port_range'));
    expect(await run(uid, 'cat /proc/sys/net/ipv4/ip_local_port_range')).toMatch(/^1024\s+65000$/m);
  });

  it('that are not safe are refused, and the message says how to allow them', async () => {
    await expect(runPod({}, sysctls('net.core.somaxconn'))).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringContaining('allowedUnsafeSysctls'),
    });
  });
});

describe('shared processes', () => {
  const spec = { shareProcessNamespace: true, restartPolicy: 'Always' };
  const pod = () =>
    testPod(
      'shared',
      ['100031', '100032'].map((time) => ({ name: `c${time}`, command: ['sleep', time] })),
      spec,
    );

  it('are seen by all containers, and the first one is in a unit of the pod’s slice', async () => {
    const { uid } = await agent.runtime.runPod(pod());
    const status = await agent.runtime.getPodStatus({ uid });
    const pids = await Promise.all(status.containers.map((container) => hostPidOf(agent, container)));
    const namespaces = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/ns/pid`)));
    expect(new Set(namespaces).size).toBe(1);
    const { stdout } = await agent.runtime.runInContainer({ uid, container: 'c100031' }, ['ps']);
    expect(stdout.toString()).toContain('sleep 100032');
    const infra = await processes((_process, cgroup) => cgroup.includes('/podwright-infra-'));
    const cgroup = await cgroupOf(infra[0]?.pid ?? 0);
    expect(cgroup).toMatch(/podwright-pod[^/]*\.slice\/podwright-infra-.*\.service$/);
    await agent.runtime.removePod({ uid });
    expect(await processes((_process, other) => other === cgroup)).toEqual([]);
  });

  it('whose first one dies have a new sandbox after a sync', async () => {
    const shared = pod();
    const { uid } = await agent.runtime.runPod(shared);
    const infra = await processes(
      ({ command }, cgroup) => cgroup.includes('/podwright-infra-') && !command.startsWith('unshare'),
    );
    for (const { pid } of infra) process.kill(pid, 'SIGKILL');
    const sandboxes = () => agent.service.listPodSandboxes({ podUid: uid });
    await expect.poll(async () => (await sandboxes()).at(-1)?.state, WAIT).toBe('not-ready');
    await agent.runtime.syncPod(shared);
    await podStatusWhen(agent, uid, ({ containers }) => containers.every(({ state }) => state === 'running'));
    const [newest, ...others] = await sandboxes();
    expect(newest).toMatchObject({ state: 'ready', metadata: { attempt: 1 } });
    expect(others.every(({ state }) => state === 'not-ready')).toBe(true);
  });
});

function ownUsers(): void {
  it('root is nobody on the host, and nothing is changed on disk', async () => {
    const { uid, pid } = await sleeping({}, OWN_USERS);
    const map = (await readFile(`/proc/${pid}/uid_map`, 'utf8')).trim().split(/\s+/).map(Number);
    expect(map[0]).toBe(0);
    expect(map[1]).toBeGreaterThanOrEqual(IDS);
    expect(map[2]).toBe(IDS);
    expect(await readFile(`/proc/${pid}/gid_map`, 'utf8')).toBe(
      await readFile(`/proc/${pid}/uid_map`, 'utf8'),
    );
    expect((await statusField(pid, 'Uid')).split('\t')[0]).toBe(String(map[1]));
    expect(await readlink(`/proc/${pid}/ns/user`)).not.toBe(await readlink('/proc/1/ns/user'));
    expect(await run(uid, 'id -u; stat -c %u:%g /bin/busybox /bin /etc/hosts /etc/resolv.conf')).toBe(
      '0\n0:0\n0:0\n0:0\n0:0\n',
    );
    const layers = await stat(join(agent.folder, 'images'));
    expect(layers.uid).toBe(0);
  });

  it('each pod has other ones', async () => {
    const [one, two] = [await sleeping({}, OWN_USERS, 'one'), await sleeping({}, OWN_USERS, 'two')];
    const [first, second] = await Promise.all(
      [one, two].map(async ({ pid }) => Number((await statusField(pid, 'Uid')).split('\t')[0])),
    );
    expect(Math.abs((first ?? 0) - (second ?? 0))).toBeGreaterThanOrEqual(IDS);
  });

  it('it works as any other: files, users, streams, logs, exit codes, the network', async () => {
    const script =
      'echo new >/made && chown 5:6 /made && stat -c %u:%g /made; echo out >/dev/stdout; echo err >/dev/stderr; ' +
      'su -s /bin/sh nobody -c id 2>/dev/null; ip addr show eth0 | grep -c inet; echo bye >/dev/null; exit 7';
    const { uid } = await agent.runtime.runPod(testPod('users', [shell('main', script)], OWN_USERS));
    const status = await podStatusAtEnd(agent, uid);
    const lines: string[] = [];
    for await (const { line } of agent.runtime.getContainerLogs({ uid })) lines.push(line.toString());
    expect(lines).toEqual(expect.arrayContaining(['5:6', 'out', 'err']));
    expect(containerOf(status, 'main').attempts.at(-1)?.exitCode).toBe(7);
  });

  it('does not give the host’s /dev/null to the pod', async () => {
    const { uid } = await sleeping({}, OWN_USERS);
    await run(uid, 'chmod 0600 /dev/null; echo x >/dev/null');
    const { uid: owner, mode } = await stat('/dev/null');
    expect([owner, mode & 0o777]).toEqual([0, 0o666]);
  });

  it('shows volumes with the pod’s ids, whoever owns them on the host', async () => {
    const directory = await mkdtemp('/run/podwright-volume-');
    onTestFinished(() => rm(directory, { recursive: true }));
    await writeFile(join(directory, 'of-root'), 'content\n');
    const volumes = [
      { name: 'host', hostPath: { path: directory } },
      { name: 'disk', emptyDir: {} },
      { name: 'memory', emptyDir: { medium: 'Memory' } },
    ];
    const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/v/${name}` }));
    const { uid } = await sleeping(
      { volumeMounts },
      { ...OWN_USERS, volumes, securityContext: { fsGroup: 2000 } },
    );
    const seen = await run(
      uid,
      'stat -c %u:%g /v/host/of-root /v/disk /v/memory; echo mine >/v/host/made; stat -c %u /v/host/made',
    );
    expect(seen).toBe('0:0\n0:2000\n0:2000\n0\n');
    expect((await stat(join(directory, 'made'))).uid).toBe(0);
  });

  it('is started again by systemd, and its record is written', async () => {
    const { uid } = await agent.runtime.runPod(
      testPod('again', [shell('main', 'echo run; sleep 0.2; exit 3')], {
        ...OWN_USERS,
        restartPolicy: 'OnFailure',
      }),
    );
    const status = await podStatusWhen(
      agent,
      uid,
      ({ containers }) => (containers[0]?.restartCount ?? 0) >= 2,
    );
    expect(containerOf(status, 'main').attempts.at(0)).toMatchObject({ exitCode: 3, reason: 'Error' });
  });

  it('has capabilities over its own namespaces, and none over the host', async () => {
    const { uid } = await sleeping(
      { securityContext: { capabilities: { add: ['NET_ADMIN', 'SYS_ADMIN'] } } },
      OWN_USERS,
    );
    expect(await run(uid, 'ip addr add 192.0.2.9/32 dev lo && echo made')).toBe('made\n');
    expect(await run(uid, 'echo 1 >/proc/sys/kernel/panic')).toMatch(/Read-only|denied|permitted/);
  });

  it('shares processes and unmasks /proc when asked', async () => {
    const { uid, pid } = await sleeping(
      { securityContext: { procMount: 'Unmasked' } },
      { ...OWN_USERS, shareProcessNamespace: true },
    );
    expect(await run(uid, 'ps')).toContain('sleep 100021');
    expect(await readFile(`/proc/${pid}/mounts`, 'utf8')).not.toMatch(/ \/proc\/(kcore|sys) /);
  });

  it.each([
    [{ securityContext: { runAsUser: 70_000 } }, OWN_USERS, 'invalid-argument', 'user 70000'],
    [
      {
        securityContext: { privileged: true },
        volumeMounts: [{ name: 'v', mountPath: '/v', mountPropagation: 'Bidirectional' }],
      },
      { ...OWN_USERS, volumes: [{ name: 'v', hostPath: { path: '/run' } }] },
      'unsupported',
      'Bidirectional',
    ],
  ])('refuses %j', async (container, spec, kind, words) => {
    await expect(runPod(container, spec)).rejects.toMatchObject({
      kind,
      message: expect.stringContaining(words),
    });
  });

  it('leaves nothing on the host', async () => {
    const { uid, main } = await sleeping({}, OWN_USERS);
    await agent.runtime.removePod({ uid });
    expect(await readFile('/proc/1/mountinfo', 'utf8')).not.toContain(' /run/podwright-rootfs ');
    expect(await processes(({ command }) => command.includes(backendId(main)))).toEqual([]);
  });
}

function noOwnUsers(): void {
  it('are refused on a kernel that is too old for them, and nothing is made', async () => {
    await expect(runPod({}, OWN_USERS)).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringMatching(/users of its own.*the kernel is \d+\.\d+.*take 6\.3/),
    });
    expect(await agent.service.listPodSandboxes()).toEqual([]);
  });
}

describe('users of the pod’s own', oldKernelLacks.userNamespaces === undefined ? ownUsers : noOwnUsers);
