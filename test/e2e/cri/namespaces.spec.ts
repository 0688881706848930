// Which namespaces containers share, over a CRI socket: hostNetwork, hostPID, hostIPC, shareProcessNamespace, the
// target of an ephemeral container, users of a pod's own, and sysctls.
import { execFileSync } from 'node:child_process';
import { readFile, readlink } from 'node:fs/promises';
import { status } from '@grpc/grpc-js';
import { cri } from '@podwright/cri-api';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  CriBed,
  type CriPod,
  eventually,
  expectRefusal,
  type NamespacesInit,
  PAUSE,
} from '../support/cri-bed.js';
import { itBeyondContainerd16 } from '../support/cri-target.js';
import { processes } from '../support/processes.js';

const { POD, CONTAINER, NODE, TARGET } = cri.NamespaceMode;

let bed: CriBed;
/** Shared memory segments of the host that tests made. */
const segments: string[] = [];

beforeAll(async () => {
  bed = await CriBed.start();
});

afterEach(async () => {
  await bed.clean();
  for (const id of segments.splice(0)) execFileSync('ipcrm', ['-m', id]);
});

afterAll(() => bed[Symbol.asyncDispose]());

/** A container with the namespaces of its pod. */
async function startIn(pod: CriPod, namespaceOptions: NamespacesInit, command = PAUSE): Promise<string> {
  return await bed.startSecured(pod, { namespaceOptions }, { command });
}

async function startWith(namespaceOptions: NamespacesInit, command = PAUSE): Promise<string> {
  return await startIn(await bed.runPodWith(namespaceOptions), namespaceOptions, command);
}

const commandOf = async (id: string, pid: string) =>
  (await bed.output(id, 'cat', `/proc/${pid}/cmdline`)).replaceAll('\0', ' ');

const namespaceOf = (id: string, kind: string) => bed.output(id, 'readlink', `/proc/self/ns/${kind}`);

const ofHost = async (kind: string) => `${await readlink(`/proc/self/ns/${kind}`)}\n`;

/** Waits for a process with this command, which may still be on its way from the OCI runtime to its program. */
const becomes = (id: string, pid: string, command: string) =>
  eventually(
    () => commandOf(id, pid),
    (found) => found === command,
  );

describe('process ids', () => {
  it('of a container of its own begin with its command', async () => {
    const id = await startWith({ pid: CONTAINER }, ['sleep', '1234']);
    await becomes(id, '1', 'sleep 1234 ');
  });

  it('of a pod are shared by its containers, whose commands are not the first process', async () => {
    const namespaces = { pid: POD };
    const pod = await bed.runPodWith(namespaces);
    const first = await startIn(pod, namespaces, ['sleep', '1234']);
    const second = await startIn(pod, namespaces);
    await eventually(
      () => bed.exec(second, 'sh', '-c', 'cat /proc/[0-9]*/cmdline | tr "\\0" " "'),
      ({ stdout }) => stdout.includes('sleep 1234'),
    );
    expect(await commandOf(first, '1')).not.toContain('sleep 1234');
    expect(await namespaceOf(first, 'pid')).toBe(await namespaceOf(second, 'pid'));
    // One container's end ends no other, though the first process is none of theirs.
    await bed.runtime.stopContainer({ containerId: first, timeout: 0n });
    expect(await bed.exec(second, 'true')).toMatchObject({ exitCode: 0 });
  });

  it('may be those of the host', async () => {
    const id = await startWith({ pid: NODE, ipc: POD, network: POD }, ['sleep', '1234']);
    expect(await namespaceOf(id, 'pid')).toBe(await ofHost('pid'));
    const [found] = await eventually(
      () => processes(({ command }) => command === 'sleep 1234'),
      ({ length }) => length === 1,
    );
    expect(await commandOf(id, String(found?.pid))).toBe('sleep 1234 ');
  });

  it('may be those of another container', async () => {
    const pod = await bed.runPodWith({ pid: CONTAINER });
    const target = await startIn(pod, { pid: CONTAINER }, ['sleep', '1234']);
    const id = await startIn(pod, { pid: TARGET, targetId: target });
    await becomes(id, '1', 'sleep 1234 ');
    expect(await namespaceOf(id, 'pid')).toBe(await namespaceOf(target, 'pid'));
  });

  it('cannot be those of a container that is not there, or of another pod', async () => {
    const pod = await bed.runPodWith({ pid: CONTAINER });
    await expectRefusal(startIn(pod, { pid: TARGET, targetId: 'f'.repeat(64) }));
    const stranger = await startWith({ pid: CONTAINER });
    await expectRefusal(startIn(pod, { pid: TARGET, targetId: stranger }));
  });
});

