import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { PullSecret, RegistryAuth } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { testImages, testRegistry } from '../host/images.js';
import { GuardingRegistry } from './guarding-registry.js';
import { imagesTestBed } from './images-test-bed.js';

const { at, cleanups, digestOf, failure, imageOf, start } = imagesTestBed();

const ONE = { username: 'one', password: 'first secret' };
const TWO = { username: 'two', password: 'second: secret' };
const STALE = { username: 'stale', password: 'old secret' };

const encoded = ({ username, password }: RegistryAuth) =>
  Buffer.from(`${username}:${password}`).toString('base64');
const authsOf = (entries: Readonly<Record<string, RegistryAuth>>) => ({
  auths: Object.fromEntries(Object.entries(entries).map(([key, auth]) => [key, { auth: encoded(auth) }])),
});
const secretOf = (entries: Readonly<Record<string, RegistryAuth>>): PullSecret => ({
  type: 'kubernetes.io/dockerconfigjson',
  content: JSON.stringify(authsOf(entries)),
});

/** A registry with a folder for each of two users, and an open one. */
async function guarded() {
  const registry = await GuardingRegistry.listen(testRegistry, { one: ONE, two: TWO });
  cleanups.push(() => registry.close());
  const services = await start({ insecureRegistries: [registry.address, testRegistry] });
  return { registry, services, ...services, address: registry.address };
}

/** Puts a file of the host in place for one test. */
function placeFile(path: string, text: string) {
  const saved = `${path}.saved-by-test`;
  mkdirSync(dirname(path), { recursive: true });
  if (existsSync(path)) renameSync(path, saved);
  cleanups.push(() => {
    rmSync(path, { force: true });
    if (existsSync(saved)) renameSync(saved, path);
  });
  writeFileSync(path, text, { mode: 0o600 });
}

describe('pull secrets', () => {
  it('serve two paths of one registry, each with its own credentials', async () => {
    const { pull, address, images } = await guarded();
    const credentials = [secretOf({ [`${address}/one`]: ONE, [`${address}/two`]: TWO, [address]: STALE })];
    await pull(`${address}/one/busybox:1`, { credentials });
    await pull(`${address}/two/web:1`, { credentials });
    expect((await images.listImages()).flatMap(({ repoTags }) => repoTags).sort()).toEqual([
      `${address}/one/busybox:1`,
      `${address}/two/web:1`,
    ]);
  });

  it('are tried one after the other, through files that only root reads and through no command line', async () => {
    const { pull, address, commands, watchers } = await guarded();
    const users: string[] = [];
    watchers.push(({ args, command }) => {
      const path = args.find((arg) => arg.startsWith(at('run/auth/')));
      if (path === undefined || command !== 'skopeo' || !args.includes('inspect')) return;
      expect(statSync(path).mode & 0o777).toBe(0o600);
      const { auths } = JSON.parse(readFileSync(path, 'utf8')) as { auths: Record<string, { auth: string }> };
      const auth = Buffer.from(auths[address]?.auth ?? '', 'base64').toString('utf8');
      users.push(auth.split(':')[0] ?? '');
    });
    const credentials = [
      secretOf({ [address]: STALE }),
      secretOf({ [address]: TWO }),
      secretOf({ [address]: ONE }),
    ];
    await pull(`${address}/one/busybox:1`, { credentials });
    expect(users).toEqual(['stale', 'two', 'one']);
    expect(readdirSync(at('run/auth'))).toEqual([]);
    for (const { args, env } of commands) {
      const shown = JSON.stringify([args, env]);
      for (const { password } of [ONE, TWO, STALE]) expect(shown).not.toContain(password);
      for (const auth of [ONE, TWO, STALE]) expect(shown).not.toContain(encoded(auth));
    }
  });

  it('that are wrong are named by their users, never by their passwords', async () => {
    const { pull, address } = await guarded();
    const credentials = [secretOf({ [address]: STALE }), secretOf({ [address]: TWO })];
    const error = await failure(pull(`${address}/one/busybox:1`, { credentials }));
    expect(error).toMatchObject({ kind: 'unauthorized' });
    expect(error.message).toContain('user "stale" of a pull secret, then user "two" of a pull secret, then');
    expect(JSON.stringify([error.message, error.details])).not.toMatch(/old secret|second: secret/);
    expect(readdirSync(at('run/auth'))).toEqual([]);
  });

  it('are not needed where the registry is open, and do no harm', async () => {
    const { pull, address } = await guarded();
    await pull(`${address}/open/busybox:1`);
    await pull(`${address}/open/web:1`, { credentials: [secretOf({ 'other.example': STALE })] });
    await pull(`${address}/open/layers:1`, { credentials: [secretOf({ [address]: STALE })] });
  });

  it('of two registries go to each its own', async () => {
    const { pull, registry, address } = await guarded();
    const other = await GuardingRegistry.listen(testRegistry, { one: TWO });
    cleanups.push(() => other.close());
    const services = await start({ insecureRegistries: [address, other.address] });
    const credentials = [secretOf({ [address]: ONE, [other.address]: TWO })];
    await services.pull(`${address}/one/busybox:1`, { credentials });
    await services.pull(`${other.address}/one/busybox:1`, { credentials });
    expect(registry.served.length).toBeGreaterThan(0);
    expect(other.served.length).toBeGreaterThan(0);
    expect(
      await failure(pull(`${address}/one/web:1`, { credentials: [secretOf({ [other.address]: ONE })] })),
    ).toMatchObject({
      kind: 'unauthorized',
    });
  });
});

