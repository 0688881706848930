// Security contexts over a CRI socket: users and groups, capabilities, privileges, paths of /proc.
import { join } from 'node:path';
import { cri } from '@podwright/cri-api';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { testImages } from '../../host/images.js';
import { CriBed, expectRefusal, type SecurityInit, textsOf } from '../support/cri-bed.js';
import { itBeyondContainerd16 } from '../support/cri-target.js';
import { writeSetuidProgram } from '../support/setuid-program.js';

let bed: CriBed;

beforeAll(async () => {
  bed = await CriBed.start(testImages.nonroot);
});

afterEach(() => bed.clean());

afterAll(() => bed[Symbol.asyncDispose]());

/** A container with this security context in a pod of its own. */
async function startWith(security: SecurityInit, image: string = testImages.busybox): Promise<string> {
  const namespaceOptions = { pid: cri.NamespaceMode.CONTAINER };
  return await bed.startSecured(await bed.runPod(), { namespaceOptions, ...security }, { image: { image } });
}

const numbers = (text: string) =>
  text
    .trim()
    .split(' ')
    .map(Number)
    .sort((a, b) => a - b);

/** What the first process and one beside it say of themselves. */
async function fieldOf(id: string, name: string): Promise<string> {
  const of = async (pid: string) =>
    new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(await bed.output(id, 'cat', `/proc/${pid}/status`))?.[1] ?? '';
  const [first, beside] = [await of('1'), await of('self')];
  expect(beside).toBe(first);
  return first;
}

describe('the user', () => {
  it('is the one that is asked for by number, which the image need not know', async () => {
    const id = await startWith({ runAsUser: { value: 1001n } });
    expect(await bed.output(id, 'id', '-u')).toBe('1001\n');
    expect(await fieldOf(id, 'Uid')).toBe('1001\t1001\t1001\t1001');
  });

  it('is the one that is asked for by name', async () => {
    const id = await startWith({ runAsUsername: 'nobody' });
    expect(await bed.output(id, 'id', '-nu')).toBe('nobody\n');
    expect(await bed.output(id, 'id', '-g')).toBe('65534\n');
  });

  it('is that of the image by default', async () => {
    const id = await startWith({}, testImages.nonroot);
    expect(await bed.output(id, 'id', '-u')).toBe('1000\n');
  });

  itBeyondContainerd16('that the image has by default has the groups that it gives', async () => {
    const id = await startWith({}, testImages.nonroot);
    expect(numbers(await bed.output(id, 'id', '-G'))).toEqual([29, 1000, 1500]);
  });

  it('cannot be a name that the image does not have', async () => {
    await expectRefusal(startWith({ runAsUsername: 'no-such-user' }));
  });
});

describe('groups', () => {
  it('are the one that is asked for with the user', async () => {
    const id = await startWith({ runAsUser: { value: 1001n }, runAsGroup: { value: 1002n } });
    expect(await bed.output(id, 'sh', '-c', 'echo $(id -u):$(id -g)')).toBe('1001:1002\n');
  });

  it('cannot be asked for without a user', async () => {
    const pod = await bed.runPod();
    const securityContext = { runAsGroup: { value: 1002n } };
    await expectRefusal(bed.create(pod, { linux: { securityContext } }));
    expect((await bed.runtime.listContainers()).containers).toEqual([]);
  });

  it('are those that are asked for beside', async () => {
    const id = await startWith({ supplementalGroups: [1234n, 5678n] });
    expect(numbers(await bed.output(id, 'id', '-G'))).toEqual(expect.arrayContaining([1234, 5678]));
  });

  it('are joined with those that the image gives the user', async () => {
    const security = { runAsUser: { value: 1000n }, supplementalGroups: [1234n] };
    const id = await startWith(security, testImages.nonroot);
    expect(numbers(await bed.output(id, 'id', '-G'))).toEqual([29, 1000, 1234, 1500]);
  });

  itBeyondContainerd16('are told by the runtime, and may be without those of the image', async () => {
    const { features } = await bed.runtime.status();
    const security = { runAsUser: { value: 1000n }, supplementalGroups: [1234n] };
    const { Merge, Strict } = cri.SupplementalGroupsPolicy;
    if (!features?.supplementalGroupsPolicy) {
      await expectRefusal(startWith({ ...security, supplementalGroupsPolicy: Strict }));
      return;
    }
    for (const [policy, expected] of [
      [Merge, [29, 1000, 1234, 1500]],
      [Strict, [1000, 1234]],
    ] as const) {
      const id = await startWith({ ...security, supplementalGroupsPolicy: policy }, testImages.nonroot);
      expect(numbers(await bed.output(id, 'id', '-G'))).toEqual(expected);
      const user = (await bed.status(id)).user?.linux;
      expect(user).toMatchObject({ uid: 1000n, gid: 1000n });
      expect(numbers(user?.supplementalGroups.join(' ') ?? '')).toEqual(expected);
    }
  });
});

