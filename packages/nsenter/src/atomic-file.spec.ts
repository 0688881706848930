import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeFileAtomic } from './atomic-file.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'atomic-file-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('writes text and bytes with the mode asked for, whatever the umask, and leaves nothing beside', async () => {
  const umask = process.umask(0o077);
  try {
    await writeFileAtomic(join(directory, 'text'), 'ü\n', { mode: 0o644 });
    await writeFileAtomic(join(directory, 'bytes'), Buffer.from([0, 255]));
  } finally {
    process.umask(umask);
  }
  expect(readFileSync(join(directory, 'text'), 'utf8')).toBe('ü\n');
  expect(statSync(join(directory, 'text')).mode & 0o777).toBe(0o644);
  expect([...readFileSync(join(directory, 'bytes'))]).toEqual([0, 255]);
  expect(statSync(join(directory, 'bytes')).mode & 0o777).toBe(0o600);
  expect(readdirSync(directory).sort()).toEqual(['bytes', 'text']);
});

test('a reader sees one whole version or another, never a part', async () => {
  const path = join(directory, 'state');
  const version = (index: number) => `${index}:`.repeat(50_000);
  await writeFileAtomic(path, version(0));
  const writes = (async () => {
    for (let index = 1; index <= 20; index++) await writeFileAtomic(path, version(index));
  })();
  let done = false;
  void writes.finally(() => {
    done = true;
  });
  while (!done) {
    const seen = readFileSync(path, 'utf8');
    expect(seen).toBe(version(Number.parseInt(seen, 10)));
    await new Promise(setImmediate);
  }
  await writes;
});

test('a failure leaves the old content and no temporary file', async () => {
  mkdirSync(join(directory, 'taken'));
  writeFileSync(join(directory, 'taken', 'file'), 'x');
  await expect(writeFileAtomic(join(directory, 'taken'), 'new')).rejects.toThrow();
  await expect(writeFileAtomic(join(directory, 'none', 'file'), 'new')).rejects.toThrow('ENOENT');
  expect(readdirSync(directory)).toEqual(['taken']);
  expect(readdirSync(join(directory, 'taken'))).toEqual(['file']);
});
