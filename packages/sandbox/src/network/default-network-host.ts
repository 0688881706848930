import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyedMutex, Logger, messageOf, type Orphan, PodwrightError, systemErrorCode } from '@podwright/core';
import { HostExecutor, writeFileAtomic } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { z } from 'zod';
import { readBootId } from '../boot-id.js';
import { listDirectory } from '../list-directory.js';
import { SandboxOptions } from '../sandbox-options.js';
import { networkRunDir } from '../sandbox-paths.js';
import { checkSubnets, DEFAULT_NETWORK_NAME, leasesDir } from './default-network.js';
import { planForwarding, planForwardingRemoval } from './forwarding.js';
import { planMasquerading, planMasqueradingRemoval } from './masquerading.js';
import { type NatTable, parseNatTable, planNatCleanup, planOrphanRules } from './nat-leftovers.js';
import { interfaceAddresses } from './node-addresses.js';
import { parseSubnet } from './subnets.js';

type TableFamily = 'ip' | 'ip6';

const natTableSchema = z.strictObject({
  present: z.boolean(),
  nft: z.boolean(),
  chains: z.array(z.strictObject({ name: z.string(), policy: z.string().exactOptional() })),
  rules: z.array(z.string()),
}) satisfies z.ZodType<NatTable>;

/** How the host was before the first pod on the default network, to be put back after the last. */
interface HostBefore {
  readonly bootId: string;
  readonly nat: Readonly<Record<TableFamily, NatTable>>;
}

const hostBeforeSchema = z.strictObject({
  bootId: z.string(),
  nat: z.strictObject({ ip: natTableSchema, ip6: natTableSchema }),
}) satisfies z.ZodType<HostBefore>;

const SAVE: Readonly<Record<TableFamily, string>> = { ip: 'iptables-save', ip6: 'ip6tables-save' };
const RESTORE: Readonly<Record<TableFamily, string>> = { ip: 'iptables-restore', ip6: 'ip6tables-restore' };
const FAMILIES: readonly TableFamily[] = ['ip', 'ip6'];

/** So long what was made ready counts as being so. */
const LOOK_AGAIN_MS = 60_000;

/**
 * Makes the bridge before the plugin does, where it is to have IPv6: an address that the kernel still looks for
 * duplicates of (RFC 4862) is none to be reached from, and nobody else is on a bridge of ours. Argument: its name.
 */
const MAKE_BRIDGE = `set -e
[ -e "/sys/class/net/$1" ] || ip link add name "$1" type bridge
echo 0 >"/proc/sys/net/ipv6/conf/$1/accept_dad"`;

