import { PodwrightError } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { configFileNames, isCniName, parseCniNetwork } from './cni-config.js';

describe('configFileNames', () => {
  it('takes configuration files only, in lexical order', () => {
    expect(
      configFileNames(['b.conf', 'README', '10-x.conflist', 'a.json', '.conf.swp', '9-y.conflist']),
    ).toEqual(['10-x.conflist', '9-y.conflist', 'a.json', 'b.conf']);
  });
});

describe('isCniName', () => {
  it.each([
    ['a', true],
    ['4f1c', true],
    ['A_b.c-d', true],
    ['', false],
    ['-a', false],
    ['.', false],
    ['..', false],
    ['a/b', false],
    ['a b', false],
    ['a\n', false],
  ])('%j: %s', (text, expected) => expect(isCniName(text)).toBe(expected));
});

describe('parseCniNetwork', () => {
  it('reads a list', () => {
    const text = JSON.stringify({
      cniVersion: '1.0.0',
      name: 'net',
      disableCheck: true,
      plugins: [
        { type: 'bridge', bridge: 'br0' },
        { type: 'portmap', capabilities: { portMappings: true } },
      ],
    });
    expect(parseCniNetwork(text, 'x.conflist')).toEqual({
      cniVersion: '1.0.0',
      name: 'net',
      disableCheck: true,
      plugins: [
        { type: 'bridge', bridge: 'br0' },
        { type: 'portmap', capabilities: { portMappings: true } },
      ],
    });
  });

  it('reads one plugin as a list of one', () => {
    const network = parseCniNetwork('{"name":"net","type":"ptp","mtu":1400}', 'x.conf');
    expect(network).toMatchObject({ cniVersion: '0.1.0', name: 'net', disableCheck: false });
    expect(network.plugins).toEqual([{ name: 'net', type: 'ptp', mtu: 1400 }]);
  });

  it.each([
    ['no JSON', '{', 'JSON'],
    ['a list', '[]', 'object'],
    ['no name', '{"type":"x"}', '"name"'],
    ['a name with a slash', '{"name":"a/b","type":"x"}', '"name"'],
    ['a bad version', '{"name":"a","type":"x","cniVersion":"one"}', '"cniVersion"'],
    ['no plugin', '{"name":"a","plugins":[]}', '"plugins"'],
    ['no type', '{"name":"a","plugins":[{}]}', '"plugins[0].type"'],
    ['a path as type', '{"name":"a","type":"../../bin/sh"}', 'type'],
    ['capabilities', '{"name":"a","plugins":[{"type":"x","capabilities":{"dns":1}}]}', 'capabilities'],
  ])('refuses %s and names it', (_what, text, words) => {
    let thrown: unknown;
    try {
      parseCniNetwork(text, '/etc/cni/net.d/x');
    } catch (error) {
      thrown = error;
    }
    expect(PodwrightError.is(thrown, 'invalid-argument')).toBe(true);
    expect(String(thrown)).toContain(words);
    expect(String(thrown)).toContain('/etc/cni/net.d/x');
  });
});
