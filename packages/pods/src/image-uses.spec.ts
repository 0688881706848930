import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, silentLogger } from '@podwright/core';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ImageUses } from './image-uses.js';
import { ManualClock } from './manual-clock.spec-helper.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'podwright-uses-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const start = (clock: ManualClock, logger: Logger = silentLogger) =>
  new ImageUses(join(folder, 'state', 'image-uses.json'), clock, logger);

it('remembers over restarts when images were seen first and used last', async () => {
  const clock = new ManualClock();
  const begin = clock.time;
  const first = start(clock);
  await first.detect(['a', 'b'], new Set());
  clock.time += 10;
  first.used('a');
  await first.flush();
  clock.time += 10;
  const second = start(clock);
  expect([...(await second.detect(['a', 'b', 'c'], new Set(['b'])))]).toEqual([
    ['a', { firstDetectedMs: begin, lastUsedMs: begin + 10 }],
    ['b', { firstDetectedMs: begin, lastUsedMs: begin + 20 }],
    ['c', { firstDetectedMs: begin + 20 }],
  ]);
  expect(statSync(join(folder, 'state', 'image-uses.json')).mode & 0o777).toBe(0o600);
});

it('keeps what is noted before the file was read', async () => {
  const clock = new ManualClock();
  const first = start(clock);
  await first.detect(['a'], new Set(['a']));
  clock.time += 10;
  const second = start(clock);
  second.used('b');
  await second.flush();
  expect([...(await start(clock).detect(['a', 'b'], new Set())).keys()]).toEqual(['a', 'b']);
});

it('forgets images that are gone', async () => {
  const clock = new ManualClock();
  const uses = start(clock);
  await uses.detect(['a', 'b'], new Set());
  await uses.detect(['b'], new Set());
  const { images } = JSON.parse(readFileSync(join(folder, 'state', 'image-uses.json'), 'utf8')) as {
    images: object;
  };
  expect(Object.keys(images)).toEqual(['b']);
});

it.each(['', '{', '[]', '{"version": 99, "images": {}}'])(
  'begins anew with a warning over a file with %j',
  async (text) => {
    const clock = new ManualClock();
    await start(clock).detect(['a'], new Set(['a']));
    writeFileSync(join(folder, 'state', 'image-uses.json'), text);
    const warnings: string[] = [];
    const uses = start(clock, { ...silentLogger, warn: (message) => void warnings.push(message) });
    expect((await uses.detect(['a'], new Set())).get('a')).toEqual({ firstDetectedMs: clock.time });
    expect(warnings).toHaveLength(1);
  },
);
