import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { PodwrightError, silentLogger } from '@podwright/core';
import { JournalctlReader, type JournalEntry, type JournalReadOptions } from '@podwright/journal';
import { type HostCommand, type HostProcess, LocalHostExecutor } from '@podwright/nsenter';
import { firstValueFrom, take, toArray } from 'rxjs';
import { beforeAll, describe, expect, test } from 'vitest';

/** Remembers what it started. */
class WatchedExecutor extends LocalHostExecutor {
  readonly started: HostProcess[] = [];

  override async start(command: HostCommand): Promise<HostProcess> {
    const child = await super.start(command);
    this.started.push(child);
    return child;
  }
}

const WAIT = { timeout: 30_000 };
const executor = new WatchedExecutor(silentLogger, {});
const journal = new JournalctlReader(executor, silentLogger);

const newTag = () => `t${randomBytes(6).toString('hex')}`;
const matchOf = (tag: string): JournalReadOptions => ({ matches: [{ PODWRIGHT_TEST: tag }] });

/** Writes one entry as any program can, over journald's native socket. */
function write(tag: string, message: string, more: readonly string[] = []): void {
  const input = [`PODWRIGHT_TEST=${tag}`, `MESSAGE=${message}`, ...more, ''].join('\n');
  execFileSync('logger', ['--journald'], { input });
}

/** Bytes that logger cannot take, in the native protocol. */
function writeBytes(tag: string, message: Buffer): void {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(message.length));
  const input = Buffer.concat([
    Buffer.from(`PODWRIGHT_TEST=${tag}\nMESSAGE\n`),
    length,
    message,
    Buffer.from('\n'),
  ]);
  execFileSync('socat', ['-u', '-b', '65536', '-', 'UNIX-SENDTO:/run/systemd/journal/socket'], { input });
}

/** Runs a command as a unit whose output is limited by nothing. */
function runUnit(unit: string, command: readonly string[], options: readonly string[] = ['--wait']): void {
  const limits = ['LogRateLimitIntervalSec=1s', 'LogRateLimitBurst=100000000'].map(
    (limit) => `--property=${limit}`,
  );
  execFileSync('systemd-run', ['--quiet', `--unit=${unit}`, ...limits, ...options, '--', ...command], {
    stdio: 'pipe',
  });
}

async function read(options: JournalReadOptions): Promise<JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for await (const entry of journal.read(options)) entries.push(entry);
  return entries;
}

const textsOf = (entries: readonly JournalEntry[]) => entries.map((entry) => entry.text('MESSAGE'));
const texts = async (options: JournalReadOptions) => textsOf(await read(options));
const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `m${from + index}`);

