import { PodwrightError, type PullOptions, type RegistryAuth } from '@podwright/core';
import type { HostExecutor } from '@podwright/nsenter';
import { describe, expect, it } from 'vitest';
import { isRefusal, PullSources, refusedByAll } from './pull-sources.js';
import type { WorkDir } from './work-dirs.js';

const NAME = 'reg.lan:5000/team/app:1';
const secret = (username: string) => ({
  type: 'kubernetes.io/dockercfg' as const,
  content: JSON.stringify({ 'reg.lan:5000': { username, password: `pw of ${username}` } }),
});

/** The sources of a pull, with the auth files that were written for them. */
async function sourcesOf(options: PullOptions, authFile?: string) {
  const written: { registry: string; auth: RegistryAuth }[] = [];
  const work: WorkDir = {
    path: '/tmp/work',
    writeAuthFile: async (registry, auth) => `/run/auth-${written.push({ registry, auth })}.json`,
    [Symbol.asyncDispose]: async () => undefined,
  };
  const executor = { hostPath: (path: string) => path } as HostExecutor;
  const sources = new PullSources(executor, {
    runDir: '/run/x',
    ...(authFile === undefined ? {} : { authFile }),
  });
  return { sources: await sources.of(NAME, options, work), written };
}

describe('the sources of a pull', () => {
  it.each<[string, PullOptions, (string | undefined)[]]>([
    ['nothing given', {}, [undefined]],
    ['credentials of its own', { auth: { username: 'me', password: 'x' } }, ['/run/auth-1.json']],
    [
      'its own before pull secrets',
      { auth: { username: 'me', password: 'x' }, credentials: [secret('a')] },
      ['/run/auth-1.json'],
    ],
    [
      'pull secrets',
      { credentials: [secret('a'), secret('b')] },
      ['/run/auth-1.json', '/run/auth-2.json', undefined],
    ],
    ['a file', { authFile: '/etc/hostname' }, ['/etc/hostname']],
    [
      'a file and pull secrets',
      { authFile: '/etc/hostname', credentials: [secret('a')] },
      ['/run/auth-1.json', '/etc/hostname'],
    ],
  ])('with %s', async (_, options, authFiles) => {
    const { sources, written } = await sourcesOf(options);
    expect(sources.map(({ authFile }) => authFile)).toEqual(authFiles);
    for (const { registry } of written) expect(registry).toBe('reg.lan:5000');
    for (const { name } of sources) expect(name).toBe(`docker://${NAME}`);
  });

  it('are those of the configured file where the pull brings none', async () => {
    const { sources } = await sourcesOf({ credentials: [secret('a')] }, '/etc/hostname');
    expect(sources.map(({ authFile }) => authFile)).toEqual(['/run/auth-1.json', '/etc/hostname']);
    const own = await sourcesOf({ authFile: '/etc/hosts' }, '/etc/hostname');
    expect(own.sources.map(({ authFile }) => authFile)).toEqual(['/etc/hosts']);
  });

  it('tell whose credentials they are, and mask the secrets', async () => {
    const { sources } = await sourcesOf({ credentials: [secret('a')] });
    expect(sources.map(({ credentials }) => credentials)).toEqual([
      'user "a" of a pull secret',
      "the host's own auth files",
    ]);
    expect(sources[0]?.secrets).toContain('pw of a');
  });

  it.each<[string, PullOptions]>([
    ['auth and authFile', { auth: { username: 'me', password: 'x' }, authFile: '/etc/hostname' }],
    ['a file that is not there', { authFile: '/absent.json' }],
    ['a broken pull secret', { credentials: [{ type: 'kubernetes.io/dockercfg', content: '{' }] }],
  ])('cannot be had of %s', async (_, options) => {
    await expect(sourcesOf(options)).rejects.toMatchObject({ kind: 'invalid-argument' });
  });
});

describe('refusals', () => {
  const denied = new PodwrightError('unauthorized', 'denied.');
  const missing = new PodwrightError('image-not-found', 'unknown.');

  it('are those that other credentials may turn', () => {
    expect([denied, missing].every(isRefusal)).toBe(true);
    expect(isRefusal(new PodwrightError('unreachable', 'no route'))).toBe(false);
    expect(isRefusal(new Error('x'))).toBe(false);
  });

  it('by all are told as unauthorized before not found, with who was tried', async () => {
    const { sources } = await sourcesOf({ credentials: [secret('a')] });
    expect(refusedByAll([missing, denied], sources)).toMatchObject({
      kind: 'unauthorized',
      message:
        'denied. Tried one after the other: user "a" of a pull secret, then the host\'s own auth files.',
      cause: denied,
    });
    expect(refusedByAll([missing], sources.slice(0, 1))).toBe(missing);
  });
});
