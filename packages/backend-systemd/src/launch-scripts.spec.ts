import { execFile, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseAttempts } from './attempt-log.js';
import { type ContainerPaths, HostLayout } from './host-layout.js';
import {
  KEPT_ATTEMPTS,
  type LaunchInput,
  launchScript,
  overlayPaths,
  recordScript,
  stopScript,
} from './launch-scripts.js';
import { UNWRITABLE_VARIABLE } from './runtime-mount.js';

const run = promisify(execFile);
const ID = 'a'.repeat(64);

let folder: string;
let paths: ContainerPaths;
/** Programs that stand in for the host's; each writes its words to the file `calls`. */
let programs: string;
let calls: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'podwright scripts $HOME `x` \' "-'));
  paths = new HostLayout(join(folder, 'state'), join(folder, 'run')).container(ID);
  programs = join(folder, 'bin');
  calls = join(folder, 'calls');
  await mkdir(paths.bundle, { recursive: true });
  await mkdir(paths.exitDir, { recursive: true });
  await mkdir(paths.upper);
  await mkdir(paths.work);
  await mkdir(join(folder, 'layers'));
  await mkdir(programs);
  await writeFile(calls, '');
  await program('crun');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function program(name: string, body = ''): Promise<void> {
  const path = join(programs, name);
  await writeFile(
    path,
    `#!/bin/sh\n{ printf '%s' "\${0##*/}"; printf ' <%s>' "$@"; echo; } >>"$CALLS"\n${body}\n`,
  );
  await chmod(path, 0o755);
}

function input(fields: Partial<LaunchInput> = {}): LaunchInput {
  return {
    id: ID,
    paths,
    lowerDirs: [join(folder, 'layers', 'up:per'), join(folder, 'layers', 'lower')],
    mounts: { mounts: [], subPaths: [], imageVolumes: [] },
    directories: [],
    conmon: [join(programs, 'conmon'), '--name', "it's $HOME\n"],
    runtime: [join(programs, 'crun'), '--root=/x y'],
    backoff: { initialMs: 10_000, maxMs: 35_000, resetMs: 600_000 },
    terminationGraceMs: 2000,
    ...fields,
  };
}

interface Ended {
  readonly code: number;
  readonly stderr: string;
}

const environment = (extra: Readonly<Record<string, string>>) => ({
  PATH: `${programs}:${process.env['PATH']}`,
  CALLS: calls,
  LANG: 'de_DE.UTF-8',
  ...extra,
});

async function sh(script: string, extra: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const path = join(folder, 'script');
  await writeFile(path, script);
  try {
    const { stderr } = await run('sh', [path], { env: environment(extra) });
    return { code: 0, stderr };
  } catch (error) {
    const { code, stderr } = error as { code: number; stderr: string };
    return { code, stderr };
  }
}

const read = (path: string) => readFile(path, 'utf8');
const called = async () => (await read(calls)).split('\n').filter((line) => line !== '');

describe('the scripts of a container', () => {
  const HOSTILE = ['/a b', "/it's", '/$HOME', '/`id`', '/"x"', '/new\nline', '/*', '/\\', '/-rf', '/a;b&c|d'];

  it.each(HOSTILE)('are valid shell with the path %j', async (path) => {
    const hostile = input({
      paths: new HostLayout(path, `${path}/run`).container(ID),
      lowerDirs: [`${path}/1`, `${path}/2`],
      conmon: [path, path],
      runtime: [path],
      stopSignal: path,
    });
    for (const script of [launchScript(hostile), recordScript(hostile), stopScript(hostile)]) {
      const file = join(folder, 'script');
      await writeFile(file, script);
      await run('sh', ['-n', file]);
    }
  });
});

