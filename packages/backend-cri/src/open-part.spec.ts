import { mkdir, mkdtemp, readdir, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openPart } from './open-part.js';

let folder: string;
let volume: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'podwright-part-'));
  volume = join(folder, 'volume');
  await mkdir(join(volume, 'dir'), { recursive: true });
  await writeFile(join(volume, 'dir/file'), '');
  await mkdir(join(folder, 'outside'));
});

afterEach(() => rm(folder, { recursive: true }));

async function opened(subPath: string): Promise<string> {
  await using part = await openPart(volume, subPath);
  return await readlink(`/proc/self/fd/${part.fd}`);
}

describe('a part of a volume', () => {
  it.each([
    ['dir', 'dir'],
    ['./dir//file', 'dir/file'],
    ['dir/../dir/file', 'dir/file'],
    ['relative', 'dir/file'],
    ['chain/file', 'dir/file'],
  ])('%s is found', async (subPath, expected) => {
    await symlink('dir/file', join(volume, 'relative'));
    await symlink('dir', join(volume, '..data'));
    await symlink('..data', join(volume, 'chain'));
    expect(await opened(subPath)).toBe(join(volume, expected));
  });

  it('is made when it is not there, with the mode of the volume', async () => {
    const { mode } = await stat(volume);
    expect(await opened('made/on/demand')).toBe(join(volume, 'made/on/demand'));
    expect((await stat(join(volume, 'made/on'))).mode).toBe(mode);
  });

  it.each(['..', 'dir/../..', 'absolute', 'up', 'circle', 'dir/file/x'])('%s is refused', async (subPath) => {
    await symlink(join(folder, 'outside'), join(volume, 'absolute'));
    await symlink('../outside', join(volume, 'up'));
    await symlink('circle', join(volume, 'circle'));
    await expect(openPart(volume, subPath)).rejects.toMatchObject({ kind: 'invalid-argument' });
  });

  it.each([
    ['current/new', 'dir/new'],
    ['current/../current/new/deeper', 'dir/new/deeper'],
  ])('%s is made behind a link', async (subPath, path) => {
    await symlink('dir', join(volume, 'current'));
    const expected = join(volume, path);
    expect(await opened(subPath)).toBe(expected);
    expect((await stat(expected)).mode).toBe((await stat(volume)).mode);
    expect(await opened(subPath)).toBe(expected);
  });

  it.each(['missing', 'missing/deeper', 'dir/missing'])('is not made where a link leads: %s', async (to) => {
    await symlink(to, join(volume, 'dangling'));
    for (const subPath of ['dangling', 'dangling/new']) {
      await expect(openPart(volume, subPath)).rejects.toMatchObject({
        kind: 'not-found',
        message: expect.stringContaining('"missing" is not there'),
      });
    }
    expect([await readdir(volume), await readdir(join(volume, 'dir'))]).toEqual([
      ['dangling', 'dir'],
      ['file'],
    ]);
  });
});
