import { describe, expect, it } from 'vitest';
import { planMasquerading, planMasqueradingRemoval } from './masquerading.js';

const nat = (...rules: string[]) =>
  `*nat\n:POSTROUTING ACCEPT [0:0]\n${rules.map((rule) => `${rule}\n`).join('')}COMMIT\n*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n`;
const ours = (bridge = 'br0', subnet = '10.91.0.0/16', groups = '224.0.0.0/4') =>
  `-A POSTROUTING -s ${subnet} ! -d ${groups} ! -o ${bridge} -m comment --comment "podwright: way out of pods on ${bridge}" -j MASQUERADE`;
const input = (...lines: string[]) => ['*nat', ...lines, 'COMMIT', ''].join('\n');
const drop = (rule: string) => rule.replace('-A', '-D');

describe('planMasquerading', () => {
  it.each<[string, string, string | undefined]>([
    ['no table', '', input(ours())],
    ['rules of others', nat('-A POSTROUTING -s 10.91.0.0/16 -j MASQUERADE'), input(ours())],
    ['ours for another bridge', nat(ours('br1')), input(ours())],
    ['ours', nat(ours()), undefined],
    [
      'ours for the subnet that was configured before',
      nat(ours('br0', '10.7.0.0/16')),
      input(drop(ours('br0', '10.7.0.0/16')), ours()),
    ],
  ])('%s', (_what, saved, expected) => expect(planMasquerading(saved, 'br0', '10.91.0.0/16')).toBe(expected));

  it('knows the groups of IPv6', () => {
    expect(planMasquerading('', 'br0', 'fd91::/64')).toBe(input(ours('br0', 'fd91::/64', 'ff00::/8')));
  });
});

describe('planMasqueradingRemoval', () => {
  it('takes back our rules only', () => {
    const saved = nat('-A POSTROUTING -j DOCKER', ours(), ours('br1'));
    expect(planMasqueradingRemoval(saved, 'br0')).toBe(input(drop(ours())));
    expect(planMasqueradingRemoval(saved, 'br2')).toBeUndefined();
  });
});