describe('overlayPaths', () => {
  const many = Array.from({ length: 127 }, (_, index) => `/var/lib/l/${index}`);
  it.each<[string, readonly string[], { base: string; lower: string }]>([
    ['names layers of one directory from there', ['/s/l/A', '/s/l/B'], { base: '/s/l', lower: 'A:B' }],
    ['keeps whole paths of several directories', ['/s/A', '/t/B'], { base: '/', lower: '/s/A:/t/B' }],
    ['takes a single layer', ['/s/A'], { base: '/s', lower: 'A' }],
    ['takes layers of the root directory', ['/A', '/B'], { base: '/', lower: 'A:B' }],
    ['escapes what divides', ['/s/a:b', '/s/c,d\\e'], { base: '/s', lower: 'a\\:b:c\\,d\\\\e' }],
    ['takes 127 layers', many, { base: '/var/lib/l', lower: many.map((path) => path.slice(11)).join(':') }],
  ])('%s', (_what, lowerDirs, expected) => {
    expect(overlayPaths(lowerDirs)).toEqual(expected);
  });
});

describe('the launch script', () => {
  beforeEach(async () => {
    await program('mount', 'pwd >"$CALLS.cwd"');
    await program(
      'systemd-notify',
      'printf "%s\\n" "socket $(printenv NOTIFY_SOCKET || echo none)" >>"$CALLS"',
    );
    await program(
      'conmon',
      'printf "%s\\n" "socket $(printenv NOTIFY_SOCKET || echo none) fd $_OCI_SYNCPIPE" >>"$CALLS"\nprintf 42 >conmon.pid\necho \'{"data":42}\' >&3',
    );
  });

  const launch = (extra: Readonly<Record<string, string>> = {}) =>
    sh(launchScript(input()), { INVOCATION_ID: 'i1', NOTIFY_SOCKET: '/notify', ...extra });

  it('mounts, creates, tells systemd, starts, in this order; only systemd-notify has the socket', async () => {
    expect(await launch()).toEqual({ code: 0, stderr: '' });
    const mountOptions = `lowerdir=up\\:per:lower,upperdir=${paths.upper},workdir=${paths.work}`;
    expect((await read(calls)).replaceAll(folder, 'F')).toBe(
      `${[
        `mount <-t> <overlay> <overlay> <-o> <${mountOptions}> <${paths.rootfs}>`,
        "conmon <--name> <it's $HOME\n> <--log-tag> <i1>",
        'socket none fd 3',
        'systemd-notify <MAINPID=42>',
        'socket /notify',
        `crun <--root=/x y> <start> <${ID}>`,
      ].join('\n')}\n`.replaceAll(folder, 'F'),
    );
    expect((await read(`${calls}.cwd`)).trim()).toBe(join(folder, 'layers'));
    expect(await read(paths.startedMarker)).toBe('i1\n');
  });

  it('waits until conmon has forked, which may be after the container was created', async () => {
    await program('conmon', `echo '{"data":42}' >&3; sleep 0.2; printf 42 >conmon.pid`);
    expect(await launch()).toEqual({ code: 0, stderr: '' });
    expect(await called()).toContain('systemd-notify <MAINPID=42>');
  });

  it('starts the container also when systemd cannot be told: it guesses then', async () => {
    await program('systemd-notify', 'echo "no answer" >&2; exit 1');
    expect(await launch()).toEqual({ code: 0, stderr: 'no answer\n' });
    expect(await called()).toContain(`crun <--root=/x y> <start> <${ID}>`);
  });

  it('keeps what the container wrote in its first start only', async () => {
    await writeFile(join(paths.upper, 'old'), '');
    await launch();
    expect(await readdir(paths.upper)).toEqual(['old']);
    await launch();
    expect(await readdir(paths.upper)).toEqual([]);
  });

  it.each([
    ['is mounted', true, 'run time', 'told: 1'],
    ['is not, as after a reboot', false, 'crun', 'told: '],
  ])('runs the mounted OCI runtime when it %s', async (_when, isMounted, name, told) => {
    const mountedRuntime = join(folder, 'run time');
    await program(
      'conmon',
      `echo "told: \${${UNWRITABLE_VARIABLE}-}" >>"$CALLS"; printf 42 >conmon.pid; echo 1 >&3`,
    );
    if (isMounted) await symlink(join(programs, 'crun'), mountedRuntime);
    const conmon = [join(programs, 'conmon'), '--runtime', join(programs, 'crun')];
    await sh(launchScript(input({ mountedRuntime, conmon })), { NOTIFY_SOCKET: '/notify' });
    const runtime = isMounted ? mountedRuntime : join(programs, 'crun');
    expect((await called()).slice(1)).toEqual([
      `conmon <--runtime> <${runtime}> <--log-tag> <>`,
      told,
      'systemd-notify <MAINPID=42>',
      'socket /notify',
      `${name} <--root=/x y> <start> <${ID}>`,
    ]);
  });

  it.each<[string, () => Promise<void>, RegExp]>([
    ['the mount', () => program('mount', 'echo no room >&2; exit 32'), /^The root file system .*no room\n$/],
    ['conmon', () => program('conmon', 'exit 5'), /^conmon ended with exit code 5/],
    ['conmon, without a word', () => program('conmon', 'printf 42 >conmon.pid'), /^conmon ended before/],
    [
      'the creation',
      () => program('conmon', `printf 42 >conmon.pid; echo '{"data":-1,"message":"no such program"}' >&3`),
      /no such program/,
    ],
    ['the start', () => program('crun', 'echo "start went wrong" >&2; exit 1'), /^start went wrong\n$/],
  ])('says why when %s fails, and does not count as started', async (_what, breakIt, words) => {
    await breakIt();
    const { code, stderr } = await launch();
    expect(code).toBe(1);
    expect(stderr).toMatch(words);
    expect(await read(join(paths.run, 'start-error'))).toMatch(words);
    expect(await readdir(paths.state)).not.toContain('started');
  });

  it('waits the back-off once', async () => {
    await program('sleep');
    await writeFile(join(paths.state, 'delay'), '12.500\n');
    await launch();
    await launch();
    expect((await called()).filter((line) => line.startsWith('sleep'))).toEqual(['sleep <12.500>']);
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)(
    'ends well by %s during the back-off',
    async (signal) => {
      await writeFile(join(paths.state, 'delay'), '60.000\n');
      const path = join(folder, 'script');
      await writeFile(path, launchScript(input()));
      await program('sleep', 'echo asleep >>"$CALLS.asleep"; exec /bin/sleep 2');
      const child = spawn('sh', [path], { env: environment({}), stdio: 'ignore' });
      const ended = new Promise((resolve) => child.on('exit', (code, by) => resolve({ code, by })));
      await expect.poll(() => read(`${calls}.asleep`).catch(() => ''), { timeout: 15_000 }).toBe('asleep\n');
      child.kill(signal);
      expect(await ended).toEqual({ code: 0, by: null });
      expect(await readdir(paths.run)).not.toContain('start-error');
      expect((await called()).join()).not.toContain('mount');
    },
  );

  it('does not start while a stop is under way, and goes on when it is taken back', async () => {
    await writeFile(paths.stoppingMarker, '');
    await program('sleep', `[ -e "$CALLS.once" ] && rm ${JSON.stringify('stopping')}; : >"$CALLS.once"`);
    expect((await launch()).code).toBe(0);
    const names = (await called()).map((line) => line.split(' ')[0]);
    expect(names.slice(0, 3)).toEqual(['sleep', 'sleep', 'mount']);
  });
});

describe('the record script', () => {
  const ENDED = { INVOCATION_ID: 'i1', SERVICE_RESULT: 'success', EXIT_CODE: 'exited', EXIT_STATUS: '0' };

  /** One attempt that ran `seconds` and ended with `code`. */
  async function attempt(
    invocation: string,
    { seconds = 1, code = '0', fields = {} as Partial<LaunchInput> } = {},
  ): Promise<void> {
    const endedAt = new Date('2026-01-01T00:10:00.250Z');
    await writeFile(paths.startedMarker, `${invocation}\n`);
    await utimes(paths.startedMarker, endedAt, new Date(endedAt.getTime() - seconds * 1000));
    await writeFile(join(paths.exitDir, ID), code);
    await utimes(join(paths.exitDir, ID), endedAt, endedAt);
    // systemd did not see the end of a main process: a failure of the container has to fail the unit.
    expect(await sh(recordScript(input(fields)), { ...ENDED, INVOCATION_ID: invocation })).toEqual({
      code: code === '0' ? 0 : 1,
      stderr: '',
    });
  }

  const lines = async () => parseAttempts(await read(paths.attempts));

  it('writes the line that attempt-log reads, whatever the locale, and removes the container', async () => {
    await attempt('i1', { seconds: 90, code: '7' });
    expect(await lines()).toEqual([
      {
        number: 0,
        invocation: 'i1',
        startedAtMs: Date.parse('2026-01-01T00:08:30.250Z'),
        finishedAtMs: Date.parse('2026-01-01T00:10:00.250Z'),
        exitCode: 7,
        exitStatus: '0',
        oomKills: expect.any(Number),
        delayMs: 0,
        startError: undefined,
      },
    ]);
    expect(await called()).toEqual([`crun <--root=/x y> <delete> <--force> <${ID}>`]);
    expect(await readdir(paths.exitDir)).toEqual([]);
    expect(await readdir(paths.state)).not.toContain('started');
  });

  it('is not ended by the signal that systemd sends when its time is over', async () => {
    await program('stat', 'kill -TERM "$PPID"; exec /usr/bin/stat "$@"');
    await attempt('i1', { code: '7' });
    expect(await lines()).toMatchObject([{ invocation: 'i1', exitCode: 7 }]);
  });

  it('does not fail when systemd saw that the container failed', async () => {
    await writeFile(paths.startedMarker, 'i1\n');
    await writeFile(join(paths.exitDir, ID), '7');
    const seen = { ...ENDED, SERVICE_RESULT: 'exit-code', EXIT_STATUS: '7' };
    expect(await sh(recordScript(input()), seen)).toEqual({ code: 0, stderr: '' });
  });

  it('delays by nothing, the initial time, and twice as much each time up to the greatest', async () => {
    for (let index = 0; index < 5; index++) await attempt(`i${index}`);
    expect((await lines()).map(({ delayMs }) => delayMs)).toEqual([0, 10_000, 20_000, 35_000, 35_000]);
    expect(await read(join(paths.state, 'delay'))).toBe('35.000\n');
  });

  it.each([
    [599, 10_000],
    [600, 0],
    [4000, 0],
  ])('after a run of %i s the next delay is %i ms', async (seconds, expected) => {
    await attempt('i0');
    await attempt('i1', { seconds });
    await attempt('i2');
    const delays = (await lines()).map(({ delayMs }) => delayMs);
    expect(delays.slice(1)).toEqual(expected === 0 ? [0, 10_000] : [expected, 20_000]);
  });

  it('delays by a part of a second too', async () => {
    const fields = { backoff: { initialMs: 50, maxMs: 120, resetMs: 1_000_000 } };
    for (let index = 0; index < 3; index++) await attempt(`i${index}`, { fields });
    expect((await lines()).map(({ delayMs }) => delayMs)).toEqual([0, 50, 100]);
    expect(await read(join(paths.state, 'delay'))).toBe('0.100\n');
  });

  it('never delays with an initial delay of 0', async () => {
    const fields = { backoff: { initialMs: 0, maxMs: 300_000, resetMs: 1_000_000 } };
    for (let index = 0; index < 3; index++) await attempt(`i${index}`, { fields });
    expect((await lines()).map(({ delayMs }) => delayMs)).toEqual([0, 0, 0]);
    expect(await readdir(paths.state)).not.toContain('delay');
  });

  it(`keeps the last ${KEPT_ATTEMPTS} lines, and their numbers`, async () => {
    const earlier = Array.from(
      { length: KEPT_ATTEMPTS },
      (_, index) => `${index + 7}\told${index}\t1.0\t2.0\t0\tsuccess\texited\t0\t0\t0\t-\t-\n`,
    );
    await writeFile(paths.attempts, earlier.join(''));
    await attempt('new');
    const kept = await lines();
    expect(kept).toHaveLength(KEPT_ATTEMPTS);
    expect(kept[0]).toMatchObject({ number: 8, invocation: 'old1' });
    expect(kept.at(-1)).toMatchObject({ number: KEPT_ATTEMPTS + 7, invocation: 'new' });
  });

  it('writes why a start failed, in one line, and at most 2000 bytes of it', async () => {
    await writeFile(join(paths.run, 'start-error'), `no\tsuch\nprogram\n`);
    await sh(recordScript(input()), { ...ENDED, SERVICE_RESULT: 'exit-code' });
    await writeFile(join(paths.run, 'start-error'), 'x'.repeat(5000));
    await sh(recordScript(input()), { ...ENDED, INVOCATION_ID: 'i2', SERVICE_RESULT: 'exit-code' });
    expect(await lines()).toMatchObject([
      { number: 0, exitCode: undefined, startError: 'no such program' },
      { number: 1, invocation: 'i2', startError: 'x'.repeat(2000) },
    ]);
    expect(await readdir(paths.run)).not.toContain('start-error');
  });

  it.each([
    ['that was stopped is no attempt', 'success', []],
    ['that died without a word is one', 'oom-kill', ['The start was broken off: systemd says oom-kill.']],
  ])('a launch %s', async (_what, result, expected) => {
    await sh(recordScript(input()), { ...ENDED, SERVICE_RESULT: result });
    const written = await lines().catch(() => []);
    expect(written.map(({ startError }) => startError)).toEqual(expected);
    expect(await called()).toEqual([`crun <--root=/x y> <delete> <--force> <${ID}>`]);
  });

  it('finds why a start failed in the words of the OCI runtime when the launch was killed before it said so', async () => {
    const entry = (level: string, msg: string) => `${JSON.stringify({ msg, level, time: 'now' })}\n`;
    const log = [
      entry('warning', 'never mind'),
      entry('error', 'open `/a\\b`: not there'),
      entry('debug', ''),
    ];
    await writeFile(join(paths.run, 'create.log'), log.join(''));
    await sh(recordScript(input()), { ...ENDED, SERVICE_RESULT: 'exit-code' });
    expect(await lines()).toMatchObject([{ startError: 'open `/a\\b`: not there' }]);
    expect(await readdir(paths.run)).not.toContain('create.log');
  });

  it('says what systemd saw when conmon wrote no exit code', async () => {
    await writeFile(paths.startedMarker, 'i1\n');
    await sh(recordScript(input()), { ...ENDED, EXIT_CODE: 'killed', EXIT_STATUS: 'KILL' });
    expect(await lines()).toMatchObject([{ exitCode: undefined, exitStatus: 'KILL' }]);
  });

  it('leaves the marker of the start when the line cannot be written', async () => {
    await writeFile(paths.startedMarker, 'i1\n');
    await mkdir(`${paths.attempts}.new`);
    await sh(recordScript(input()), ENDED);
    expect(await readdir(paths.state)).toContain('started');
    expect(await called()).toHaveLength(1);
  });
});

describe('the stop script', () => {
  it.each([
    [0, undefined],
    [1, '0.001'],
    [2000, '2'],
    [2500, '2.5'],
  ])(
    'with a grace of %i ms waits %s s for the end of the first process',
    async (terminationGraceMs, seconds) => {
      await program('timeout');
      // As conmon writes it: without a line feed.
      await writeFile(paths.pidFile, '4711');
      await sh(stopScript(input({ stopSignal: 'USR1', terminationGraceMs })));
      const waits =
        seconds === undefined
          ? []
          : [`timeout <${seconds}> <tail> <--pid=4711> <-s> <0.05> <-f> </dev/null>`];
      expect(await called()).toEqual([
        `crun <--root=/x y> <kill> <${ID}> <USR1>`,
        ...waits,
        `crun <--root=/x y> <kill> <${ID}> <KILL>`,
      ]);
    },
  );

  it('does nothing when there is no process yet', async () => {
    expect((await sh(stopScript(input({ stopSignal: 'USR1' })))).code).toBe(0);
    expect(await called()).toEqual([]);
  });
});
