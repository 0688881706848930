import { NETWORKS_ANNOTATION, PodwrightError } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { selectedNetworks } from './selected-networks.js';

describe('selectedNetworks', () => {
  it.each([
    ['', []],
    ['  ', []],
    ['storage', [{ name: 'storage', interface: 'net1' }]],
    [
      'storage, ns/backup@bk0 ,third',
      [
        { name: 'storage', interface: 'net1' },
        { name: 'backup', interface: 'bk0' },
        { name: 'third', interface: 'net3' },
      ],
    ],
    ['[]', []],
    [
      '[{"name":"a"},{"name":"b","namespace":"x","interface":"net9","ips":["10.0.0.1/24"],"mac":"02:00:00:00:00:01"}]',
      [
        { name: 'a', interface: 'net1' },
        { name: 'b', interface: 'net9', ips: ['10.0.0.1/24'], mac: '02:00:00:00:00:01' },
      ],
    ],
  ])('%s', (text, expected) => expect(selectedNetworks({ [NETWORKS_ANNOTATION]: text })).toEqual(expected));

  it('is none without the annotation', () => expect(selectedNetworks({ other: 'x' })).toEqual([]));

  it.each([
    ['half a list', '[{"name"'],
    ['a list of something else', '["a"]'],
    ['no name between commas', 'a,,b'],
    ['a name that is a path', '../a/b'],
    ['two names in one', 'a b'],
    ['an interface twice', 'a@x,b@x'],
    ['an interface that a default name has', 'a@net2,b'],
    ['the pod’s own interface', 'a@eth0'],
    ['the loopback', 'a@lo'],
    ['a long interface', 'a@0123456789abcdef'],
    ['a field that nobody would look at', '[{"name":"a","default-route":["10.0.0.1"]}]'],
  ])('refuses %s', (_what, text) => {
    expect(() => selectedNetworks({ [NETWORKS_ANNOTATION]: text })).toThrow(
      expect.toSatisfy((error) => PodwrightError.is(error, 'invalid-argument')),
    );
  });
});
