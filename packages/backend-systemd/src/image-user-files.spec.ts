import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ImageUserFiles } from './image-user-files.js';
import { errorOf, fakeHost } from './testing.spec-helper.js';

let root: string;
let files: ImageUserFiles;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'podwright-users-'));
  await mkdir(join(root, 'layer/etc'), { recursive: true });
  await writeFile(join(root, 'layer/etc/passwd'), 'web:x:7:7::/:/bin/sh\n');
  files = new ImageUserFiles(fakeHost({ root }));
});

afterEach(() => rm(root, { recursive: true }));

it('reads an image once, also for several at once', async () => {
  const seen = await Promise.all([files.of('sha256:1', ['/layer']), files.of('sha256:1', ['/layer'])]);
  expect(seen).toEqual([{ passwd: 'web:x:7:7::/:/bin/sh\n' }, { passwd: 'web:x:7:7::/:/bin/sh\n' }]);
  await rm(join(root, 'layer'), { recursive: true });
  expect(await files.of('sha256:1', ['/layer'])).toBe(seen[0]);
  expect(await files.of('sha256:2', ['/layer'])).toEqual({});
});

it('reads again what could not be read', async () => {
  await rm(join(root, 'layer/etc/passwd'));
  await mkdir(join(root, 'layer/etc/passwd'));
  expect((await errorOf(() => files.of('sha256:1', ['/layer']))).kind).toBe('invalid-argument');
  await rm(join(root, 'layer/etc/passwd'), { recursive: true });
  expect(await files.of('sha256:1', ['/layer'])).toEqual({});
});
