import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { PodwrightError } from '@podwright/core';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LocalHostExecutor, type LocalHostExecutorOptions } from './local-host-executor.js';

const WAIT = { timeout: 10_000 };

interface Line {
  readonly message: string;
  readonly fields?: Readonly<Record<string, unknown>>;
}

let directory: string;
let log: Line[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'local-host-executor-'));
  log = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function executor(options: LocalHostExecutorOptions = {}): LocalHostExecutor {
  const write = (message: string, fields?: Readonly<Record<string, unknown>>) =>
    void log.push(fields === undefined ? { message } : { message, fields });
  return new LocalHostExecutor({ debug: write, info: write, warn: write, error: write }, options);
}

const sh = (script: string, ...args: string[]) => ({ command: 'sh', args: ['-c', script, 'sh', ...args] });

async function errorOf(promise: Promise<unknown>): Promise<PodwrightError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!PodwrightError.is(error)) throw new Error(`no PodwrightError: ${String(error)}`);
  return error;
}

/** Not one that only waits for being reaped: an init process of a container may take its time. */
const alive = (pid: number) => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

/**
 * Runs a script whose time is over once it has written this file, however long that takes.
 * @returns how it ended, and how long that took
 */
async function timedOut(script: string, file: string, timeoutMs: number) {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const running = errorOf(executor().run({ ...sh(script), timeoutMs }));
    await expect.poll(() => readFileSync(file, 'utf8'), WAIT).toMatch(/\n$/);
    const overAt = performance.now();
    vi.advanceTimersByTime(timeoutMs);
    return { error: await running, tookMs: performance.now() - overAt };
  } finally {
    vi.useRealTimers();
  }
}