/** What the default network's plugins make on the host for all pods together, and never remove by themselves. */
@injectable()
export class DefaultNetworkHost {
  /** By the subnets for which it was done. */
  readonly #prepared = new Map<string, { readonly done: Promise<void>; readonly atMs: number }>();
  readonly #queue = new KeyedMutex();

  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(SandboxOptions) private readonly options: SandboxOptions,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /**
   * Remembers how the host is before the first pod changes it, lets the pods' packets through where the host forwards
   * only what it knows, and gives them the host's address where they leave it. Looked at anew for a pod that comes a
   * while later, as whoever reloads the host's packet filter takes rules away.
   * @param subnets addresses that pods are going to have, in CIDR form
   * @throws PodwrightError kind `failed-precondition` (subnet or bridge taken), `missing-requirement` (iptables)
   */
  prepare(subnets: readonly string[]): Promise<void> {
    const key = subnets.join();
    const now = performance.now();
    const prepared = this.#prepared.get(key);
    if (prepared !== undefined && now - prepared.atMs < LOOK_AGAIN_MS) return prepared.done;
    const done = this.#queue
      .run('prepare', () => this.#prepare(subnets))
      .catch((error) => {
        this.#prepared.delete(key);
        throw error;
      });
    this.#prepared.set(key, { done, atMs: now });
    return done;
  }

  /** Removes the bridge and the chains that no pod uses any more, if they were not there before. Idempotent. */
  async release(): Promise<void> {
    const before = await this.#readBefore();
    if (before === undefined) return;
    this.#prepared.clear();
    await this.#removeBridge();
    for (const family of FAMILIES) await this.#cleanRules(family, before.nat[family]);
    await rm(this.executor.hostPath(networkRunDir(this.options)), { recursive: true, force: true });
  }

  /** Finds leases and rules of sandboxes that are not known. */
  async orphans(isKnown: (id: string) => boolean): Promise<readonly Orphan[]> {
    if ((await this.#readBefore()) === undefined) return [];
    return [...(await this.#leaseOrphans(isKnown)), ...(await this.#ruleOrphans(isKnown))];
  }

  /** Removes the rules of a sandbox, as far as they were made in this boot. Idempotent. */
  async removeRules(id: string): Promise<void> {
    if ((await this.#readBefore()) === undefined) return;
    for (const family of FAMILIES) await this.#removeRules(family, id);
  }

  async #prepare(subnets: readonly string[]): Promise<void> {
    checkSubnets(subnets, this.options.defaultBridge, interfaceAddresses());
    const [ip, ip6] = await Promise.all([this.#saved('ip'), this.#saved('ip6')]);
    if ((await this.#readBefore()) === undefined) {
      await this.#refuseTakenBridge();
      const nat = { ip: parseNatTable(ip), ip6: parseNatTable(ip6) };
      const before: HostBefore = { bootId: await readBootId(this.executor), nat };
      const path = this.executor.hostPath(this.#beforePath);
      await mkdir(this.executor.hostPath(networkRunDir(this.options)), { recursive: true, mode: 0o700 });
      await writeFileAtomic(path, `${JSON.stringify(before)}\n`);
    }
    if (subnets.some((subnet) => parseSubnet(subnet).family === 'ipv6')) {
      const { defaultBridge } = this.options;
      await this.executor.run({ command: 'sh', args: ['-c', MAKE_BRIDGE, 'bridge', defaultBridge] });
    }
    for (const subnet of subnets) {
      const family = parseSubnet(subnet).family === 'ipv4' ? 'ip' : 'ip6';
      const { defaultBridge } = this.options;
      const saved = family === 'ip' ? ip : ip6;
      const rules = [planForwarding(saved, defaultBridge), planMasquerading(saved, defaultBridge, subnet)];
      for (const rule of rules) if (rule !== undefined) await this.#restore(family, rule);
    }
  }

  /** Two agents on one bridge would give the same address to two pods: leases are each agent's own. */
  async #refuseTakenBridge(): Promise<void> {
    const bridge = this.options.defaultBridge;
    const ports = await this.#bridgePorts();
    if (ports.length === 0) return;
    throw new PodwrightError(
      'failed-precondition',
      `The interface ${bridge} is there already, with ports that this agent did not make (${ports.join(', ')}). ` +
        'Give this agent a defaultBridge and a defaultSubnet of its own, or remove what another one left.',
      { details: { bridge, ports } },
    );
  }

  get #beforePath(): string {
    return join(networkRunDir(this.options), 'host-before.json');
  }

  /** Undefined when there is none of this boot. */
  async #readBefore(): Promise<HostBefore | undefined> {
    const text = await readFile(this.executor.hostPath(this.#beforePath), 'utf8').catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      },
    );
    if (text === undefined) return undefined;
    try {
      const before = hostBeforeSchema.parse(JSON.parse(text));
      return before.bootId === (await readBootId(this.executor)) ? before : undefined;
    } catch (cause) {
      throw new PodwrightError(
        'corrupt-state',
        `${this.#beforePath} cannot be read: ${messageOf(cause)}. Remove it; chains of CNI's portmap may then stay on the host.`,
        { cause, details: { path: this.#beforePath } },
      );
    }
  }

  async #hasBridge(): Promise<boolean> {
    const { exitCode } = await this.executor.run({
      command: 'ip',
      args: ['-o', 'link', 'show', 'dev', this.options.defaultBridge],
      okExitCodes: [0, 1],
    });
    return exitCode === 0;
  }

  async #removeBridge(): Promise<void> {
    const bridge = this.options.defaultBridge;
    if (!(await this.#hasBridge())) return;
    const ports = await this.#bridgePorts();
    if (ports.length > 0) {
      this.logger.warn('the default bridge stays: it has ports that are not of our pods', { bridge, ports });
      return;
    }
    await this.executor.run({ command: 'ip', args: ['link', 'delete', 'dev', bridge] });
  }

  async #bridgePorts(): Promise<readonly string[]> {
    if (!(await this.#hasBridge())) return [];
    const { stdout } = await this.executor.run({
      command: 'ip',
      args: ['-o', 'link', 'show', 'master', this.options.defaultBridge],
    });
    return [...stdout.toString().matchAll(/^\d+: ([^:@]+)/gm)].flatMap((match) => match[1] ?? []);
  }

  async #saved(family: TableFamily): Promise<string> {
    // A kernel without IPv6 has no ip6tables; its plugins then make nothing there either.
    const okExitCodes = family === 'ip' ? [0] : 'any';
    const { stdout } = await this.executor.run({ command: SAVE[family], args: [], okExitCodes });
    return stdout.toString();
  }

  async #cleanRules(family: TableFamily, before: NatTable): Promise<void> {
    const { defaultBridge } = this.options;
    const saved = await this.#saved(family);
    const forwarding = planForwardingRemoval(saved, defaultBridge);
    if (forwarding !== undefined) await this.#restore(family, forwarding);
    const masquerading = planMasqueradingRemoval(saved, defaultBridge);
    if (masquerading !== undefined) await this.#restore(family, masquerading);
    const nat = masquerading === undefined ? saved : await this.#saved(family);
    const { restore, removeTable } = planNatCleanup(before, parseNatTable(nat));
    if (restore !== undefined) await this.#restore(family, restore);
    // Without nft(8) an empty table stays, which does nothing.
    if (removeTable && (await this.executor.which('nft')) !== undefined) {
      await this.executor.run({ command: 'nft', args: ['delete', 'table', family, 'nat'] });
    }
  }

  async #restore(family: TableFamily, input: string): Promise<void> {
    await this.executor.run({ command: RESTORE[family], args: ['--noflush', '--wait'], input });
  }

  async #ruleOrphans(isKnown: (id: string) => boolean): Promise<Orphan[]> {
    const orphans: Orphan[] = [];
    for (const family of FAMILIES) {
      const { ids } = planOrphanRules(
        parseNatTable(await this.#saved(family)),
        DEFAULT_NETWORK_NAME,
        isKnown,
      );
      for (const id of ids) {
        orphans.push({
          what: `${family === 'ip' ? 'iptables' : 'ip6tables'} rules of sandbox ${id}`,
          remove: async () => {
            if (!isKnown(id)) await this.#removeRules(family, id);
          },
        });
      }
    }
    return orphans;
  }

  async #removeRules(family: TableFamily, id: string): Promise<void> {
    const table = parseNatTable(await this.#saved(family));
    const { restore } = planOrphanRules(table, DEFAULT_NETWORK_NAME, (other) => other !== id);
    if (restore !== undefined) await this.#restore(family, restore);
  }

  async #leaseOrphans(isKnown: (id: string) => boolean): Promise<Orphan[]> {
    const folder = join(leasesDir(this.options), DEFAULT_NETWORK_NAME);
    const names = await listDirectory(this.executor.hostPath(folder));
    const orphans: Orphan[] = [];
    // host-local names a lease after its address.
    for (const name of names.filter((entry) => /^[0-9a-f.:]+$/.test(entry))) {
      const path = this.executor.hostPath(join(folder, name));
      const id = await leaseOwner(path);
      if (id === undefined || isKnown(id)) continue;
      orphans.push({
        what: `address ${name} leased to sandbox ${id}`,
        // Meanwhile the address may have been leased to another one.
        remove: async () => {
          if ((await leaseOwner(path)) === id && !isKnown(id)) await rm(path, { force: true });
        },
      });
    }
    return orphans;
  }
}

/** The first line of a lease has the container's id. Undefined when it is gone. */
async function leaseOwner(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).split('\n')[0]?.trim() ?? '';
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