describe('the root file system', () => {
  it.each([
    [false, ['Found'], []],
    [true, [], ['touch: test.go: Read-only file system']],
  ])('is read-only or not: %s', async (readonlyRootfs, stdout, stderr) => {
    const command = ['sh', '-c', "touch test.go && [ -f test.go ] && echo 'Found'"];
    const linux = { securityContext: { readonlyRootfs } };
    const lines = await bed.runToEnd(await bed.runLoggingPod(), { command, linux });
    expect(textsOf(lines)).toEqual(stdout);
    expect(textsOf(lines, 'stderr')).toEqual(stderr);
  });
});

describe('privileges', () => {
  const addBridge = (id: string) => bed.exec(id, 'brctl', 'addbr', 'foobar');

  it.each([
    [true, 0],
    [false, 1],
  ])('are given or not: %s', async (privileged, exitCode) => {
    const securityContext = { privileged };
    const pod = await bed.runPod({ linux: { securityContext } });
    const id = await bed.startSecured(pod, securityContext);
    expect(await addBridge(id)).toMatchObject({ exitCode });
    const devices = (await bed.output(id, 'ls', '/dev')).split('\n');
    expect(devices.includes('loop-control') || devices.includes('fuse')).toBe(privileged);
    const paths = await bed.output(id, 'cat', '/proc/mounts');
    expect(/ \/sys sysfs rw/.test(paths)).toBe(privileged);
  });

  it('to change the network are a capability', async () => {
    const pod = await bed.runPod();
    const able = await bed.startSecured(pod, { capabilities: { addCapabilities: ['NET_ADMIN'] } });
    expect(await addBridge(able)).toMatchObject({ exitCode: 0 });
    expect(await addBridge(await bed.start(pod))).toMatchObject({ exitCode: 1 });
  });

  it('are lost with a capability that is dropped', async () => {
    const id = await startWith({ capabilities: { dropCapabilities: ['NET_RAW'] } });
    const { exitCode, stdout, stderr } = await bed.exec(id, 'ping', '-c', '1', '127.0.0.1');
    expect(exitCode).toBe(1);
    expect(stdout).not.toBe('');
    expect(stderr).toContain('permission denied');
  });

  it('are all capabilities or none when ALL are added or dropped, and single ones beside', async () => {
    const all = await fieldOf(await startWith({ privileged: false }), 'CapBnd');
    const bits = async (capabilities: NonNullable<SecurityInit['capabilities']>) =>
      BigInt(`0x${await fieldOf(await startWith({ capabilities }), 'CapBnd')}`);
    expect(await bits({ dropCapabilities: ['ALL'] })).toBe(0n);
    expect(await bits({ dropCapabilities: ['ALL'], addCapabilities: ['NET_BIND_SERVICE'] })).toBe(1n << 10n);
    expect(await bits({ dropCapabilities: ['CHOWN'] })).toBe(BigInt(`0x${all}`) & ~1n);
    const added = await bits({ addCapabilities: ['ALL'] });
    expect(added & BigInt(`0x${all}`)).toBe(BigInt(`0x${all}`));
    expect(added).toBeGreaterThan(BigInt(`0x${all}`));
  });

  itBeyondContainerd16('cannot be a capability that is none', async () => {
    await expectRefusal(startWith({ capabilities: { addCapabilities: ['NO_SUCH'] } }));
  });

  it.each([
    ['cannot be gained by a setuid program when that is forbidden', true, 1000 % 256],
    ['can be gained by a setuid program otherwise', false, 0],
  ])('%s', async (_, noNewPrivs, exitCode) => {
    const folder = await bed.folder();
    await writeSetuidProgram(join(folder, 'euid'));
    const mounts = [{ hostPath: join(folder, 'euid'), containerPath: '/bin/euid', readonly: true }];
    const security = { noNewPrivs, runAsUser: { value: 1000n } };
    const id = await bed.startSecured(await bed.runPod(), security, { mounts, command: ['euid'] });
    expect(await bed.ended(id)).toMatchObject({ exitCode });
  });
});

describe('paths', () => {
  it('are hidden when they are masked', async () => {
    const id = await startWith({ maskedPaths: ['/bin/ls', '/root'] });
    const { exitCode, stderr } = await bed.exec(id, '/bin/sh', '-c', '/bin/ls');
    expect([exitCode, stderr]).toEqual([126, '/bin/sh: /bin/ls: Permission denied\n']);
    expect(await bed.exec(id, 'touch', '/root/x')).toMatchObject({ exitCode: 1 });
  });

  it('are read-only when that is asked for', async () => {
    const id = await startWith({ readonlyPaths: ['/tmp'] });
    expect(await bed.exec(id, 'touch', '/tmp/test')).toMatchObject({
      exitCode: 1,
      stderr: 'touch: /tmp/test: Read-only file system\n',
    });
  });

  it('of /proc are those that a kubelet asks for', async () => {
    const asked = await startWith({ maskedPaths: ['/proc/meminfo'], readonlyPaths: ['/proc/sys'] });
    expect(await bed.output(asked, 'cat', '/proc/meminfo')).toBe('');
    expect(await bed.output(asked, 'cat', '/proc/mounts')).toMatch(/ \/proc\/sys proc ro/);
  });
});
