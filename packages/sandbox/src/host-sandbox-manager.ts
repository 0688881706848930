import { KeyedMutex, Logger, messageOf, type Orphan, PodwrightError } from '@podwright/core';
import { HostExecutor, readProcessIdentity } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { type Observable, Subject } from 'rxjs';
import { readBootId } from './boot-id.js';
import { HostPorts } from './host-ports.js';
import { needsInfra } from './infra/infra-process.js';
import { UserNamespaceRanges } from './namespaces/user-namespace-ranges.js';
import { PodNetwork, type PodNetworkStatus } from './network/pod-network.js';
import { TeardownRetries } from './network/teardown-retries.js';
import { checkSandboxConfig } from './new-sandbox-record.js';
import { checkNotTaken } from './not-taken.js';
import { Registry } from './registry.js';
import { isReady, type Sandbox } from './sandbox.js';
import { SandboxBuilder } from './sandbox-builder.js';
import type { SandboxManager } from './sandbox-manager.js';
import { SandboxOptions } from './sandbox-options.js';
import { checkSandboxId } from './sandbox-paths.js';
import type { SandboxConfig, SandboxRecord } from './sandbox-record.js';
import { SandboxRemover } from './sandbox-remover.js';
import { type SandboxLoadResult, SandboxStore } from './sandbox-store.js';
import { SharedCalls } from './shared-calls.js';
import { SharedParts } from './shared-parts.js';
import { throwIfAborted, toPodwrightError } from './system-error.js';