describe("the host's auth files", () => {
  it.each(['/run/containers/0/auth.json', '/root/.docker/config.json'])('%s is honoured', async (path) => {
    const { pull, address } = await guarded();
    expect(await failure(pull(`${address}/one/busybox:1`))).toMatchObject({ kind: 'unauthorized' });
    placeFile(path, JSON.stringify(authsOf({ [address]: ONE })));
    expect(imageOf(await pull(`${address}/one/busybox:1`)).repoTags).toEqual([`${address}/one/busybox:1`]);
  });

  it('can be another file by configuration, with credentials for a path, after the pull secrets', async () => {
    const { address } = await guarded();
    writeFileSync(at('auth.json'), JSON.stringify(authsOf({ [`${address}/one`]: ONE })));
    const { pull } = await start({ insecureRegistries: [address], authFile: at('auth.json') });
    await pull(`${address}/one/busybox:1`, { credentials: [secretOf({ [address]: STALE })] });
    expect(await failure(pull(`${address}/two/busybox:1`))).toMatchObject({ kind: 'unauthorized' });
    const missing = await start({ insecureRegistries: [address], authFile: at('absent.json') });
    const error = await failure(missing.pull(`${address}/one/busybox:1`));
    expect(error).toMatchObject({ kind: 'invalid-argument' });
    expect(error.message).toContain('absent.json');
  });
});

describe('a registry that answers wrongly', () => {
  it('gives nothing under a digest that is another manifest', async () => {
    const { pull, registry, address, images } = await guarded();
    const digest = digestOf(imageOf(await pull(testImages.busybox)));
    await images.removeImage(testImages.busybox);
    registry.wrongManifest = '1';
    const error = await failure(pull(`${address}/open/web@${digest}`));
    expect(error.message).toMatch(/digest/);
    expect(await images.listImages()).toEqual([]);
    registry.wrongManifest = undefined;
    expect(digestOf(imageOf(await pull(`${address}/open/busybox:any@${digest}`)))).toBe(digest);
  });

  it.each([
    [500, 'unreachable'],
    [503, 'unreachable'],
    [429, 'unreachable'],
  ])('with status %i is %s', async (status, kind) => {
    const { pull, registry, address } = await guarded();
    registry.failWith = status;
    expect(await failure(pull(`${address}/open/busybox:1`))).toMatchObject({ kind });
  });
});