describe('twenty entries', () => {
  const tag = newTag();
  let entries: JournalEntry[];
  const at = (index: number) => entries[index] ?? expect.fail(`no entry ${index}`);

  beforeAll(async () => {
    for (let index = 0; index < 20; index++) write(tag, `m${index}`, [`PARITY=${index % 2}`]);
    write(newTag(), 'another program');
    await journal.sync();
    entries = await read(matchOf(tag));
  });

  test('are all there, in order, with their times and fields', () => {
    expect(textsOf(entries)).toEqual(range(0, 19));
    const now = Date.now() * 1000;
    for (const entry of entries) {
      expect(entry.realtimeUs).toBeGreaterThan(now - 60_000_000);
      expect(entry.realtimeUs).toBeLessThanOrEqual(now);
      expect(entry.monotonicUs).toBeGreaterThan(0);
      expect(entry.text('_TRANSPORT')).toBe('journal');
    }
  });

  // A tail together with a time or a cursor is what journalctl alone does not do: it counts from the start then.
  test.each<[string, () => JournalReadOptions, string[]]>([
    ['tail', () => ({ tail: 3 }), range(17, 19)],
    ['tail of more than there are', () => ({ tail: 100 }), range(0, 19)],
    ['tail of 0', () => ({ tail: 0 }), []],
    ['since', () => ({ sinceUs: at(9).realtimeUs }), range(9, 19)],
    ['since, a microsecond later', () => ({ sinceUs: at(9).realtimeUs + 1 }), range(10, 19)],
    ['until', () => ({ untilUs: at(9).realtimeUs }), range(0, 9)],
    ['until, a microsecond earlier', () => ({ untilUs: at(9).realtimeUs - 1 }), range(0, 8)],
    ['since and until', () => ({ sinceUs: at(3).realtimeUs, untilUs: at(5).realtimeUs }), range(3, 5)],
    ['since and tail', () => ({ sinceUs: at(9).realtimeUs, tail: 3 }), range(17, 19)],
    ['since and a larger tail', () => ({ sinceUs: at(9).realtimeUs, tail: 15 }), range(9, 19)],
    ['until and tail', () => ({ untilUs: at(9).realtimeUs, tail: 3 }), range(7, 9)],
    [
      'since, until and tail',
      () => ({ sinceUs: at(3).realtimeUs, untilUs: at(9).realtimeUs, tail: 2 }),
      range(8, 9),
    ],
    ['after a cursor', () => ({ afterCursor: at(9).cursor }), range(10, 19)],
    ['after the last', () => ({ afterCursor: at(19).cursor }), []],
    ['after a cursor with a tail', () => ({ afterCursor: at(9).cursor, tail: 3 }), range(17, 19)],
    ['after a cursor, since', () => ({ afterCursor: at(3).cursor, sinceUs: at(9).realtimeUs }), range(9, 19)],
    ['after a cursor, until', () => ({ afterCursor: at(3).cursor, untilUs: at(9).realtimeUs }), range(4, 9)],
    ['a limit of bytes', () => ({ limitBytes: 5 }), ['m0', 'm1', 'm']],
  ])('%s', async (_name, options, expected) => {
    expect(await texts({ ...matchOf(tag), ...options() })).toEqual(expected);
  });

  test('after a cursor whose entry does not match: nothing is left out', async () => {
    const odd = { matches: [{ PODWRIGHT_TEST: tag, PARITY: '1' }] };
    expect(await texts({ ...odd, afterCursor: at(16).cursor })).toEqual(['m17', 'm19']);
  });

  test('conditions, alternatives and groups', async () => {
    const even = { PODWRIGHT_TEST: tag, PARITY: '0', MESSAGE: ['m0', 'm1', 'm2'] };
    expect(await texts({ matches: [even, { PODWRIGHT_TEST: tag, MESSAGE: 'm19' }] })).toEqual([
      'm0',
      'm2',
      'm19',
    ]);
  });

  test('only the fields asked for', async () => {
    const [entry] = await read({ ...matchOf(tag), fields: ['PARITY'], tail: 1 });
    expect(entry?.fieldNames().toSorted()).toEqual(['PARITY', '_BOOT_ID']);
    expect(entry?.cursor).toBe(at(19).cursor);
  });

  test('no match is no error', async () => {
    expect(await read({ ...matchOf('no-such-tag') })).toEqual([]);
    expect(await read({ ...matchOf('no-such-tag'), tail: 5 })).toEqual([]);
  });

  test('following from each start goes on without a gap', async () => {
    const follow = async (options: JournalReadOptions, count: number) =>
      textsOf(
        await firstValueFrom(
          journal.observe({ ...matchOf(tag), ...options, follow: true }).pipe(take(count), toArray()),
        ),
      );
    expect(await follow({}, 20)).toEqual(range(0, 19));
    expect(await follow({ tail: 2 }, 2)).toEqual(range(18, 19));
    expect(await follow({ tail: 2, sinceUs: at(9).realtimeUs }, 2)).toEqual(range(18, 19));
    expect(await follow({ afterCursor: at(15).cursor }, 4)).toEqual(range(16, 19));
  });
});

