import { appendFile, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LogFile, parseCursor } from './log-file.js';

let folder: string;
let path: string;
let file: LogFile;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'podwright-log-'));
  path = join(folder, '0.log');
  file = new LogFile(path);
});

afterEach(async () => {
  await file.close();
  await rm(folder, { recursive: true });
});

async function texts(from = file): Promise<string[]> {
  const found: string[] = [];
  for await (const { raw } of from.lines()) found.push(raw.toString());
  return found;
}

it('reads nothing of a file that is not there yet, and goes on with it later', async () => {
  expect(await texts()).toEqual([]);
  await writeFile(path, 'one\n');
  expect(await texts()).toEqual(['one']);
});

it('goes on where it was, and leaves a line alone that has no end yet', async () => {
  await writeFile(path, 'one\ntw');
  expect(await texts()).toEqual(['one']);
  await appendFile(path, 'o\n\n');
  expect(await texts()).toEqual(['two', '']);
  expect(await texts()).toEqual([]);
});

it('reads the rest of a file that was renamed, and then the new one', async () => {
  await writeFile(path, 'one\n');
  expect(await texts()).toEqual(['one']);
  await rename(path, `${path}.1`);
  await appendFile(`${path}.1`, 'two\n');
  expect(await texts()).toEqual(['two']);
  await appendFile(`${path}.1`, 'three\n');
  await writeFile(path, 'four\n');
  expect(await texts()).toEqual(['three', 'four']);
});

it('begins again with a file that was cut', async () => {
  await writeFile(path, 'one\ntwo\n');
  await texts();
  await truncate(path);
  await appendFile(path, 'new\n');
  expect(await texts()).toEqual(['new']);
});

it('reads lines that are longer than what is read at once', async () => {
  const long = 'x'.repeat(700_000);
  await writeFile(path, `${long}\nnext\n`);
  expect(await texts()).toEqual([long, 'next']);
});

it('goes on after a line, also when its file was renamed since', async () => {
  await writeFile(path, 'one\ntwo\n');
  const first = await file.lines().next();
  const place = { inode: first.value?.inode ?? 0, offset: first.value?.end ?? 0 };
  await rename(path, `${path}.1`);
  await writeFile(path, 'three\n');
  const other = new LogFile(path);
  await other.seek(place);
  expect(await texts(other)).toEqual(['two', 'three']);
  await other.close();
});

it.each([
  ['12:34', { inode: 12, offset: 34 }],
  ['s=1;i=2', undefined],
])('reads the cursor %s', (cursor, place) => expect(parseCursor(cursor)).toEqual(place));
