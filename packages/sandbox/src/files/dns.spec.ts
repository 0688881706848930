import { describe, expect, it } from 'vitest';
import { fitDns, formatResolvConf, isLoopback, mergeDns, parseResolvConf } from './dns.js';

describe('parseResolvConf', () => {
  it('reads what resolv.conf(5) has', () => {
    const text =
      '# nameserver 1.1.1.1\nnameserver 127.0.0.53\n nameserver\tfd00::1 ; note\ndomain old.test\n' +
      'search a.test b.test\noptions edns0\noptions ndots:2 rotate\nnameserver\n';
    expect(parseResolvConf(text)).toEqual({
      servers: ['127.0.0.53', 'fd00::1'],
      searches: ['a.test', 'b.test'],
      options: ['edns0', 'ndots:2', 'rotate'],
    });
  });

  it('takes the last of search and domain', () => {
    expect(parseResolvConf('search a.test\ndomain b.test\n').searches).toEqual(['b.test']);
  });
});

describe('mergeDns', () => {
  const node = { servers: ['10.0.0.1'], searches: ['node.test'], options: ['ndots:1', 'rotate'] };
  it.each([
    ['nothing', { servers: [], searches: [], options: [] }, node],
    [
      'servers and domains behind the node’s, each once',
      { servers: ['10.0.0.1', '10.0.0.2'], searches: ['node.test', 'pod.test'], options: [] },
      { ...node, servers: ['10.0.0.1', '10.0.0.2'], searches: ['node.test', 'pod.test'] },
    ],
    [
      'options in place of the node’s of the same name',
      { servers: [], searches: [], options: ['ndots:5', 'edns0'] },
      { ...node, options: ['rotate', 'ndots:5', 'edns0'] },
    ],
  ])('adds %s', (_what, pod, expected) => expect(mergeDns(node, pod)).toEqual(expected));
});

describe('fitDns', () => {
  it('cuts off what resolvers do not read, and tells it', () => {
    const searches = Array.from({ length: 33 }, (_, index) => `s${index}.test`);
    const { dns, dropped } = fitDns({ servers: ['1', '2', '3', '4'], searches, options: ['x'] });
    expect(dns).toEqual({ servers: ['1', '2', '3'], searches: searches.slice(0, 32), options: ['x'] });
    expect(dropped).toEqual(['nameserver 4', 'search s32.test']);
  });
});

describe('formatResolvConf', () => {
  it.each([
    [{ servers: [], searches: [], options: [] }, ''],
    [
      { servers: ['10.0.0.1', 'fd00::1'], searches: ['a.test', 'b.test'], options: ['ndots:5', 'edns0'] },
      'search a.test b.test\nnameserver 10.0.0.1\nnameserver fd00::1\noptions ndots:5 edns0\n',
    ],
  ])('%j', (dns, text) => expect(formatResolvConf(dns)).toBe(text));
});

describe('isLoopback', () => {
  it.each([
    ['127.0.0.53', true],
    ['127.1.2.3', true],
    ['::1', true],
    ['10.127.0.1', false],
    ['fd00::1', false],
  ])('%s: %s', (address, expected) => expect(isLoopback(address)).toBe(expected));
});
