import { PassThrough, Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { PodwrightError, silentLogger } from '@podwright/core';
import { firstValueFrom, map, take, toArray } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { cursorOf, entryOf, timeOf } from '../testing/export-stream.js';
import { type Run, ScriptedExecutor } from '../testing/scripted-executor.js';
import type { JournalEntry, JournalReadOptions } from './journal-reader.js';
import { JournalctlReader } from './journalctl-reader.js';

const message = (index: number) => `m${index}`;
const entry = (index: number) => entryOf(index, message(index));
const entries = (...indexes: number[]) => indexes.map(entry);
/** Forward passes only: those of counting are looked at where they matter. */
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

function reader(...runs: Run[]) {
  const executor = new ScriptedExecutor(...runs);
  return { executor, journal: new JournalctlReader(executor, silentLogger) };
}

async function texts(source: AsyncIterable<JournalEntry>): Promise<(string | undefined)[]> {
  const read: (string | undefined)[] = [];
  for await (const each of source) read.push(each.text('MESSAGE'));
  return read;
}

async function errorOf(promise: Promise<unknown>): Promise<PodwrightError> {
  const error = await promise.catch((reason: unknown) => reason);
  if (!PodwrightError.is(error)) throw new Error(`no PodwrightError: ${String(error)}`);
  return error;
}

describe('a snapshot', () => {
  test('gives every entry and ends', async () => {
    const { executor, journal } = reader({ stdout: entries(1, 2, 3) });
    expect(await texts(journal.read({ matches: [{ A: 'b' }] }))).toEqual(['m1', 'm2', 'm3']);
    expect(executor.commands).toEqual([['journalctl', '--output=export', '--no-pager', 'A=b']]);
  });

  test('no entry is no error, also when journalctl says so', async () => {
    const { journal } = reader({ stderr: 'No journal files were found.\n' });
    expect(await texts(journal.read())).toEqual([]);
  });

  test('a tail is counted from the end in a pass of its own, then read forward', async () => {
    const { executor, journal } = reader({ stdout: entries(9, 8, 7) }, { stdout: entries(7, 8, 9) });
    expect(await texts(journal.read({ tail: 3, sinceUs: timeOf(2) }))).toEqual(['m7', 'm8', 'm9']);
    expect(executor.commands[0]).toEqual(expect.arrayContaining(['--reverse', '--lines=3']));
    expect(executor.commands[1]).toContain(`--cursor=${cursorOf(7)}`);
  });

  test('what came after the tail was counted belongs to no snapshot', async () => {
    const { journal } = reader({ stdout: entries(9, 8) }, { stdout: entries(8, 9, 10, 11) });
    expect(await texts(journal.read({ tail: 2 }))).toEqual(['m8', 'm9']);
  });

  test('a tail of 0 runs nothing; a tail of nothing reads nothing', async () => {
    expect(await texts(reader().journal.read({ tail: 0 }))).toEqual([]);
    expect(await texts(reader({}).journal.read({ tail: 5 }))).toEqual([]);
  });

  test('after a cursor: its entry is left out, and nothing when that entry is gone', async () => {
    const there = reader({ stdout: entries(5, 6) });
    expect(await texts(there.journal.read({ afterCursor: cursorOf(5) }))).toEqual(['m6']);
    const gone = reader({ stdout: entries(6, 7) });
    expect(await texts(gone.journal.read({ afterCursor: cursorOf(5) }))).toEqual(['m6', 'm7']);
  });

  test('after a cursor with a time and a tail', async () => {
    const { executor, journal } = reader(
      { stdout: entries(...range(5, 30)) },
      { stdout: entries(...range(29, 30)) },
    );
    const options = { afterCursor: cursorOf(5), sinceUs: timeOf(10), tail: 2 };
    expect(await texts(journal.read(options))).toEqual(['m29', 'm30']);
    expect(executor.commands[1]).toContain(`--cursor=${cursorOf(29)}`);
    const early = reader({ stdout: entries(...range(5, 12)) });
    expect(await texts(early.journal.read({ ...options, tail: 'all' }))).toEqual(['m10', 'm11', 'm12']);
  });

  test.each([
    [0, []],
    [2, ['m1']],
    [3, ['m1', 'm']],
    [4, ['m1', 'm2']],
    [100, ['m1', 'm2', 'm3']],
  ])('a limit of %d bytes', async (limitBytes, expected) => {
    const { journal } = reader({ stdout: entries(1, 2, 3) });
    expect(await texts(journal.read({ limitBytes }))).toEqual(expected);
  });
});

describe('following', () => {
  test('goes on until it is cancelled, which ends journalctl', async () => {
    const { executor, journal } = reader({ stdout: entries(1, 2), stays: true });
    const controller = new AbortController();
    const read: string[] = [];
    const following = (async () => {
      for await (const each of journal.read({ follow: true, signal: controller.signal })) {
        read.push(each.text('MESSAGE') ?? '');
        if (read.length === 2) setImmediate(() => controller.abort());
      }
    })();
    expect((await errorOf(following)).kind).toBe('cancelled');
    expect(read).toEqual(['m1', 'm2']);
    expect(executor.killed).toBe(1);
  });

  test('leaving the loop ends journalctl', async () => {
    const { executor, journal } = reader({ stdout: entries(1, 2), stays: true });
    for await (const each of journal.read({ follow: true })) {
      expect(each.text('MESSAGE')).toBe('m1');
      break;
    }
    expect(executor.killed).toBe(1);
  });

  test('a tail goes over into following in one pass: nothing twice, nothing lost', async () => {
    const { executor, journal } = reader(
      { stdout: entries(9, 8) },
      { stdout: entries(8, 9, 10, 11), stays: true },
    );
    expect(
      await firstValueFrom(
        journal.observe({ tail: 2, follow: true }).pipe(
          take(4),
          toArray(),
          map((all) => all.map((each) => each.text('MESSAGE'))),
        ),
      ),
    ).toEqual(['m8', 'm9', 'm10', 'm11']);
    expect(executor.commands[1]).toEqual([
      'journalctl',
      '--output=export',
      '--no-pager',
      `--cursor=${cursorOf(8)}`,
      '--follow',
      '--lines=all',
    ]);
  });

  test('a tail of 0 follows what comes after the newest entry', async () => {
    const { executor, journal } = reader({ stdout: entries(9) }, { stdout: entries(9, 10), stays: true });
    for await (const each of journal.read({ tail: 0, follow: true })) {
      expect(each.text('MESSAGE')).toBe('m10');
      break;
    }
    expect(executor.commands[0]).toContain('--lines=1');
  });

  test('finish ends it well with what was not read yet, after a sync', async () => {
    const finish = new AbortController();
    const { executor, journal } = reader(
      { stdout: entries(1, 2), stays: true },
      { stdout: entries(2, 3, 4) },
    );
    const read: (string | undefined)[] = [];
    for await (const each of journal.read({ follow: true, namespace: 'pods', finish: finish.signal })) {
      read.push(each.text('MESSAGE'));
      if (read.length === 2) setImmediate(() => finish.abort());
    }
    expect(read).toEqual(['m1', 'm2', 'm3', 'm4']);
    expect(executor.synced).toEqual([['journalctl', '--sync', '--namespace=pods']]);
    expect(executor.commands[1]).toEqual([
      'journalctl',
      '--output=export',
      '--no-pager',
      '--namespace=pods',
      `--cursor=${cursorOf(2)}`,
    ]);
  });

  test('finish before the first entry gives what there is', async () => {
    const { journal } = reader({ stays: true }, { stdout: entries(1) });
    expect(await texts(journal.read({ follow: true, finish: AbortSignal.abort() }))).toEqual(['m1']);
  });

  test('an end in the past makes it a snapshot; an entry beyond the end ends it', async () => {
    const past = reader({ stdout: entries(1) });
    expect(await texts(past.journal.read({ follow: true, untilUs: timeOf(1) - 10 ** 15 }))).toEqual([]);
    expect(past.executor.commands[0]).not.toContain('--follow');
    const untilUs = (Date.now() + 3_600_000) * 1000;
    const late = entryOf(3, 'late', [])
      .toString()
      .replace(String(timeOf(3)), String(untilUs + 1));
    const future = reader({ stdout: [...entries(1, 2), Buffer.from(late)], stays: true });
    expect(await texts(future.journal.read({ follow: true, untilUs }))).toEqual(['m1', 'm2']);
    expect(future.executor.killed).toBe(1);
  });
});

describe('failures', () => {
  test('journalctl’s own failure is an error with its words', async () => {
    const { journal } = reader({
      stdout: entries(1),
      stderr: 'Failed to open files: Permission denied\n',
      exitCode: 1,
    });
    const error = await errorOf(texts(journal.read()));
    expect(error.kind).toBe('command-failed');
    expect(error.message).toBe('journalctl failed with exit code 1: Failed to open files: Permission denied');
    expect(error.details).toMatchObject({ exitCode: 1 });
  });

  test('an output that ends inside an entry is an error', async () => {
    const { journal } = reader({ stdout: [entry(1), entry(2).subarray(0, 40)] });
    expect((await errorOf(texts(journal.read()))).message).toContain('ends inside an entry');
  });

  test.each<[string, JournalReadOptions]>([
    ['read', { tail: -1 }],
    ['read', { matches: [{ lower: 'x' }] }],
  ])('%s with wrong options', async (_name, options) => {
    expect((await errorOf(texts(reader().journal.read(options)))).kind).toBe('invalid-argument');
  });

  test('an Observable tells the error, and cancels with its signal', async () => {
    const failing = reader({ stderr: 'no', exitCode: 1 });
    expect((await errorOf(firstValueFrom(failing.journal.observe()))).kind).toBe('command-failed');
    const { journal } = reader({ stays: true });
    const signal = AbortSignal.abort();
    expect((await errorOf(firstValueFrom(journal.observe({ follow: true, signal })))).kind).toBe('cancelled');
  });
});

test('unsubscribing ends a journalctl that says nothing', async () => {
  const { executor, journal } = reader({ stays: true });
  const subscription = journal.observe({ follow: true }).subscribe();
  await turn();
  await turn();
  subscription.unsubscribe();
  await expect.poll(() => executor.killed, { timeout: 10_000 }).toBe(1);
});

test('a consumer that waits stops the reading', async () => {
  let produced = 0;
  function* endless() {
    for (;;) yield entry(++produced);
  }
  const { journal } = reader({ stdout: endless() });
  let consumed = 0;
  for await (const _ of journal.read()) {
    if (++consumed === 10) break;
    for (let index = 0; index < 20; index++) await turn();
  }
  expect(produced).toBeLessThan(20);
});

describe('pump', () => {
  const line = (index: number, priority: number | undefined, text: string | Buffer, partial = false) =>
    entryOf(index, text, [
      ...(priority === undefined ? [] : [['PRIORITY', String(priority)] as const]),
      ...(partial ? [['CONTAINER_PARTIAL_MESSAGE', 'true'] as const] : []),
    ]);

  class Collected extends Writable {
    readonly chunks: Buffer[] = [];
    override _write(chunk: Buffer, _encoding: string, done: () => void): void {
      this.chunks.push(chunk);
      setImmediate(done);
    }
    get bytes(): Buffer {
      return Buffer.concat(this.chunks);
    }
  }

  test('tells the streams apart, byte for byte, and joins parts of a line', async () => {
    const { executor, journal } = reader({
      stdout: [
        line(1, 6, 'one\n'),
        line(2, 3, 'error'),
        line(3, 6, ''),
        line(4, 6, Buffer.from([0, 0xff, 0x0d])),
        line(5, 6, 'long ', true),
        line(6, 6, 'line'),
        line(7, undefined, ' no priority '),
        line(8, 6, 'no line feed', true),
      ],
    });
    const [stdout, stderr] = [new Collected(), new Collected()];
    const result = await journal.pump({ matches: [{ CONTAINER_ID_FULL: 'x' }] }, { stdout, stderr });
    expect(stdout.bytes).toEqual(
      Buffer.concat([
        Buffer.from('one\n\n'),
        Buffer.from([0, 0xff, 0x0d, 0x0a]),
        Buffer.from('long line\n no priority \nno line feed'),
      ]),
    );
    expect(stderr.bytes.toString()).toBe('error\n');
    expect(result).toEqual({ entries: 8, lastCursor: cursorOf(8) });
    expect(executor.commands[0]).toContain(
      '--output-fields=MESSAGE,PRIORITY,CONTAINER_PARTIAL_MESSAGE,_BOOT_ID',
    );
  });

  test('keeps the order when both sinks are one', async () => {
    const { journal } = reader({ stdout: [line(1, 6, 'a'), line(2, 3, 'b'), line(3, 6, 'c')] });
    const both = new Collected();
    await journal.pump({}, { stdout: both, stderr: both });
    expect(both.bytes.toString()).toBe('a\nb\nc\n');
  });

  test('a following pump writes each line when it comes', async () => {
    const { journal } = reader({ stdout: [line(1, 6, 'now')], stays: true });
    const stdout = new PassThrough();
    const controller = new AbortController();
    const pumping = errorOf(
      journal.pump({ follow: true, signal: controller.signal }, { stdout, stderr: stdout }),
    );
    const first = await new Promise((resolve) => stdout.once('data', resolve));
    expect(String(first)).toBe('now\n');
    controller.abort();
    expect((await pumping).kind).toBe('cancelled');
  });

  test('a slow sink stops the reading, and cancelling does not wait for it', async () => {
    let produced = 0;
    function* endless() {
      for (;;) yield line(++produced, 6, 'x'.repeat(1000));
    }
    const { executor, journal } = reader({ stdout: endless() });
    const stuck = new Writable({ write: () => undefined });
    const controller = new AbortController();
    const pumping = errorOf(journal.pump({ signal: controller.signal }, { stdout: stuck, stderr: stuck }));
    for (let index = 0; index < 200; index++) await turn();
    expect(produced).toBeLessThan(100);
    controller.abort();
    expect((await pumping).kind).toBe('cancelled');
    expect(executor.killed).toBe(1);
  });

  test('a sink that breaks fails it with its own error and ends journalctl', async () => {
    const { executor, journal } = reader({ stdout: [line(1, 6, 'x')], stays: true });
    const broken = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) });
    await expect(journal.pump({ follow: true }, { stdout: broken, stderr: broken })).rejects.toThrow('EPIPE');
    expect(executor.killed).toBe(1);
  });
});
