import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ContainerProcesses, type ProcessPhase } from './container-processes.js';
import { containerUnitName, HostLayout } from './host-layout.js';
import { CONTAINER_ID, fakeHost } from './testing.spec-helper.js';

const PID = 4242;
const IN_UNIT = `0::/podwright.slice/${containerUnitName(CONTAINER_ID)}\n`;

const layout = new HostLayout('/state', '/run/agent');
let root: string;
let processes: ContainerProcesses;

const write = async (path: string, text: string) => {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
};
const writeStat = (state: string) =>
  write(`/proc/${PID}/stat`, `${PID} (a (b) c) ${state} 1 ${'0 '.repeat(17)}777 0`);

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'podwright-processes-'));
  processes = new ContainerProcesses(fakeHost({ root }), layout);
});

afterEach(() => rm(root, { recursive: true }));

describe('the phase', () => {
  it.each<[string, string | undefined, string | undefined, string | undefined, ProcessPhase]>([
    ['no file of its number', undefined, 'S', IN_UNIT, 'unknown'],
    ['a number that is being written', '', 'S', IN_UNIT, 'unknown'],
    ['a process in its unit', '4242', 'S', IN_UNIT, 'alive'],
    [
      'a process below its unit, on version 1',
      '4242',
      'R',
      `3:cpu:/\n1:name=systemd:/a/${containerUnitName(CONTAINER_ID)}/.control\n`,
      'alive',
    ],
    ['a process that nobody has taken note of', '4242', 'Z', IN_UNIT, 'ended'],
    ['no process', '4242', undefined, undefined, 'ended'],
    ['a process that has ended between two looks', '4242', 'S', undefined, 'ended'],
    ['the process of another unit that has the number by now', '4242', 'S', '0::/other.service\n', 'unknown'],
  ])('of %s', async (_what, pid, state, cgroup, expected) => {
    if (pid !== undefined) await write(layout.container(CONTAINER_ID).pidFile, pid);
    if (state !== undefined) await writeStat(state);
    if (cgroup !== undefined) await write(`/proc/${PID}/cgroup`, cgroup);
    expect(processes.phaseOf(CONTAINER_ID)).toBe(expected);
  });
});

describe('a signal', () => {
  it('to the processes of a host whose numbers are not ours is not sent', async () => {
    await write(layout.container(CONTAINER_ID).pidFile, '4242');
    expect(processes.signal(CONTAINER_ID, 'KILL')).toBe(false);
  });

  it.each([
    ['one that Node does not know', 'RTMIN+3', '4194305', false],
    ['one to a process that is not known', 'TERM', undefined, false],
    ['one to a process that has ended', 'TERM', '4194305', true],
    ['one to a process that is in no unit of ours', 'TERM', String(process.pid), false],
  ])('%s', async (_what, signal, pid, expected) => {
    const own = new HostLayout(join(root, 'state'), join(root, 'run'));
    if (pid !== undefined) {
      await mkdir(own.container(CONTAINER_ID).run, { recursive: true });
      await writeFile(own.container(CONTAINER_ID).pidFile, pid);
    }
    expect(new ContainerProcesses(fakeHost(), own).signal(CONTAINER_ID, signal)).toBe(expected);
  });
});
