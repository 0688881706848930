import { PodwrightError } from '@podwright/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { entryOf, exportOf, type Fields, timeOf } from '../testing/export-stream.js';
import { ExportParser } from './export-parser.js';
import type { JournalEntry } from './journal-reader.js';

function parse(chunks: Iterable<Buffer>): JournalEntry[] {
  const parser = new ExportParser();
  const entries = [...chunks].flatMap((chunk) => parser.push(chunk));
  parser.finish();
  return entries;
}

function* split(bytes: Buffer, sizes: Iterable<number>): Generator<Buffer> {
  let at = 0;
  for (const size of sizes) {
    // A copy: a parser that keeps a view of a chunk it does not own would be found out.
    yield Buffer.from(bytes.subarray(at, at + size));
    at += size;
    if (at >= bytes.length) return;
  }
  yield bytes.subarray(at);
}

function* forever(size: number): Generator<number> {
  for (;;) yield size;
}

/** Not the time that passed: other programs may be at work. */
function cpuMsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** What journalctl of systemd 252 wrote for an entry that was sent to its native socket. */
const SEEN = Buffer.concat([
  Buffer.from(
    '__CURSOR=s=008f17732c9147d1940610d95be62a68;i=2e;b=2b5c3bdb53294ea89a8c64d2d7f0775e;m=60f01429;t=660d32f4a74c3;x=4be26cb7fc6810a\n__REALTIME_TIMESTAMP=1795310008038595\n__MONOTONIC_TIMESTAMP=1626346537\n_BOOT_ID=2b5c3bdb53294ea89a8c64d2d7f0775e\nMESSAGE\n',
  ),
  Buffer.from([5, 0, 0, 0, 0, 0, 0, 0]),
  Buffer.from('a\n\0b\n\nDUP=1\nDUP=2\nEMPTY=\n\n'),
]);

describe('a real entry', () => {
  test.each([1, 2, 3, 7, 8, 9, 64, 1000])('in chunks of %d bytes', (size) => {
    const [entry, ...others] = parse(split(SEEN, forever(size)));
    expect(others).toEqual([]);
    expect(entry?.cursor).toMatch(/^s=008f.*x=4be26cb7fc6810a$/);
    expect(entry?.realtimeUs).toBe(1_795_310_008_038_595);
    expect(entry?.monotonicUs).toBe(1_626_346_537);
    expect(entry?.get('MESSAGE')).toEqual(Buffer.from('a\n\0b\n'));
    expect(entry?.getAll('DUP').map(String)).toEqual(['1', '2']);
    expect(entry?.text('DUP')).toBe('1');
    expect(entry?.get('EMPTY')).toHaveLength(0);
    expect(entry?.get('ABSENT')).toBeUndefined();
    expect(entry?.get('MESS')).toBeUndefined();
    expect(entry?.fieldNames()).toEqual(['_BOOT_ID', 'MESSAGE', 'DUP', 'EMPTY']);
  });
});

const name = fc.stringMatching(/^[A-Z][A-Z0-9_]{0,20}$/);
const value = fc.oneof(
  fc.string().map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  // Bytes that look like the format itself.
  fc
    .array(fc.constantFrom('\n', '=', 'A', '\0', '\n\n', 'A=b\n', '\x05\0\0\0\0\0\0\0'))
    .map((parts) => Buffer.from(parts.join(''))),
);
const entries: fc.Arbitrary<Fields[]> = fc.array(
  fc.array(fc.tuple(name, value), { minLength: 1, maxLength: 8 }),
  {
    maxLength: 8,
  },
);

