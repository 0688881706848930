import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VolumeFile } from '@podwright/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeVolume } from './atomic-volume.js';

const OWNER = { uid: 0, gid: 0, shared: false };

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'podwright-atomic-volume-'));
});

afterEach(() => rm(root, { recursive: true }));

const files = (content: Readonly<Record<string, string>>): readonly VolumeFile[] =>
  Object.entries(content).map(([path, text]) => ({ path, content: Buffer.from(text), mode: 0o644 }));
const at = (path: string) => join(root, path);
const seen = async () => (await readdir(root)).filter((name) => !name.startsWith('..')).sort();

describe('what was made for a part of the volume that was missing', () => {
  const made: readonly [string, () => Promise<unknown>][] = [
    ['a directory', () => mkdir(at('part'))],
    ['directories below each other', () => mkdir(at('part/of/it'), { recursive: true })],
    ['a file', () => writeFile(at('part'), 'not ours')],
    ['a link to elsewhere', () => symlink('/nowhere', at('part'))],
  ];

  it.each(made)('stays, when it is %s, whatever else the volume gets', async (_, make) => {
    await writeVolume(root, files({ a: '1' }), OWNER);
    await make();
    await writeVolume(root, files({ a: '1' }), OWNER);
    await writeVolume(root, files({ b: '2' }), OWNER);
    expect(await seen()).toEqual(['b', 'part']);
    expect(await readFile(at('b'), 'utf8')).toBe('2');
  });

  it.each(made)('goes, when it is %s, for a file of its name', async (_, make) => {
    await writeVolume(root, files({ part: 'first' }), OWNER);
    await writeVolume(root, files({ a: '1' }), OWNER);
    await make();
    await writeVolume(root, files({ part: 'again' }), OWNER);
    expect(await seen()).toEqual(['part']);
    expect(await readFile(at('part'), 'utf8')).toBe('again');
  });
});
