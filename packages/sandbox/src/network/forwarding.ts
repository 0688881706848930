/** Marks our rules in the host's filter table. */
const comment = (bridge: string) => `podwright: pods on ${bridge}`;

/**
 * Decides whether packets of the pods have to be let through the host's FORWARD chain, as where Docker or ufw made it
 * drop all it does not know.
 * @param saved output of iptables-save or ip6tables-save
 * @returns input for `iptables-restore --noflush`, or undefined when nothing drops them or the rules are there
 */
export function planForwarding(saved: string, bridge: string): string | undefined {
  const filter = filterLines(saved);
  const drops = filter.some(
    (line) => /^:FORWARD (?!ACCEPT)/.test(line) || /^-A FORWARD .*-j (DROP|REJECT)\b/.test(line),
  );
  if (!drops || ourRules(filter, bridge).length > 0) return undefined;
  const rules = ['-i', '-o'].map(
    (side) => `-I FORWARD ${side} ${bridge} -m comment --comment "${comment(bridge)}" -j ACCEPT`,
  );
  return ['*filter', ...rules, 'COMMIT', ''].join('\n');
}

/** Input for `iptables-restore --noflush` that takes back what `planForwarding` added; undefined when there is nothing. */
export function planForwardingRemoval(saved: string, bridge: string): string | undefined {
  const rules = ourRules(filterLines(saved), bridge);
  if (rules.length === 0) return undefined;
  return ['*filter', ...rules.map((rule) => rule.replace('-A ', '-D ')), 'COMMIT', ''].join('\n');
}

function filterLines(saved: string): readonly string[] {
  return (/^\*filter\n([\s\S]*?)^COMMIT$/m.exec(saved)?.[1] ?? '').split('\n');
}

function ourRules(filter: readonly string[], bridge: string): readonly string[] {
  return filter.filter((line) => line.startsWith('-A FORWARD ') && line.includes(`"${comment(bridge)}"`));
}
