import { chmod, chown, mkdtemp, rmdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { followGroup, followOwner } from './volume-group.js';

type Owner = readonly [uid: number, gid: number, mode: number];

let path: string;

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'podwright-volume-group-'));
});

afterEach(() => rmdir(path));

async function after(
  follow: typeof followGroup,
  [uid, gid, mode]: Owner,
  fsGroup: number | undefined,
): Promise<Owner> {
  await chown(path, uid, gid);
  await chmod(path, mode);
  await follow(path, { uid: 0, gid: fsGroup ?? 0, shared: fsGroup !== undefined });
  const made = await stat(path);
  return [made.uid, made.gid, made.mode & 0o7777];
}

it.each<[string, Owner, number | undefined, Owner]>([
  ['another fsGroup', [0, 2000, 0o2777], 3000, [0, 3000, 0o2777]],
  ['a first fsGroup', [0, 0, 0o777], 3000, [0, 3000, 0o2777]],
  ['the same fsGroup, with the mode that a container chose', [0, 3000, 0o700], 3000, [0, 3000, 0o700]],
  ['no fsGroup any more', [0, 2000, 0o2777], undefined, [0, 2000, 0o2777]],
  ['no fsGroup, and the owner that a container chose', [7, 8, 0o700], undefined, [7, 8, 0o700]],
  ['an fsGroup, and another owner that a container chose', [7, 8, 0o1700], 3000, [7, 3000, 0o3770]],
])('a volume that is written to, of a pod with %s', async (_what, before, fsGroup, expected) => {
  expect(await after(followGroup, before, fsGroup)).toEqual(expected);
});

it.each<[string, Owner, number | undefined, Owner]>([
  ['another fsGroup', [0, 2000, 0o2755], 3000, [0, 3000, 0o2755]],
  ['a first fsGroup', [0, 0, 0o755], 3000, [0, 3000, 0o2755]],
  ['no fsGroup any more', [0, 2000, 0o2755], undefined, [0, 0, 0o755]],
])('a volume that is only read, of a pod with %s', async (_what, before, fsGroup, expected) => {
  expect(await after(followOwner, before, fsGroup)).toEqual(expected);
});
