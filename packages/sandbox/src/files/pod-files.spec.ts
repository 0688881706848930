import { describe, expect, it } from 'vitest';
import { formatHosts, formatResolvConf, isLoopback, nameservers } from './pod-files.js';

describe('formatResolvConf', () => {
  it.each([
    [{ servers: [], searches: [], options: [] }, ''],
    [
      { servers: ['10.0.0.1', 'fd00::1'], searches: ['a.test', 'b.test'], options: ['ndots:5', 'edns0'] },
      'search a.test b.test\nnameserver 10.0.0.1\nnameserver fd00::1\noptions ndots:5 edns0\n',
    ],
  ])('%j', (dns, text) => expect(formatResolvConf(dns)).toBe(text));
});

describe('nameservers', () => {
  it('reads what resolv.conf(5) has', () => {
    const text =
      '# nameserver 1.1.1.1\nnameserver 127.0.0.53\n nameserver\tfd00::1 \noptions edns0\nnameserver\n';
    expect(nameservers(text)).toEqual(['127.0.0.53', 'fd00::1']);
  });
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

describe('formatHosts', () => {
  it('has localhost and each of the pod’s addresses', () => {
    const lines = formatHosts(['10.91.0.2', 'fd00::2'], 'web').split('\n');
    expect(lines).toContain('127.0.0.1\tlocalhost');
    expect(lines.slice(-3)).toEqual(['10.91.0.2\tweb', 'fd00::2\tweb', '']);
  });
});
