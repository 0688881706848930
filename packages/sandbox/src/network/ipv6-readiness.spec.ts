import { describe, expect, it } from 'vitest';
import { advertisedInterfaces, type Ipv6Facts, ipv6Refusal } from './ipv6-readiness.js';

const READY: Ipv6Facts = { disabled: ['0\n', '0\n'], forwarding: '0\n', acceptRa: {}, packetFilter: true };

describe('ipv6Refusal', () => {
  it.each<[string, Partial<Ipv6Facts>, RegExp | undefined]>([
    ['a host that has it', {}, undefined],
    ['a kernel without it', { disabled: [undefined, undefined] }, /not there/],
    ['a host where it is disabled', { disabled: ['1\n', '0\n'] }, /disabled/],
    ['a host where it is disabled for new interfaces', { disabled: ['0\n', '1\n'] }, /disabled/],
    ['a host without its packet filter', { packetFilter: false }, /ip6tables-save/],
    ['a default route that forwarding would cost', { acceptRa: { eth0: '1\n' } }, /accept_ra=2/],
    ['one that it would not cost', { acceptRa: { eth0: '2\n' } }, undefined],
    ['a host that forwards already', { forwarding: '1\n', acceptRa: { eth0: '1\n' } }, undefined],
  ])('%s', (_what, facts, expected) => {
    const refusal = ipv6Refusal({ ...READY, ...facts });
    if (expected === undefined) expect(refusal).toBeUndefined();
    else expect(refusal).toMatch(expected);
  });
});

describe('advertisedInterfaces', () => {
  const zero = '0'.repeat(32);
  const via = `fe80${'0'.repeat(27)}1`;
  const route = (destination: string, length: string, flags: string, device: string) =>
    `${destination} ${length} ${zero} 00 ${via} 00000400 00000001 00000000 ${flags}     ${device}`;

  it.each([
    ['an advertised default route', route(zero, '00', '00450003', 'eth0'), ['eth0']],
    ['one that was set by hand', route(zero, '00', '00000003', 'eth0'), []],
    ['an advertised prefix', route(`fd00${'0'.repeat(28)}`, '40', '00440001', 'eth0'), []],
    ['none', '', []],
  ])('%s', (_what, text, expected) => expect(advertisedInterfaces(`${text}\n`)).toEqual(expected));
});