describe('contents', () => {
  test.each([
    ['NUL, line feeds and what is not UTF-8', Buffer.from([0x61, 0, 0x0a, 0xff, 0x0a, 0x0a])],
    ['nothing but blanks', Buffer.from('   ')],
    ['an empty line', Buffer.alloc(0)],
    ['40 kB of any bytes', randomBytes(40_000)],
  ])('%s', async (_name, bytes) => {
    const tag = newTag();
    writeBytes(tag, bytes);
    await journal.sync();
    expect((await read(matchOf(tag))).map((entry) => entry.get('MESSAGE'))).toEqual([bytes]);
  });

  test('a field of 3 MB', async () => {
    const tag = newTag();
    const large = 'abcdefghij'.repeat(300_000);
    write(tag, large);
    await journal.sync();
    expect((await texts(matchOf(tag)))[0] === large).toBe(true);
  });
});

describe('units', () => {
  test('an invocation tells two runs of one unit apart; a unit has systemd’s words too', async () => {
    const unit = `podwright-test-${newTag()}.service`;
    // They live until journald has looked up whose the line is.
    const say = (words: string) => ['sh', '-c', 'echo "$0"; journalctl --sync', words];
    runUnit(unit, say('first run'));
    runUnit(unit, say('second run'));
    await journal.sync();
    const said = (await read({ unit })).filter((entry) => entry.text('_TRANSPORT') === 'stdout');
    expect(textsOf(said)).toEqual(['first run', 'second run']);
    const invocations = said.map((entry) => entry.text('_SYSTEMD_INVOCATION_ID') ?? '');
    expect(await texts({ invocation: invocations[0] ?? '' })).toEqual(['first run']);
    expect(await texts({ invocation: invocations[1] ?? '', unit, tail: 1 })).toEqual(['second run']);
    expect((await read({ unit })).some((entry) => entry.text('_COMM') === 'systemd')).toBe(true);
  });

  test('a journal of a namespace', async () => {
    const namespace = newTag();
    const unit = `podwright-test-${newTag()}.service`;
    runUnit(unit, ['echo', 'apart'], ['--wait', `--property=LogNamespace=${namespace}`]);
    try {
      await journal.sync({ namespace });
      expect(await texts({ namespace, matches: [{ _SYSTEMD_UNIT: unit }] })).toEqual(['apart']);
      expect(await texts({ matches: [{ _SYSTEMD_UNIT: unit, _TRANSPORT: 'stdout' }] })).toEqual([]);
    } finally {
      execFileSync(
        'systemctl',
        ['stop', `systemd-journald@${namespace}.socket`, `systemd-journald@${namespace}.service`],
        {
          stdio: 'pipe',
        },
      );
    }
  });
});

