import { PodwrightError } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { parseCniResult, podAddresses } from './cni-result.js';

describe('parseCniResult', () => {
  it.each([
    [
      '0.2.0',
      {
        cniVersion: '0.2.0',
        ip4: { ip: '10.1.0.5/16', gateway: '10.1.0.1' },
        ip6: { ip: 'fd00::5/64' },
        dns: {},
      },
      ['10.1.0.5', 'fd00::5'],
    ],
    [
      '0.4.0',
      {
        cniVersion: '0.4.0',
        interfaces: [{ name: 'br0' }, { name: 'veth1', sandbox: '' }, { name: 'eth0', sandbox: '/ns' }],
        ips: [
          { version: '4', interface: 2, address: '10.1.0.5/16', gateway: '10.1.0.1' },
          { version: '4', interface: 0, address: '10.1.0.1/16' },
        ],
      },
      ['10.1.0.5'],
    ],
    [
      '1.0.0',
      {
        cniVersion: '1.0.0',
        interfaces: [{ name: 'eth0', mac: 'aa:bb', sandbox: '/ns' }],
        ips: [{ interface: 0, address: 'fd00::5/64' }, { address: '10.1.0.5/16' }],
      },
      ['fd00::5', '10.1.0.5'],
    ],
    ['one without addresses', { cniVersion: '1.0.0' }, []],
  ])('reads a result of %s', (_version, value, expected) => {
    expect(podAddresses(parseCniResult(value))).toEqual(expected);
  });

  it('keeps gateways, interfaces and name servers', () => {
    expect(
      parseCniResult({
        interfaces: [{ name: 'eth0', mac: 'aa:bb', sandbox: '/ns' }],
        ips: [{ interface: 0, address: '10.1.0.5/16', gateway: '10.1.0.1' }],
        dns: { nameservers: ['10.1.0.1'] },
      }),
    ).toEqual({
      interfaces: [{ name: 'eth0', mac: 'aa:bb', sandbox: '/ns' }],
      addresses: [{ address: '10.1.0.5/16', gateway: '10.1.0.1', interface: 0 }],
      nameservers: ['10.1.0.1'],
    });
  });

  it.each([[undefined], [[]], [{ ips: [{}] }], [{ ip4: {} }], [{ interfaces: [{}] }]])(
    'refuses %j',
    (value) => {
      expect(() => parseCniResult(value)).toThrow(PodwrightError);
    },
  );
});
