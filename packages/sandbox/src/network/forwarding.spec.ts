import { describe, expect, it } from 'vitest';
import { planForwarding, planForwardingRemoval } from './forwarding.js';

const filter = (policy: string, ...rules: string[]) =>
  `*filter\n:INPUT DROP [0:0]\n:FORWARD ${policy} [0:0]\n${rules.map((rule) => `${rule}\n`).join('')}COMMIT\n`;
const OURS = ['-i', '-o'].map(
  (side) => `-A FORWARD ${side} br0 -m comment --comment "podwright: pods on br0" -j ACCEPT`,
);

describe('planForwarding', () => {
  it.each([
    ['no table', '', false],
    ['a chain that lets all through', filter('ACCEPT'), false],
    ['Docker’s policy', filter('DROP'), true],
    [
      'a last rule that rejects',
      filter('ACCEPT', '-A FORWARD -j REJECT --reject-with icmp-host-prohibited'),
      true,
    ],
    ['another chain’s drop', filter('ACCEPT', '-A INPUT -j DROP'), false],
    ['ours there already', filter('DROP', ...OURS), false],
    ['those of another bridge', filter('DROP', ...OURS.map((rule) => rule.replaceAll('br0', 'br1'))), true],
  ])('%s', (_what, saved, adds) => expect(planForwarding(saved, 'br0') !== undefined).toBe(adds));

  it('lets packets through in both directions', () => {
    expect(planForwarding(filter('DROP'), 'br0')?.split('\n')).toEqual([
      '*filter',
      ...OURS.map((rule) => rule.replace('-A', '-I')),
      'COMMIT',
      '',
    ]);
  });
});

describe('planForwardingRemoval', () => {
  it('takes back our rules only', () => {
    const saved = filter('DROP', '-A FORWARD -j DOCKER-USER', ...OURS);
    expect(planForwardingRemoval(saved, 'br0')?.split('\n')).toEqual([
      '*filter',
      ...OURS.map((rule) => rule.replace('-A', '-D')),
      'COMMIT',
      '',
    ]);
    expect(planForwardingRemoval(saved, 'br1')).toBeUndefined();
  });
});