describe('run', () => {
  test('gives both outputs byte for byte and passes arguments as they are', async () => {
    const result = await executor().run(
      sh('printf "%s|" "$@"; printf "\\377\\000" >&2', '$HOME', '"; ls', 'a\nb', ''),
    );
    expect(result.stdout.toString()).toBe('$HOME|"; ls|a\nb||');
    expect(result.stderr).toEqual(Buffer.from([0xff, 0]));
    expect(result.exitCode).toBe(0);
  });

  test('gives input whole, end of file without it, and 5 MB through cat', async () => {
    const large = Buffer.alloc(5_000_000, 'x');
    expect((await executor().run({ command: 'cat', args: [], input: large })).stdout.equals(large)).toBe(
      true,
    );
    expect((await executor().run({ command: 'cat', args: [] })).stdout).toHaveLength(0);
  });

  test('a command that ends without reading its input is no failure', async () => {
    const result = await executor().run({ ...sh('exec true'), input: Buffer.alloc(1_000_000) });
    expect(result.exitCode).toBe(0);
  });

  test('does not wait for a left-behind child that holds the streams, and has all of the output before', async () => {
    const startedAt = performance.now();
    const result = await executor().run(sh('sleep 30 & head -c 200000 /dev/zero; echo $! >&2'));
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect(result.stdout).toHaveLength(200_000);
    const left = Number(result.stderr.toString());
    expect(alive(left)).toBe(true);
    process.kill(left, 'SIGKILL');
  });

  test('ends in time although a left-behind child goes on writing', async () => {
    const result = await executor().run(sh('yes >&1 & echo $! >&2'));
    process.kill(Number(result.stderr.toString()), 'SIGKILL');
    expect(result.exitCode).toBe(0);
  });

  test('an exit code other than 0 is an error with all that is known', async () => {
    const error = await errorOf(executor().run(sh('echo out; echo no such thing >&2; exit 7')));
    expect(error.kind).toBe('command-failed');
    expect(error.message).toContain('failed with exit code 7: no such thing');
    expect(error.details).toMatchObject({ exitCode: 7, stderr: 'no such thing', stdout: 'out' });
  });

  test.each([
    ['a list', [7], 7],
    ['any', 'any', 9],
  ] as const)('accepts other exit codes: %s', async (_name, okExitCodes, exitCode) => {
    expect((await executor().run({ ...sh(`exit ${exitCode}`), okExitCodes })).exitCode).toBe(exitCode);
  });

  test('a signal is told as 128 + n with its name', async () => {
    const error = await errorOf(executor().run(sh('kill -SEGV $$')));
    expect(error.details).toMatchObject({ exitCode: 139, signal: 'SIGSEGV' });
    expect(error.message).toContain('was ended by SIGSEGV');
  });

  test.each([
    ['a name', 'no-such-program-here', 'was not found in $PATH'],
    ['a path', '/no/such/program', '/no/such/program was not found'],
  ])('a missing program is told by %s', async (_name, command, message) => {
    const error = await errorOf(executor().run({ command, args: [] }));
    expect(error.kind).toBe('missing-requirement');
    expect(error.message).toContain(message);
  });

  test('a configured path is used, and named when nothing is there', async () => {
    const program = join(directory, 'mine');
    writeFileSync(program, '#!/bin/sh\necho mine "$@"\n');
    chmodSync(program, 0o755);
    const configured = executor({ binaries: { crun: program, runc: '/opt/none/runc', sh: '' } });
    expect((await configured.run({ command: 'crun', args: ['list'] })).stdout.toString()).toBe('mine list\n');
    expect(await configured.which('crun')).toBe(program);
    const error = await errorOf(configured.run({ command: 'runc', args: [] }));
    expect(error.kind).toBe('missing-requirement');
    expect(error.message).toContain('/opt/none/runc');
    expect(await configured.which('runc')).toBeUndefined();
    expect((await configured.run(sh('echo empty means PATH'))).exitCode).toBe(0);
  });

  test('a file that is not executable is kind permission-denied', async () => {
    const file = join(directory, 'plain');
    writeFileSync(file, '#!/bin/sh\n', { mode: 0o644 });
    expect((await errorOf(executor().run({ command: file, args: [] }))).kind).toBe('permission-denied');
  });

  test('a missing working directory is told apart from a missing program', async () => {
    const error = await errorOf(executor().run({ ...sh('true'), cwd: '/no/such/directory' }));
    expect(error.kind).toBe('not-found');
    expect(error.message).toContain('/no/such/directory');
  });

  test('a NUL in an argument is kind invalid-argument', async () => {
    expect((await errorOf(executor().run({ command: 'true', args: ['a\0b'] }))).kind).toBe(
      'invalid-argument',
    );
  });

  test('a timeout ends the command with its children', async () => {
    const file = join(directory, 'pid');
    const { error } = await timedOut(`sleep 60 & echo $! > ${file}; wait`, file, 200);
    expect(error.kind).toBe('timeout');
    expect(error.message).toContain('did not end within 200 ms');
    const child = Number(readFileSync(file, 'utf8'));
    await expect.poll(() => alive(child), WAIT).toBe(false);
  });

  test('the time is given in full when it is longer than a timer of Node', async () => {
    const { stdout } = await executor().run({ ...sh('sleep 0.1; echo done'), timeoutMs: 2 ** 32 });
    expect(stdout.toString()).toBe('done\n');
  });

  test('what ignores SIGTERM is killed', async () => {
    const file = join(directory, 'ready');
    const script = `trap "" TERM; echo on > ${file}; while :; do sleep 1; done`;
    const { error, tookMs } = await timedOut(script, file, 100);
    expect(error.kind).toBe('timeout');
    expect(tookMs).toBeGreaterThan(1900);
  });

  test('an abort ends it with kind cancelled, and before the start nothing runs', async () => {
    const controller = new AbortController();
    const running = errorOf(executor().run({ ...sh('sleep 60'), signal: controller.signal }));
    controller.abort(new Error('enough'));
    const error = await running;
    expect(error.kind).toBe('cancelled');
    const late = await errorOf(
      executor().run({ ...sh(`touch ${directory}/ran`), signal: controller.signal }),
    );
    expect(late.kind).toBe('cancelled');
    expect((await errorOf(executor().run({ command: 'cat', args: [`${directory}/ran`] }))).kind).toBe(
      'command-failed',
    );
  });

  test('more output than the limit fails and ends the command', async () => {
    const error = await errorOf(executor({ outputLimitBytes: 10_000 }).run({ command: 'yes', args: [] }));
    expect(error.kind).toBe('command-failed');
    expect(error.message).toContain('wrote more than 10000 bytes');
  });

  test('secrets are in no log line and in no error; the environment is logged by name', async () => {
    const secrets = ['s3cret', 's3cret-longer'];
    const command = sh('echo "login s3cret-longer failed with $TOKEN" >&2; exit 1', '--password=s3cret');
    const error = await errorOf(executor().run({ ...command, secrets, env: { TOKEN: 's3cret' } }));
    const told = JSON.stringify([error.message, error.details, log]);
    expect(told).not.toContain('s3cret');
    expect(told).toContain('login *** failed with ***');
    expect(log.map(({ message }) => message)).toEqual(['command started', 'command ended']);
    expect(log[0]?.fields?.['env']).toEqual(['TOKEN']);
  });

  test('finds the administrator’s programs without them in $PATH', async () => {
    const path = process.env['PATH'];
    process.env['PATH'] = '';
    try {
      expect(await executor().which('sh')).toMatch(/\/sh$/);
      expect(await executor().which('no-such-program-here')).toBeUndefined();
      expect((await executor().run(sh('echo "$PATH"'))).stdout.toString()).toContain('/usr/sbin');
    } finally {
      process.env['PATH'] = path;
    }
  });

  test('a hundred at once', async () => {
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, index) => executor().run(sh(`echo ${index}`))),
    );
    expect(results.map(({ stdout }) => Number(stdout.toString()))).toEqual(
      Array.from({ length: 100 }, (_, i) => i),
    );
    // Eight seconds on a busy machine.
  }, 60_000);
});