describe('a flood', () => {
  const LINES = 200_000;
  const unit = `podwright-test-${newTag()}.service`;
  const match: JournalReadOptions = { matches: [{ _SYSTEMD_UNIT: unit, _TRANSPORT: 'stdout' }] };

  beforeAll(async () => {
    runUnit(unit, ['seq', '1', String(LINES)]);
    await journal.sync();
  });

  /** How long journalctl takes for the same when nobody reads it. */
  function plainReadMs(): number {
    const startedAt = performance.now();
    const args = ['-q', '-o', 'export', '--output-fields=MESSAGE', `_SYSTEMD_UNIT=${unit}`];
    execFileSync('journalctl', [...args, '_TRANSPORT=stdout'], { stdio: 'ignore' });
    return performance.now() - startedAt;
  }

  test('200,000 lines are read in order in a few seconds', async () => {
    const startedAt = performance.now();
    let next = 1;
    for await (const entry of journal.read({ ...match, fields: ['MESSAGE'] })) {
      if (entry.text('MESSAGE') !== String(next)) expect.fail(`${entry.text('MESSAGE')} instead of ${next}`);
      next++;
    }
    const elapsedMs = performance.now() - startedAt;
    expect(next - 1).toBe(LINES);
    const plainMs = plainReadMs();
    console.log(
      `${LINES} entries read in ${Math.round(elapsedMs)} ms, by journalctl alone in ${Math.round(plainMs)} ms`,
    );
    expect(elapsedMs).toBeLessThan(12_000 + 4 * plainMs);
  });

  test('pump writes them byte for byte', async () => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const received = Promise.all([buffer(stdout), buffer(stderr)]);
    const result = await journal.pump(match, { stdout, stderr });
    stdout.end();
    stderr.end();
    const [out, err] = await received;
    expect(result.entries).toBe(LINES);
    expect(out.equals(execFileSync('seq', ['1', String(LINES)], { maxBuffer: 10_000_000 }))).toBe(true);
    expect(err).toHaveLength(0);
  });

  test('the last ones come at once', async () => {
    const times: number[] = [];
    for (let round = 0; round < 4; round++) {
      const startedAt = performance.now();
      expect(await texts({ ...match, tail: 2 })).toEqual([String(LINES - 1), String(LINES)]);
      times.push(performance.now() - startedAt);
    }
    expect(Math.min(...times)).toBeLessThan(2000);
  });

  test('a consumer that waits stops journalctl, and leaving ends it', async () => {
    const before = executor.started.length;
    for await (const _ of journal.read(match)) {
      const pid = executor.started[before]?.pid ?? expect.fail('nothing was started');
      // Blocked in its write to a full pipe: it is not running and not gone.
      await expect
        .poll(
          () => execFileSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' }).trim(),
          WAIT,
        )
        .toBe('S');
      break;
    }
    await executor.started[before]?.exited;
  });
});

describe('a container under conmon', () => {
  test('has its two streams pumped byte for byte', async () => {
    const directory = mkdtempSync('/run/podwright-journal-');
    const id = `podwright-journal-${newTag()}`;
    const script = `echo one; echo; printf '  blanks  \\n\\0nul\\n'; echo error >&2; printf '%0100000d\\n' 7; printf end`;
    for (const folder of ['bin', 'dev', 'proc'])
      mkdirSync(`${directory}/rootfs/${folder}`, { recursive: true });
    copyFileSync('/bin/busybox', `${directory}/rootfs/bin/sh`);
    const config = {
      ociVersion: '1.0.2',
      process: { user: { uid: 0, gid: 0 }, args: ['/bin/sh', '-c', script], env: ['PATH=/bin'], cwd: '/' },
      root: { path: 'rootfs' },
      mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
      linux: { namespaces: [{ type: 'pid' }, { type: 'mount' }] },
    };
    writeFileSync(`${directory}/config.json`, JSON.stringify(config));
    const conmon = [
      ...['conmon', '--api-version', '1', '-c', id, '-u', id, '-n', 'test', '-r', '/usr/bin/crun'],
      ...[
        '--runtime-arg',
        '--cgroup-manager=disabled',
        '-b',
        directory,
        '-p',
        `${directory}/pid`,
        '-l',
        'journald:',
      ],
      ...['--exit-dir', directory, '--full-attach'],
    ];
    const start =
      'mkfifo sync; exec 3<>sync; _OCI_SYNCPIPE=3 "$@" </dev/null; read line <&3; exec crun start "$ID"';
    const env = { ...process.env, ID: id };
    execFileSync('sh', ['-c', start, 'sh', ...conmon], { cwd: directory, env, stdio: 'pipe' });
    try {
      // conmon writes the exit code there when all output has been passed on.
      await expect.poll(() => existsSync(`${directory}/${id}`), WAIT).toBe(true);
      await journal.sync();
      const [stdout, stderr] = [new PassThrough(), new PassThrough()];
      const received = Promise.all([buffer(stdout), buffer(stderr)]);
      await journal.pump({ matches: [{ CONTAINER_ID_FULL: id }] }, { stdout, stderr });
      stdout.end();
      stderr.end();
      const [out, err] = await received;
      expect(out.toString('latin1')).toBe(`one\n\n  blanks  \n\0nul\n${'7'.padStart(100_000, '0')}\nend`);
      expect(err.toString()).toBe('error\n');
    } finally {
      execFileSync('crun', ['delete', '-f', id], { stdio: 'pipe' });
      rmSync(directory, { recursive: true });
    }
  });
});

