import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { mountsAt, parseMountInfo } from './host-mounts.js';
import { fakeHost } from './testing.spec-helper.js';

const TABLE = `21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:25 / /run rw,nosuid shared:5 master:2 - tmpfs tmpfs rw,size=1k
31 30 0:26 / /run/a\\040b\\011c\\134d rw - tmpfs tmpfs rw
32 30 0:27 / /run/a/x rw - tmpfs tmpfs rw
33 32 0:28 / /run/a rw master:9 - tmpfs a - b rw
34 30 0:29 / /run/ab rw - tmpfs tmpfs rw

`;

it('reads the table of mounts: escaped paths, and which are shared', () => {
  expect(parseMountInfo(TABLE)).toEqual([
    { path: '/', shared: true },
    { path: '/run', shared: true },
    { path: '/run/a b\tc\\d', shared: false },
    { path: '/run/a/x', shared: false },
    { path: '/run/a', shared: false },
    { path: '/run/ab', shared: false },
  ]);
});

it('gives what is mounted at a path of the host and below it', async () => {
  const root = await mkdtemp(join(tmpdir(), 'podwright-mounts-'));
  onTestFinished(() => rm(root, { recursive: true }));
  await mkdir(join(root, 'proc/1'), { recursive: true });
  await writeFile(join(root, 'proc/1/mountinfo'), TABLE);
  const found = await mountsAt(fakeHost({ root }), '/run/a');
  expect(found.map(({ path }) => path)).toEqual(['/run/a/x', '/run/a']);
});
