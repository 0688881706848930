import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parseBackendOptions } from './backend-options.js';
import { fakeHost } from './testing.spec-helper.js';
import { UserNamespaces } from './user-namespaces.js';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'podwright-users-'));
  for (const folder of ['kernel', 'user']) await mkdir(join(root, 'proc/sys', folder), { recursive: true });
});

afterEach(() => rm(root, { recursive: true }));

async function users({ kernel = '6.3.0-1-amd64', most = '1000', perl = true, ociRuntime = 'crun' } = {}) {
  await writeFile(join(root, 'proc/sys/kernel/osrelease'), `${kernel}\n`);
  await writeFile(join(root, 'proc/sys/user/max_user_namespaces'), `${most}\n`);
  const host = { ...fakeHost({ root }), which: async () => (perl ? '/usr/bin/perl' : undefined) };
  return new UserNamespaces(host, parseBackendOptions({ ociRuntime }));
}

it('are there on a host that has all it takes', async () => {
  const possible = await users();
  expect(await possible.isPossible()).toBe(true);
  await expect(possible.check()).resolves.toBeUndefined();
});

it.each([
  [{ kernel: '6.1.0-13-amd64' }, 'unsupported', 'kernel is 6.1.0'],
  [{ most: '0' }, 'unsupported', 'max_user_namespaces'],
  [{ ociRuntime: 'runc' }, 'unsupported', 'crun'],
  [{ perl: false }, 'missing-requirement', 'perl-base'],
])('are not there with %j, and the error says why', async (facts, kind, words) => {
  const impossible = await users(facts);
  expect(await impossible.isPossible()).toBe(false);
  await expect(impossible.check()).rejects.toMatchObject({ kind, message: expect.stringContaining(words) });
});