test('any fields, split anywhere, come back as they were', () => {
  fc.assert(
    fc.property(entries, fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 60 }), (written, sizes) => {
      const read = parse(split(Buffer.concat(written.map(exportOf)), sizes));
      expect(read).toHaveLength(written.length);
      for (const [index, fields] of written.entries()) {
        for (const field of new Set(fields.map(([key]) => key))) {
          const expected = fields.filter(([key]) => key === field).map(([, bytes]) => Buffer.from(bytes));
          expect(read[index]?.getAll(field)).toEqual(expected);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test.each([
  ['binary', Buffer.alloc(20_000_000, 'line\n')],
  ['text', Buffer.alloc(20_000_000, 'x')],
])('a %s field of 20 MB in chunks of 16 KiB, and what follows', (_kind, large) => {
  const bytes = Buffer.concat([
    entryOf(0, 'before'),
    entryOf(1, large, [['AFTER', 'yes']]),
    entryOf(2, 'after'),
  ]);
  const chunks = [...split(bytes, forever(16_384))];
  const before = process.cpuUsage();
  const read = parse(chunks);
  const elapsedMs = cpuMsSince(before);
  expect(read.map((entry) => entry.get('MESSAGE')?.length)).toEqual([6, 20_000_000, 5]);
  expect(read[1]?.get('MESSAGE')?.equals(large)).toBe(true);
  expect(read[1]?.text('AFTER')).toBe('yes');
  // Copying or searching it anew for each chunk would be 12 GB.
  expect(elapsedMs).toBeLessThan(1000);
});

test('an entry is given as soon as it is complete', () => {
  const parser = new ExportParser();
  const bytes = entryOf(0, 'x'.repeat(100_000));
  expect(parser.push(bytes.subarray(0, -1))).toEqual([]);
  expect(parser.push(bytes.subarray(-1))).toHaveLength(1);
  expect(parser.push(entryOf(1, 'next'))).toHaveLength(1);
});

test('earlier entries stay as they are while later ones come', () => {
  const parser = new ExportParser();
  const bytes = Buffer.concat(Array.from({ length: 300 }, (_, index) => entryOf(index, `message ${index}`)));
  const read = [...split(bytes, forever(100))].flatMap((chunk) => parser.push(chunk));
  expect(read.map((entry) => entry.text('MESSAGE'))).toEqual(
    Array.from({ length: 300 }, (_, i) => `message ${i}`),
  );
  expect(read.map((entry) => entry.realtimeUs)).toEqual(Array.from({ length: 300 }, (_, i) => timeOf(i)));
});

describe('what is not the format is kind command-failed', () => {
  test.each([
    ['an end inside a field', Buffer.from('MESSAGE=half'), 'ends inside an entry'],
    ['an end after a field', Buffer.from('MESSAGE=whole\n'), 'ends inside an entry'],
    ['an end inside a length', Buffer.from('MESSAGE\n\x05\0\0'), 'ends inside an entry'],
    ['a wrong length', Buffer.from('MESSAGE\n\x02\0\0\0\0\0\0\0abc\n\n'), 'MESSAGE has no end'],
    ['an absurd length', Buffer.from('MESSAGE\n\0\0\0\0\0\0\0\x7f....'), 'claims to have'],
  ])('%s', (_name, bytes, message) => {
    let error: unknown;
    try {
      parse([bytes]);
    } catch (caught) {
      error = caught;
    }
    expect(PodwrightError.is(error, 'command-failed')).toBe(true);
    expect(String(error)).toContain(message);
  });

  test('empty lines between entries are passed over', () => {
    expect(parse([Buffer.from('\n\nA=1\n\n\nA=2\n\n')])).toHaveLength(2);
  });
});

test('200,000 entries of a container in less than 2 seconds of processor time', () => {
  const more: Fields = Array.from({ length: 18 }, (_, index) => [
    `_SOME_FIELD_${index}`,
    `value number ${index}`,
  ]);
  const block = Buffer.concat(
    Array.from({ length: 1000 }, (_, index) => entryOf(index, `line ${index}`, more)),
  );
  const parser = new ExportParser();
  const before = process.cpuUsage();
  let bytes = 0;
  let count = 0;
  for (let round = 0; round < 200; round++) {
    for (let at = 0; at < block.length; at += 65_536) {
      for (const entry of parser.push(block.subarray(at, at + 65_536))) {
        count++;
        bytes += entry.get('MESSAGE')?.length ?? 0;
      }
    }
  }
  const elapsedMs = cpuMsSince(before);
  expect(count).toBe(200_000);
  expect(bytes).toBeGreaterThan(count * 6);
  console.log(`200,000 entries of 22 fields parsed in ${Math.round(elapsedMs)} ms`);
  expect(elapsedMs).toBeLessThan(2000);
});
