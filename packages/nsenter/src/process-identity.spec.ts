import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PodwrightError, silentLogger } from '@podwright/core';
import { afterEach, describe, expect, test } from 'vitest';
import { LocalHostExecutor } from './local-host-executor.js';
import {
  isInUnit,
  parseProcStat,
  pinProcess,
  readProcessIdentity,
  verifyProcess,
} from './process-identity.js';

const executor = new LocalHostExecutor(silentLogger, {});
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

async function sleeper(): Promise<{ child: ChildProcess; pid: number }> {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  children.push(child);
  await once(child, 'spawn');
  return { child, pid: child.pid ?? expect.fail('no pid') };
}

const kindOf = async (promise: Promise<unknown>) =>
  promise.then(
    () => 'fine',
    (error: unknown) => (PodwrightError.is(error) ? `${error.kind}: ${error.message}` : String(error)),
  );

/** Of a process whose program is named with blanks, parentheses and a line feed; proc(5) has the fields. */
const stat = (comm: string, state = 'S') =>
  `4242 (${comm}) ${state} 17 4242 4242 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 987654 5000000 200 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n`;

describe('/proc/PID/stat', () => {
  test.each(['sleep', 'a b', 'x) S 1 (y', '((', '))', 'tmux: server', '', ') Z 0 0', 'two\nlines'])(
    'of a program named %j',
    (comm) => {
      expect(parseProcStat(stat(comm))).toEqual({
        pid: 4242,
        comm,
        state: 'S',
        parentPid: 17,
        startTimeTicks: 987_654,
      });
    },
  );

  test.each(['', 'nonsense', '12 (x) S 1'])('%j is none', (text) => {
    expect(() => parseProcStat(text)).toThrow('This is no /proc/PID/stat');
  });

  test('of this process', () => {
    const own = parseProcStat(readFileSync('/proc/self/stat', 'utf8'));
    expect(own).toMatchObject({ pid: process.pid, parentPid: process.ppid });
  });
});

describe('the unit of a cgroup file', () => {
  const unit = 'podwright-web.service';
  test.each([
    ['unified', `0::/podwright.slice/podwright-pod1.slice/${unit}\n`, true],
    ['below it', `0::/podwright.slice/${unit}/container/sub\n`, true],
    ['hybrid', `12:pids:/x\n1:name=systemd:/podwright.slice/${unit}\n0::/\n`, true],
    ['another unit', '0::/system.slice/podwright-web2.service\n', false],
    ['a unit whose name only begins so', `0::/system.slice/${unit}.d\n`, false],
    ['another hierarchy only', `5:memory:/podwright.slice/${unit}\n1:name=systemd:/\n`, false],
    ['nothing', '', false],
  ])('%s', (_name, text, expected) => {
    expect(isInUnit(text, unit)).toBe(expected);
  });
});

describe('a process', () => {
  test('is told by its PID and its start time', async () => {
    const [first, second] = [await sleeper(), await sleeper()];
    const identity = (await readProcessIdentity(executor, first.pid)) ?? expect.fail('not there');
    expect(identity).toEqual({ pid: first.pid, startTimeTicks: expect.any(Number) });
    expect(await kindOf(verifyProcess(executor, identity))).toBe('fine');
    const other = { pid: second.pid, startTimeTicks: identity.startTimeTicks - 1 };
    expect(await kindOf(verifyProcess(executor, other))).toBe(
      `failed-precondition: Process ${second.pid} has ended; sleep has its number now.`,
    );
  });

  test('that has ended is nobody, before and after it is reaped', async () => {
    const { child, pid } = await sleeper();
    const identity = (await readProcessIdentity(executor, pid)) ?? expect.fail('not there');
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    expect(await readProcessIdentity(executor, pid)).toBeUndefined();
    expect(await kindOf(verifyProcess(executor, identity))).toBe(
      `failed-precondition: Process ${pid} has ended.`,
    );
  });

  test('that has ended and waits for its parent is nobody', async () => {
    // It ends when its parent is a program that asks for no children: a shell might.
    const child = 'until [ "$(cat /proc/$$/comm)" = sleep ]; do :; done';
    const parent = spawn('sh', ['-c', `(${child}) & echo $!; exec sleep 60`], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    children.push(parent);
    const [line] = await once(parent.stdout, 'data');
    const pid = Number(line);
    await expect
      .poll(() => parseProcStat(readFileSync(`/proc/${pid}/stat`, 'utf8')).state, { timeout: 10_000 })
      .toBe('Z');
    expect(await readProcessIdentity(executor, pid)).toBeUndefined();
  });

  test('has to be in its unit', async () => {
    const { pid } = await sleeper();
    const identity = (await readProcessIdentity(executor, pid)) ?? expect.fail('not there');
    expect(await kindOf(verifyProcess(executor, identity, { unit: 'podwright-none.service' }))).toBe(
      `failed-precondition: Process ${pid} (sleep) is not in podwright-none.service.`,
    );
  });

  test('that is pinned is reached by its path while it lives, and nothing is after its end', async () => {
    const { child, pid } = await sleeper();
    const identity = (await readProcessIdentity(executor, pid)) ?? expect.fail('not there');
    const pinned = await pinProcess(executor, identity);
    const look = () =>
      executor.run({ command: 'readlink', args: [`${pinned.procPath}/ns/net`], okExitCodes: 'any' });
    expect((await look()).stdout.toString().trim()).toMatch(/^net:\[\d+\]$/);
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    expect((await look()).exitCode).toBe(1);
    await pinned[Symbol.asyncDispose]();
  });

  test('is looked for in the /proc of the host', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'process-identity-'));
    try {
      symlinkSync('/', join(directory, 'rootfs'));
      const { pid } = await sleeper();
      const inContainer = Object.assign(new LocalHostExecutor(silentLogger, {}), {
        hostPath: (path: string) => join(directory, 'rootfs', path),
      });
      const identity = (await readProcessIdentity(inContainer, pid)) ?? expect.fail('not there');
      const pinned = await pinProcess(inContainer, identity);
      expect(pinned.procPath).toMatch(new RegExp(`^/proc/${process.pid}/fd/\\d+$`));
      await pinned[Symbol.asyncDispose]();
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