/** Knows all sandboxes of this host, and lets them be made and taken apart in order. */
@injectable()
export class HostSandboxManager implements SandboxManager {
  readonly #sandboxes = new Registry<Sandbox>('sandbox');
  /** Records on disk that cannot be read: what is theirs is left alone. */
  readonly #unreadable = new Map<string, PodwrightError>();
  /** Being created: their ids, identities and ports are taken already. */
  readonly #pending = new Map<string, SandboxConfig>();
  readonly #queues = new KeyedMutex();
  readonly #networkStops = new SharedCalls();
  readonly #stops = new SharedCalls();
  readonly #removals = new SharedCalls();
  readonly #retries: TeardownRetries;
  readonly #shared: SharedParts;
  readonly #stoppedLater = new Subject<string>();

  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(SandboxOptions) options: SandboxOptions,
    @inject(SandboxStore) private readonly store: SandboxStore,
    @inject(SandboxBuilder) private readonly builder: SandboxBuilder,
    @inject(SandboxRemover) private readonly remover: SandboxRemover,
    @inject(PodNetwork) private readonly network: PodNetwork,
    @inject(HostPorts) private readonly ports: HostPorts,
    @inject(UserNamespaceRanges) private readonly ranges: UserNamespaceRanges,
    @inject(Logger) private readonly logger: Logger,
  ) {
    this.#retries = new TeardownRetries(options.teardownRetryMs);
    this.#shared = new SharedParts({
      prepare: () => this.builder.prepare(),
      release: () => this.remover.releaseShared(),
      isUsed: () => this.#sandboxes.size + this.#pending.size + this.#unreadable.size > 0,
      keepMs: options.keepSharedMs,
      logger,
    });
  }

  async load({ observe = false } = {}): Promise<SandboxLoadResult> {
    const { records, errors } = await this.store.readAll();
    // At once, with nothing awaited: whoever asks meanwhile sees the old ones or the new ones.
    const sandboxes = records.map((record) => this.#reopen(record));
    this.#sandboxes.clear();
    this.#unreadable.clear();
    for (const sandbox of sandboxes) this.#sandboxes.add(sandbox);
    for (const error of errors) this.#unreadable.set(String(error.details['id']), error);
    if (observe) return { records: this.list(), errors };
    const failures = [...errors];
    for (const { id, created, stopping, stopped } of records) {
      if (!created) {
        this.logger.info('removing a sandbox whose creation was broken off', { id });
        await this.remove(id).catch((error) => {
          failures.push(toPodwrightError(error, `Removing the half-made sandbox ${id}`));
        });
      } else if (stopping && !stopped) {
        this.#retryStop(id);
      }
    }
    return { records: this.list(), errors: failures };
  }

  get(id: string): SandboxRecord | undefined {
    return this.#sandboxes.get(id)?.record;
  }

  sandbox(id: string): Sandbox | undefined {
    return this.#sandboxes.get(id);
  }

  list(): readonly SandboxRecord[] {
    return this.#sandboxes.list().map(({ record }) => record);
  }

  async update(record: SandboxRecord): Promise<void> {
    const sandbox = this.#sandboxes.get(record.id);
    if (sandbox === undefined) throw notFound(record.id);
    await this.store.write(record);
    sandbox.record = record;
  }

  async create(config: SandboxConfig, id: string, signal?: AbortSignal): Promise<SandboxRecord> {
    throwIfAborted(signal, `Making sandbox ${id}`);
    checkSandboxConfig(config);
    checkSandboxId(id);
    this.#shared.releaseNotLater();
    const bootId = await readBootId(this.executor);
    while (this.#shared.releasing) await this.#shared.releasing;
    // Between the check and the reservation nothing is awaited: of two calls at once the later finds the earlier.
    const made = this.list();
    checkNotTaken(config, id, { made, pending: this.#pending, unreadable: [...this.#unreadable.keys()] });
    const holding = made.filter((record) => !record.networkStopped && record.bootId === bootId);
    this.ports.checkOwners(config, [...holding, ...this.#pending.values()]);
    this.#pending.set(id, config);
    try {
      return await this.#queues.run(id, () => this.#create(config, id, signal));
    } finally {
      this.#pending.delete(id);
    }
  }

  async restore(id: string, signal?: AbortSignal): Promise<SandboxRecord> {
    return await this.#queues.run(id, () => this.#restore(id, signal), signal);
  }

  stopNetwork(id: string): Promise<void> {
    return this.#networkStops.run(id, () => this.#queues.run(id, () => this.#stopNetwork(id)));
  }

  stop(id: string): Promise<void> {
    return this.#stops.run(id, () => this.#queues.run(id, () => this.#stop(id)));
  }

  remove(id: string): Promise<void> {
    return this.#removals.run(id, async () => {
      await this.#queues.run(id, () => this.#remove(id));
      await this.#shared.releaseAfterLast();
    });
  }

  async verify(id: string): Promise<boolean> {
    const sandbox = this.#sandboxes.get(id);
    if (sandbox === undefined) return false;
    const { created, stopping, bootId } = sandbox.record;
    if (!created || stopping || bootId !== (await readBootId(this.executor))) return false;
    const [namespacesPresent, infraRunning] = await Promise.all([
      sandbox.namespaces.present(),
      this.#infraRunning(sandbox),
    ]);
    return isReady({ created, stopping, namespacesPresent, infraRunning });
  }

  async checkNetwork(id: string, signal?: AbortSignal): Promise<void> {
    const record = this.get(id);
    if (record === undefined) throw notFound(id);
    const netns = record.namespaces.network;
    if (netns === undefined) return;
    if (record.networkStopped) {
      throw new PodwrightError('failed-precondition', `The network of sandbox ${id} was taken down.`, {
        details: { id },
      });
    }
    for (const attachment of record.cni) await this.network.check(attachment, netns, signal);
  }

  networkStatus(signal?: AbortSignal): Promise<PodNetworkStatus> {
    return this.network.status(signal);
  }

  get stoppedLater(): Observable<string> {
    return this.#stoppedLater;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#retries.close();
    this.#stoppedLater.complete();
    if (this.#shared.releaseNotLater()) await this.#shared.releaseIfUnused();
  }

  get unreadable(): ReadonlyMap<string, PodwrightError> {
    return this.#unreadable;
  }

  async findOrphans(isInUse: (id: string) => boolean = () => false): Promise<readonly Orphan[]> {
    return (await this.#orphans(isInUse)).map(({ what, remove }) => ({
      what,
      remove: async () => {
        await remove();
        await this.releaseUnused();
      },
    }));
  }

  async releaseUnused(): Promise<void> {
    // As long as orphans are left they hold what all share.
    if (!this.#shared.isUsed && (await this.#orphans(() => false)).length === 0)
      await this.#shared.releaseIfUnused();
  }

  async #orphans(isInUse: (id: string) => boolean): Promise<readonly Orphan[]> {
    const strays = await this.remover.orphans(
      (id) => this.#sandboxes.get(id) !== undefined || this.#pending.has(id) || this.#unreadable.has(id),
    );
    const half = this.list().filter(({ id, created }) => !created && !this.#pending.has(id));
    const lost: Orphan[] = half.map(({ id }) => ({
      what: `sandbox ${id}, whose creation was broken off`,
      remove: async () => {
        if (this.get(id)?.created === false) await this.remove(id);
      },
    }));
    for (const id of this.#unreadable.keys()) {
      const isBroken = async () => !isInUse(id) && (await this.store.isBroken(id));
      if (!(await isBroken())) continue;
      const remove = async () => void ((await isBroken()) && (await this.remove(id)));
      lost.push({ what: `sandbox ${id}, whose record cannot be read`, remove });
    }
    return [...strays, ...lost];
  }

  async #create(config: SandboxConfig, id: string, signal: AbortSignal | undefined): Promise<SandboxRecord> {
    try {
      await this.#shared.prepare();
      const sandbox = await this.builder.build(config, id, signal);
      this.#sandboxes.add(sandbox);
      return sandbox.record;
    } catch (error) {
      const left = await this.store.read(id);
      if (left !== undefined) this.#sandboxes.add(this.#reopen(left));
      this.#pending.delete(id);
      await this.#shared.releaseAfterLast();
      throw error;
    }
  }

  async #restore(id: string, signal: AbortSignal | undefined): Promise<SandboxRecord> {
    const sandbox = this.#sandboxes.get(id);
    if (sandbox === undefined) throw notFound(id);
    if (await this.verify(id)) return sandbox.record;
    if (!sandbox.record.created || sandbox.record.stopping) {
      throw new PodwrightError('failed-precondition', `Sandbox ${id} was stopped: it is not made anew.`, {
        details: { id },
      });
    }
    await this.#shared.prepare();
    // What an earlier boot, or a try in this one, left: reservations of addresses lie on the disk with some networks.
    await this.remover.disconnect(sandbox.record, async (record) => {
      sandbox.record = record;
    });
    await this.remover.letGo(sandbox);
    const rebuilt = await this.builder.rebuild(sandbox.record, signal).catch(async (error: unknown) => {
      await this.#takeUp(id);
      throw error;
    });
    this.#sandboxes.delete(id);
    this.#sandboxes.add(rebuilt);
    return rebuilt.record;
  }

  /** Knows a sandbox by what its record says now. */
  async #takeUp(id: string): Promise<void> {
    const record = await this.store.read(id);
    this.#sandboxes.delete(id);
    if (record !== undefined) this.#sandboxes.add(this.#reopen(record));
  }

  async #stopNetwork(id: string): Promise<void> {
    const record = this.get(id);
    if (record === undefined || record.networkStopped) return;
    const stopping = { ...record, stopping: true };
    // Before anything is done: an agent that takes over goes on where this one ended.
    if (!record.stopping) await this.update(stopping);
    await this.remover.disconnect(stopping, (changed) => this.update(changed));
  }

  async #stop(id: string): Promise<void> {
    const sandbox = this.#sandboxes.get(id);
    if (sandbox === undefined || sandbox.record.stopped) return;
    try {
      await this.#stopNetwork(id);
      await this.remover.letGo(sandbox);
      sandbox.removeInfra();
      await this.update({ ...sandbox.record, stopping: true, stopped: true });
      this.#retries.done(id);
    } catch (error) {
      this.#retryStop(id, error);
      throw error;
    }
  }

  /** What a stop could not do is done later, as long as this agent lives; then by the next one. */
  #retryStop(id: string, error?: unknown): void {
    const delayMs = this.#retries.schedule(id, async () => {
      await this.stop(id).then(
        () => {
          this.logger.info('a sandbox whose stop had failed is stopped now', { id });
          this.#stoppedLater.next(id);
        },
        // It was scheduled and told again.
        () => undefined,
      );
    });
    if (delayMs === undefined) return;
    this.logger.warn('the stop of a sandbox is tried again', {
      id,
      inMs: delayMs,
      ...(error === undefined ? {} : { error: messageOf(error) }),
    });
  }

  async #remove(id: string): Promise<void> {
    const unreadable = this.#unreadable.get(id);
    if (PodwrightError.is(unreadable, 'unsupported')) throw unreadable;
    if (unreadable === undefined && this.#sandboxes.get(id) === undefined) return;
    if (unreadable === undefined) await this.#stop(id);
    else await this.remover.disconnectUnread(id);
    await this.remover.delete(id);
    this.#sandboxes.delete(id);
    this.#unreadable.delete(id);
    this.ranges.free(id);
  }

  #reopen(record: SandboxRecord): Sandbox {
    this.ranges.keep(record.id, record.idMappings);
    const known = this.#sandboxes.get(record.id);
    if (known === undefined) return this.builder.open(record);
    known.record = record;
    return known;
  }

  /** Undefined for a sandbox that has no first process and needs none. */
  async #infraRunning({ infra, record }: Sandbox): Promise<boolean | undefined> {
    if (infra === undefined) return needsInfra(record, true) ? false : undefined;
    const present = await readProcessIdentity(this.executor, infra.pid);
    return present?.startTimeTicks === infra.startTimeTicks;
  }
}

function notFound(id: string): PodwrightError {
  return new PodwrightError('not-found', `There is no sandbox ${id}.`, { details: { id } });
}
