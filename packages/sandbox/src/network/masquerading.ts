import { parseSubnet } from './subnets.js';

/** Marks our rules in the host's nat table. */
const comment = (bridge: string) => `podwright: way out of pods on ${bridge}`;

/** To groups nobody goes by another's address. */
const GROUPS = { ipv4: '224.0.0.0/4', ipv6: 'ff00::/8' } as const;

/**
 * Decides whether the pods of a subnet have yet to be given the host's address where their packets leave the host. One
 * rule does it for all of them: the bridge plugin's own `ipMasq` is a chain for each pod, and nine runs of iptables to
 * make it and six to take it away, for each family of addresses. docs/decisions/0028-one-masquerading-rule.md
 * @param saved output of iptables-save or ip6tables-save
 * @returns input for `iptables-restore --noflush`, or undefined when the rule is there
 */
export function planMasquerading(saved: string, bridge: string, subnet: string): string | undefined {
  const present = ourRules(saved, bridge);
  const rule =
    `-A POSTROUTING -s ${subnet} ! -d ${GROUPS[parseSubnet(subnet).family]} ! -o ${bridge} ` +
    `-m comment --comment "${comment(bridge)}" -j MASQUERADE`;
  if (present.length === 1 && present[0] === rule) return undefined;
  return ['*nat', ...present.map(removal), rule, 'COMMIT', ''].join('\n');
}

/** Input for `iptables-restore --noflush` that takes back what `planMasquerading` added; undefined when there is nothing. */
export function planMasqueradingRemoval(saved: string, bridge: string): string | undefined {
  const rules = ourRules(saved, bridge);
  return rules.length === 0 ? undefined : ['*nat', ...rules.map(removal), 'COMMIT', ''].join('\n');
}

function ourRules(saved: string, bridge: string): readonly string[] {
  const nat = /^\*nat\n([\s\S]*?)^COMMIT$/m.exec(saved)?.[1] ?? '';
  return nat
    .split('\n')
    .filter((line) => line.startsWith('-A POSTROUTING ') && line.includes(`"${comment(bridge)}"`));
}

function removal(rule: string): string {
  return rule.replace('-A ', '-D ');
}
