import { describe, expect, it } from 'vitest';
import { PodwrightError } from './errors.js';
import { parseConfigObject } from './manifest/config-object.js';
import { credentialsFor, type PullSecret, pullSecretOf } from './pull-secret.js';

const auth = (user: string) => ({ username: user, password: 'pw' });
const json = (...keys: string[]): PullSecret => ({
  type: 'kubernetes.io/dockerconfigjson',
  content: JSON.stringify({ auths: Object.fromEntries(keys.map((key) => [key, auth(key)])) }),
});

describe('credentialsFor', () => {
  it.each<[string, string, string[], string[]]>([
    ['a host', 'reg.lan/a/b:1', ['reg.lan'], ['reg.lan']],
    ['no other host', 'reg.lan/a/b:1', ['other.lan', 'lan', 'sub.reg.lan'], []],
    ['the port', 'reg.lan:5000/a', ['reg.lan', 'reg.lan:5001', 'reg.lan:5000'], ['reg.lan:5000']],
    ['a URL', 'reg.lan/a', ['https://reg.lan', 'http://reg.lan/'], ['https://reg.lan', 'http://reg.lan/']],
    [
      'docker.io by the URL of its API',
      'busybox',
      ['https://index.docker.io/v1/'],
      ['https://index.docker.io/v1/'],
    ],
    [
      'docker.io by other names',
      'busybox',
      ['docker.io', 'index.docker.io'],
      ['docker.io', 'index.docker.io'],
    ],
    [
      'the longest path first',
      'reg.lan/a/b/c:1',
      ['reg.lan', 'reg.lan/a/b', 'reg.lan/a'],
      ['reg.lan/a/b', 'reg.lan/a', 'reg.lan'],
    ],
    ['a whole repository', 'reg.lan/a/b:1', ['reg.lan/a/b'], ['reg.lan/a/b']],
    ['no path that ends within a word', 'reg.lan/team-b/x', ['reg.lan/team'], []],
    ['no deeper path', 'reg.lan/a', ['reg.lan/a/b'], []],
    ['a wildcard', 'eu.reg.lan/a', ['*.reg.lan'], ['*.reg.lan']],
    ['a wildcard for one part only', 'x.eu.reg.lan/a', ['*.reg.lan'], []],
    [
      'wildcards within a part',
      'eu1.reg.lan/a',
      ['eu?.reg.lan', 'e*.reg.lan', 'eu[12].reg.lan', 'us*.reg.lan'],
      ['eu[12].reg.lan', 'eu?.reg.lan', 'e*.reg.lan'],
    ],
    [
      'a plain host before a wildcard',
      'eu.reg.lan/a',
      ['*.reg.lan', 'eu.reg.lan'],
      ['eu.reg.lan', '*.reg.lan'],
    ],
    ['no wildcard for a dot', 'reg.lan/a', ['reg?lan'], []],
    ['an address of IPv6', '[::1]:5000/a', ['[::1]:5000'], ['[::1]:5000']],
  ])('takes %s', (_, reference, keys, expected) => {
    expect(credentialsFor(reference, [json(...keys)]).map(({ username }) => username)).toEqual(expected);
  });

  it('gives those of several secrets in their order, each once', () => {
    const one = {
      type: 'kubernetes.io/dockercfg',
      content: JSON.stringify({ 'reg.lan': auth('one') }),
    } as const;
    const two: PullSecret = {
      type: 'kubernetes.io/dockerconfigjson',
      content: JSON.stringify({ auths: { 'reg.lan': { username: 'two', password: 'p:w' } } }),
    };
    expect(credentialsFor('reg.lan/a', [one, two, one])).toEqual([
      { username: 'one', password: 'pw' },
      { username: 'two', password: 'p:w' },
    ]);
  });

  it.each<[string, PullSecret['type'], string, string]>([
    ['text that is no JSON', 'kubernetes.io/dockerconfigjson', 'hunter2', 'no JSON'],
    ['a list', 'kubernetes.io/dockercfg', '["hunter2"]', 'no object of registries'],
    ['an entry that is a text', 'kubernetes.io/dockercfg', '{"reg.lan": "hunter2"}', 'no object'],
    ['an auth without a colon', 'kubernetes.io/dockercfg', '{"reg.lan": {"auth": "aHVudGVyMg=="}}', 'base64'],
  ])('refuses %s and never shows it', (_, type, content, why) => {
    const read = () => credentialsFor('reg.lan/a', [{ type, content, name: 'default/regcred' }]);
    expect(read).toThrow(why);
    expect(read).toThrow('default/regcred');
    try {
      read();
    } catch (error) {
      expect(PodwrightError.is(error, 'invalid-argument')).toBe(true);
      expect(`${String(error)} ${String((error as Error).cause)}`).not.toMatch(/hunter2|aHVudGVyMg/);
    }
  });

  it('leaves out an entry without credentials', () => {
    expect(
      credentialsFor('reg.lan/a', [{ type: 'kubernetes.io/dockercfg', content: '{"reg.lan": {}}' }]),
    ).toEqual([]);
  });
});

describe('pullSecretOf', () => {
  const object = (kind: string, key: string) =>
    parseConfigObject({
      apiVersion: 'v1',
      kind,
      metadata: { name: 'regcred', namespace: 'default' },
      data: { [key]: Buffer.from('{}').toString('base64') },
    });
  it.each(['.dockerconfigjson', '.dockercfg'])('takes a Secret with %s', (key) => {
    expect(pullSecretOf(object('Secret', key))).toEqual({
      type: `kubernetes.io/${key.slice(1)}`,
      content: '{}',
      name: 'default/regcred',
    });
  });
  it('refuses another one', () => {
    expect(() => pullSecretOf(object('Secret', 'password'))).toThrow('no pull secret');
    expect(() => pullSecretOf(object('ConfigMap', '.dockercfg'))).toThrow('ConfigMap');
  });
});