describe('shared memory', () => {
  it.each([
    ['of the host is seen', NODE, true],
    ['of the host is not seen by a pod with its own', POD, false],
  ])('%s', async (_, ipc, seen) => {
    const made = execFileSync('ipcmk', ['-M', '1048576'], { encoding: 'utf8' });
    const segment = /\d+/.exec(made)?.[0] ?? '';
    segments.push(segment);
    const id = await startWith({ pid: POD, ipc, network: POD });
    const rows = (await bed.output(id, 'cat', '/proc/sysvipc/shm')).split('\n').slice(1);
    expect(rows.some((row) => row.trim().split(/\s+/)[1] === segment)).toBe(seen);
  });

  it('is shared by the containers of a pod, in /dev/shm too', async () => {
    const pod = await bed.runPod();
    const [first, second] = [await bed.start(pod), await bed.start(pod)];
    expect(await namespaceOf(first, 'ipc')).toBe(await namespaceOf(second, 'ipc'));
    await bed.output(first, 'sh', '-c', 'echo shared > /dev/shm/file');
    expect(await bed.output(second, 'cat', '/dev/shm/file')).toBe('shared\n');
  });
});

describe('the network', () => {
  it('may be that of the host, with its name', async () => {
    const namespaces = { network: NODE, pid: POD, ipc: POD };
    const pod = await bed.runPodWith(namespaces);
    const id = await startIn(pod, namespaces);
    expect(await namespaceOf(id, 'net')).toBe(await ofHost('net'));
    expect(await bed.output(id, 'hostname')).toBe(await readFile('/proc/sys/kernel/hostname', 'utf8'));
    expect((await bed.podStatus(pod)).linux?.namespaces?.options?.network).toBe(NODE);
  });

  it('is that of the pod, shared by its containers', async () => {
    const pod = await bed.runPod();
    const [first, second] = [await bed.start(pod), await bed.start(pod)];
    expect(await namespaceOf(first, 'net')).not.toBe(await ofHost('net'));
    expect(await namespaceOf(first, 'net')).toBe(await namespaceOf(second, 'net'));
    expect(await namespaceOf(first, 'uts')).toBe(await namespaceOf(second, 'uts'));
  });
});

describe('users of a pod of its own', () => {
  const mapping = { containerId: 0, hostId: 100_000, length: 65_536 };

  /** Whether the runtime says that it has them. */
  async function hasUsers(): Promise<boolean> {
    const { runtimeHandlers } = await bed.runtime.status();
    return runtimeHandlers.find(({ name }) => name === '')?.features?.userNamespaces ?? false;
  }

  const usernsOptions = (mode: cri.NamespaceMode, ...mappings: readonly (typeof mapping)[]) => ({
    usernsOptions: { mode, uids: [...mappings], gids: [...mappings] },
  });

  itBeyondContainerd16('are mapped as asked; or it says that there are none', async () => {
    const namespaces = usernsOptions(POD, mapping);
    if (!(await hasUsers())) {
      const words = await expectRefusal(bed.runPodWith(namespaces), status.UNIMPLEMENTED);
      expect(words).toMatch(/users of its own|user namespace/);
      return;
    }
    const pod = await bed.runPodWith(namespaces);
    const id = await startIn(pod, namespaces);
    expect(await bed.output(id, 'cat', '/proc/self/uid_map')).toMatch(/^\s+0\s+100000\s+65536\n$/);
    expect(await bed.output(id, 'stat', '-c', '%u', '/bin/busybox')).toBe('0\n');
    await bed.output(id, 'touch', '/made-by-root');
    expect((await bed.podStatus(pod)).linux?.namespaces?.options?.usernsOptions).toMatchObject({
      mode: POD,
      uids: [mapping],
    });
  });

  it('are those of the host otherwise', async () => {
    const id = await startWith(usernsOptions(NODE));
    expect(await bed.output(id, 'cat', '/proc/self/uid_map')).toBe(
      await readFile('/proc/self/uid_map', 'utf8'),
    );
  });

  itBeyondContainerd16('are not mapped in ways that nobody has', async () => {
    const cases = [
      usernsOptions(POD, mapping, { ...mapping, hostId: 300_000 }),
      usernsOptions(POD, { ...mapping, containerId: 1 }),
      usernsOptions(CONTAINER),
      usernsOptions(TARGET),
    ];
    for (const each of cases) await expectRefusal(bed.runPodWith(each));
  });
});

describe('sysctls', () => {
  it.each([
    ['kernel.shm_rmid_forced', '1'],
    ['fs.mqueue.msg_max', '100'],
    ['net.ipv4.ip_local_port_range', '20000\t30000'],
    ['net.core.somaxconn', '777'],
  ])('are set in the pod: %s', async (name, value) => {
    const pod = await bed.runPod({ linux: { sysctls: { [name]: value } } });
    const id = await bed.start(pod);
    expect((await bed.output(id, 'cat', `/proc/sys/${name.replaceAll('.', '/')}`)).trim()).toBe(value);
  });

  itBeyondContainerd16('of the host are refused', async () => {
    const before = await readFile('/proc/sys/vm/swappiness', 'utf8');
    await expectRefusal(bed.runPod({ linux: { sysctls: { 'vm.swappiness': '11' } } }));
    expect(await readFile('/proc/sys/vm/swappiness', 'utf8')).toBe(before);
    expect((await bed.runtime.listPodSandbox()).items).toEqual([]);
  });
});