describe('following', () => {
  test('a running writer, from a tail on, over a rotation: nothing twice, nothing lost, finish takes the rest', async () => {
    const unit = `podwright-test-${newTag()}.service`;
    const match: JournalReadOptions = { matches: [{ _SYSTEMD_UNIT: unit, _TRANSPORT: 'stdout' }] };
    const directory = mkdtempSync('/run/podwright-journal-');
    // It goes on when the reader has come.
    const script =
      'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i; [ $((i % 30)) = 0 ] && sleep 0.01; ' +
      '[ $i = 60 ] && until [ -e "$0/go" ]; do sleep 0.01; done; done';
    runUnit(unit, ['sh', '-c', script, directory], ['--remain-after-exit']);
    const finish = new AbortController();
    const numbers: number[] = [];
    for await (const entry of journal.read({ ...match, tail: 10, follow: true, finish: finish.signal })) {
      if (numbers.length === 0) writeFileSync(`${directory}/go`, '');
      numbers.push(Number(entry.text('MESSAGE')));
      if (numbers.length === 100) execFileSync('journalctl', ['--rotate'], { stdio: 'pipe' });
      if (numbers.at(-1) === 2500) setTimeout(() => finish.abort(), 20);
    }
    const first = numbers[0] ?? expect.fail('nothing was read');
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => first + index));
    expect(numbers.at(-1)).toBeGreaterThanOrEqual(2500);
    execFileSync('systemctl', ['stop', unit], { stdio: 'pipe' });
    rmSync(directory, { recursive: true });
  });

  test('finish loses nothing of what was written before it', async () => {
    const unit = `podwright-test-${newTag()}.service`;
    const finish = new AbortController();
    const following = texts({
      matches: [{ _SYSTEMD_UNIT: unit, _TRANSPORT: 'stdout' }],
      follow: true,
      finish: finish.signal,
    });
    runUnit(unit, ['seq', '1', '20000']);
    finish.abort();
    expect((await following).map(Number)).toEqual(Array.from({ length: 20_000 }, (_, index) => index + 1));
  });

  test('a tail of 0 gives only what is written from then on; cancelling ends journalctl', async () => {
    const tag = newTag();
    write(tag, 'old');
    await journal.sync();
    const before = executor.started.length;
    const controller = new AbortController();
    const following = (async () => {
      for await (const entry of journal.read({
        ...matchOf(tag),
        tail: 0,
        follow: true,
        signal: controller.signal,
      })) {
        expect(entry.text('MESSAGE')).toBe('new');
        setImmediate(() => controller.abort());
      }
    })();
    await expect.poll(() => executor.started.length, WAIT).toBe(before + 2);
    write(tag, 'new');
    const error = await following.catch((reason: unknown) => reason);
    expect(PodwrightError.is(error, 'cancelled')).toBe(true);
    const last = executor.started.at(-1) ?? expect.fail('nothing was started');
    await last.exited;
    expect(existsSync(`/proc/${last.pid}`)).toBe(false);
  });

  test('an end in the near future ends it', async () => {
    const tag = newTag();
    write(tag, 'before');
    const untilUs = (Date.now() + 700) * 1000;
    expect(await texts({ ...matchOf(tag), follow: true, untilUs })).toEqual(['before']);
    expect(Date.now() * 1000).toBeGreaterThanOrEqual(untilUs);
  });
});

test('journalctl’s own failure is an error with its words', async () => {
  const error = await read({ directory: '/no/such/directory' }).catch((reason: unknown) => reason);
  expect(PodwrightError.is(error, 'command-failed')).toBe(true);
  expect(String(error)).toContain('Failed to open /no/such/directory: No such file or directory');
});
