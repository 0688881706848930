import { PodwrightError } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { checkSubnets } from './default-network.js';
import { defaultRouteInterface, type InterfaceAddress, nodeAddresses } from './node-addresses.js';
import { parseSubnet } from './subnets.js';

const entry = (interfaceName: string, cidr: string, internal = false): InterfaceAddress => ({
  interfaceName,
  address: cidr.split('/')[0] ?? '',
  cidr,
  family: cidr.includes(':') ? 'IPv6' : 'IPv4',
  internal,
});

describe('parseSubnet', () => {
  it('reads both families', () => {
    expect(parseSubnet('10.91.0.0/16')).toEqual({ address: '10.91.0.0', prefix: 16, family: 'ipv4' });
    expect(parseSubnet('fd00::/64')).toEqual({ address: 'fd00::', prefix: 64, family: 'ipv6' });
  });

  it.each(['10.91.0.0', '10.91.0.0/33', '10.91.0.0/31', '10.91/16', 'x/16', '10.91.0.0/', '10.0.0.0/0'])(
    'refuses %s',
    (cidr) => expect(() => parseSubnet(cidr)).toThrow(PodwrightError),
  );
});

describe('checkSubnets', () => {
  const check = (addresses: readonly InterfaceAddress[]) =>
    checkSubnets(['10.91.0.0/16', 'fdb7::/64'], 'podwright0', addresses);

  it.each([
    ['nothing near', [entry('eth0', '192.168.1.5/24'), entry('eth0', 'fe80::1/64')], undefined],
    ['our own bridge', [entry('podwright0', '10.91.0.1/16')], undefined],
    ['the loopback', [entry('lo', '10.91.3.3/32', true)], undefined],
    ['a smaller one inside', [entry('tun0', '10.91.7.1/24')], 'tun0'],
    ['a larger one around', [entry('eth0', '10.2.3.4/8')], 'eth0'],
    ['one of the second family', [entry('wg0', 'fdb7::9/48')], 'wg0'],
  ])('%s', (_what, addresses, clash) => {
    if (clash === undefined) expect(() => check(addresses)).not.toThrow();
    else expect(() => check(addresses)).toThrow(new RegExp(`clashes with .*${clash}`));
  });
});

describe('defaultRouteInterface', () => {
  const header = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n';

  it.each([
    ['no routes', '', undefined],
    ['only others', `${header}eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n`, undefined],
    [
      'the smaller metric',
      `${header}wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\neth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n`,
      'eth0',
    ],
  ])('%s', (_what, text, expected) => expect(defaultRouteInterface(text)).toBe(expected));
});

describe('nodeAddresses', () => {
  const lo = entry('lo', '127.0.0.1/8', true);
  const bridge = entry('podwright0', '10.91.0.1/16');
  const docker = entry('docker0', '172.17.0.1/16');
  const eth = [entry('eth0', 'fe80::1/64'), entry('eth0', 'fd00::5/64'), entry('eth0', '192.168.1.5/24')];

  it.each([
    ['the default interface, IPv4 first', [lo, docker, bridge, ...eth], 'eth0', ['192.168.1.5', 'fd00::5']],
    ['no default route', [lo, bridge, ...eth], undefined, ['192.168.1.5', 'fd00::5']],
    ['nothing but loopback and pods', [lo, bridge], undefined, ['127.0.0.1']],
  ])('%s', (_what, addresses, defaultInterface, expected) => {
    expect(nodeAddresses(addresses, defaultInterface, 'podwright0')).toEqual(expected);
  });
});
