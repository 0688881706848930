/** Chains that CNI's portmap makes once for all pods and never removes. */
const SHARED_CHAINS = ['CNI-HOSTPORT-DNAT', 'CNI-HOSTPORT-MASQ', 'CNI-HOSTPORT-SETMARK'];

/** The nat table as iptables-save prints it. */
export interface NatTable {
  readonly present: boolean;
  /** Kept by nftables, so that an empty table can be removed. */
  readonly nft: boolean;
  /** Built-in chains have a policy, others have none. */
  readonly chains: readonly { readonly name: string; readonly policy?: string }[];
  /** As printed, `-A CHAIN …`. */
  readonly rules: readonly string[];
}

export interface NatCleanup {
  /** Input for `iptables-restore --noflush`; absent when nothing has to go. */
  readonly restore?: string;
  /** The table is empty then and was not there before: it may be removed. */
  readonly removeTable: boolean;
}

/** Reads the nat table out of iptables-save's or ip6tables-save's output. */
export function parseNatTable(saved: string): NatTable {
  const nat = /^\*nat\n([\s\S]*?)^COMMIT$/m.exec(saved)?.[1];
  const lines = (nat ?? '').split('\n');
  return {
    present: nat !== undefined,
    nft: /nf_tables/.test(saved),
    chains: lines.flatMap((line) => {
      const [, name, policy] = /^:(\S+) (\S+)/.exec(line) ?? [];
      if (name === undefined) return [];
      return [policy === undefined || policy === '-' ? { name } : { name, policy }];
    }),
    rules: lines.filter((line) => line.startsWith('-A ')),
  };
}

/**
 * Decides what of portmap's common chains may go: only chains that were not there before the first of our pods, and
 * only when no port of anybody is mapped through them.
 * @param before the table before the first pod
 */
export function planNatCleanup(before: NatTable, now: NatTable): NatCleanup {
  const had = new Set(before.chains.map(({ name }) => name));
  const shared = now.chains.map(({ name }) => name).filter((name) => SHARED_CHAINS.includes(name));
  const inUse = now.rules.some((rule) => rule.startsWith('-A CNI-HOSTPORT-DNAT '));
  const goes = inUse || shared.some((name) => had.has(name)) ? [] : shared;
  const jumps = now.rules.filter((rule) => goes.includes(target(rule)) && !goes.includes(chainOf(rule)));
  const staysEmpty =
    now.rules.every((rule) => goes.includes(chainOf(rule)) || jumps.includes(rule)) &&
    now.chains.every(({ name, policy }) => goes.includes(name) || policy === 'ACCEPT');
  const removeTable = now.present && now.nft && !before.present && staysEmpty;
  if (goes.length === 0) return { removeTable };
  const commands = [
    ...jumps.map((rule) => rule.replace('-A ', '-D ')),
    ...goes.map((name) => `-F ${name}`),
    ...goes.map((name) => `-X ${name}`),
  ];
  return { restore: ['*nat', ...commands, 'COMMIT', ''].join('\n'), removeTable };
}

/**
 * Decides which rules of pods that are gone may go: those that bridge and portmap marked with the network's name and
 * the id of a sandbox that is not known.
 * @returns the ids, and input for `iptables-restore --noflush` when there are any
 */
export function planOrphanRules(
  now: NatTable,
  network: string,
  isKnown: (id: string) => boolean,
): { readonly ids: readonly string[]; readonly restore?: string } {
  const ids = new Set<string>();
  const goes = new Set<string>();
  const jumps: string[] = [];
  for (const rule of now.rules) {
    const [, name, id] = /name: \\"([^"\\]*)\\" id: \\"([^"\\]*)\\"/.exec(rule) ?? [];
    if (name !== network || id === undefined || isKnown(id)) continue;
    ids.add(id);
    if (/^CNI-/.test(target(rule))) {
      jumps.push(rule);
      goes.add(target(rule));
    }
  }
  if (jumps.length === 0) return { ids: [...ids] };
  const commands = [
    ...jumps.map((rule) => rule.replace('-A ', '-D ')),
    ...[...goes].map((name) => `-F ${name}`),
    ...[...goes].map((name) => `-X ${name}`),
  ];
  return { ids: [...ids], restore: ['*nat', ...commands, 'COMMIT', ''].join('\n') };
}

function chainOf(rule: string): string {
  return rule.split(' ')[1] ?? '';
}

function target(rule: string): string {
  return / -j (\S+)/.exec(rule)?.[1] ?? '';
}