describe('start', () => {
  test('streams both ways; exited carries the code', async () => {
    const child = await executor().start(sh('read line; echo "got $line"; exit 3'));
    child.stdin.end('a line\n');
    expect(await text(child.stdout)).toBe('got a line\n');
    expect(await child.exited).toEqual({ exitCode: 3 });
  });

  test('output that nobody reads at once is not lost', async () => {
    const child = await executor().start(sh('echo early'));
    await child.exited;
    expect(await text(child.stdout)).toBe('early\n');
  });

  test('a slow reader stops the writer: nothing is buffered without bound', async () => {
    const child = await executor().start(sh('head -c 50000000 /dev/zero && echo done >&2'));
    let wrote = false;
    child.stderr.once('data', () => {
      wrote = true;
    });
    for await (const chunk of child.stdout) {
      expect((chunk as Buffer).length).toBeGreaterThan(0);
      break;
    }
    expect(wrote).toBe(false);
    expect((await child.exited).exitCode).not.toBe(0);
  });

  test('kill reaches children; exited tells the signal', async () => {
    const child = await executor().start(sh('sleep 60 & echo $!; wait'));
    const pid = await new Promise<number>((resolve) =>
      child.stdout.once('data', (line) => resolve(Number(line))),
    );
    child.kill();
    expect(await child.exited).toEqual({ exitCode: 143, signal: 'SIGTERM' });
    await expect.poll(() => alive(pid), WAIT).toBe(false);
  });

  test('an abort ends it', async () => {
    const controller = new AbortController();
    const child = await executor().start({ ...sh('exec sleep 60'), signal: controller.signal });
    controller.abort();
    expect((await child.exited).signal).toBe('SIGTERM');
  });

  test('a missing program fails the start', async () => {
    const error = await errorOf(executor().start({ command: 'no-such-program-here', args: [] }));
    expect(error.kind).toBe('missing-requirement');
  });
});
