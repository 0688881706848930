import { KeyedMutex, Logger, messageOf, type OrphanReport, PodwrightError } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { readBootId } from './boot-id.js';
import { HostPorts } from './host-ports.js';
import { PodNetwork, type PodNetworkStatus } from './network/pod-network.js';
import { checkSandboxConfig } from './new-sandbox-record.js';
import { SandboxBuilder } from './sandbox-builder.js';
import type { SandboxManager } from './sandbox-manager.js';
import { SandboxOptions } from './sandbox-options.js';
import { sandboxPaths } from './sandbox-paths.js';
import type { SandboxConfig, SandboxRecord } from './sandbox-record.js';
import { SandboxRemover } from './sandbox-remover.js';
import { type SandboxLoadResult, SandboxStore } from './sandbox-store.js';
import { SharedCalls } from './shared-calls.js';
import { throwIfAborted, toPodwrightError } from './system-error.js';

/** Knows all sandboxes of this host, and lets them be made and taken apart in order. */
@injectable()
export class HostSandboxManager implements SandboxManager {
  readonly #records = new Map<string, SandboxRecord>();
  /** Records on disk that cannot be read: what is theirs is left alone. */
  readonly #unreadable = new Map<string, PodwrightError>();
  /** Being created: their ids, identities and ports are taken already. */
  readonly #pending = new Map<string, SandboxConfig>();
  readonly #queues = new KeyedMutex();
  readonly #networkStops = new SharedCalls();
  readonly #stops = new SharedCalls();
  readonly #removals = new SharedCalls();
  #prepared: Promise<void> | undefined;
  #releasing: Promise<void> | undefined;

  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(SandboxOptions) private readonly options: SandboxOptions,
    @inject(SandboxStore) private readonly store: SandboxStore,
    @inject(SandboxBuilder) private readonly builder: SandboxBuilder,
    @inject(SandboxRemover) private readonly remover: SandboxRemover,
    @inject(PodNetwork) private readonly network: PodNetwork,
    @inject(HostPorts) private readonly ports: HostPorts,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  async load({ observe = false } = {}): Promise<SandboxLoadResult> {
    const { records, errors } = await this.store.readAll();
    // At once, with nothing awaited: whoever asks meanwhile sees the old ones or the new ones.
    this.#records.clear();
    this.#unreadable.clear();
    for (const record of records) this.#records.set(record.id, record);
    for (const error of errors) this.#unreadable.set(String(error.details['id']), error);
    if (observe) return { records: this.list(), errors };
    const failures = [...errors];
    for (const { id, created } of records) {
      if (created) continue;
      this.logger.info('removing a sandbox whose creation was broken off', { id });
      await this.remove(id).catch((error) => {
        failures.push(toPodwrightError(error, `Removing the half-made sandbox ${id}`));
      });
    }
    return { records: this.list(), errors: failures };
  }

  get(id: string): SandboxRecord | undefined {
    return this.#records.get(id);
  }

  list(): readonly SandboxRecord[] {
    return [...this.#records.values()].sort((left, right) => right.createdAtMs - left.createdAtMs);
  }

  async update(record: SandboxRecord): Promise<void> {
    if (!this.#records.has(record.id)) throw notFound(record.id);
    await this.store.write(record);
    this.#records.set(record.id, record);
  }

  async create(config: SandboxConfig, id: string, signal?: AbortSignal): Promise<SandboxRecord> {
    throwIfAborted(signal, `Making sandbox ${id}`);
    checkSandboxConfig(config, sandboxPaths(this.options, id));
    const bootId = await readBootId(this.executor);
    while (this.#releasing) await this.#releasing;
    // Between the check and the reservation nothing is awaited: of two calls at once the later finds the earlier.
    this.#refuseTaken(config, id, bootId);
    this.#pending.set(id, config);
    try {
      return await this.#queues.run(id, () => this.#create(config, id, signal));
    } finally {
      this.#pending.delete(id);
    }
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
      await this.#releaseIfUnused();
    });
  }

  async verify(id: string): Promise<boolean> {
    const record = this.#records.get(id);
    if (record === undefined || !record.created || record.stopped) return false;
    return this.remover.hasNamespaces(record);
  }

  async checkNetwork(id: string, signal?: AbortSignal): Promise<void> {
    const record = this.#records.get(id);
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

  async removeOrphans(): Promise<OrphanReport> {
    const { removed, errors } = await this.remover.removeOrphans(
      (id) => this.#records.has(id) || this.#pending.has(id) || this.#unreadable.has(id),
    );
    await this.#releaseIfUnused();
    return { removed, errors };
  }

  async #create(config: SandboxConfig, id: string, signal: AbortSignal | undefined): Promise<SandboxRecord> {
    try {
      this.#prepared ??= this.builder.prepare();
      await this.#prepared.catch((error) => {
        this.#prepared = undefined;
        throw toPodwrightError(error, 'Preparing the directory of namespaces');
      });
      const record = await this.builder.build(config, id, signal);
      this.#records.set(id, record);
      return record;
    } catch (error) {
      const left = await this.store.read(id);
      if (left !== undefined) this.#records.set(id, left);
      this.#pending.delete(id);
      await this.#releaseIfUnused();
      throw error;
    }
  }

  async #stopNetwork(id: string): Promise<void> {
    const record = this.#records.get(id);
    if (record === undefined || record.networkStopped) return;
    await this.remover.disconnect(record, (changed) => this.update(changed));
  }

  async #stop(id: string): Promise<void> {
    await this.#stopNetwork(id);
    const record = this.#records.get(id);
    if (record === undefined || record.stopped) return;
    await this.remover.letGo(record);
    await this.update({ ...record, stopped: true });
  }

  async #remove(id: string): Promise<void> {
    const unreadable = this.#unreadable.get(id);
    if (PodwrightError.is(unreadable, 'unsupported')) throw unreadable;
    if (unreadable === undefined && !this.#records.has(id)) return;
    await this.#stop(id);
    await this.remover.delete(id);
    this.#records.delete(id);
    this.#unreadable.delete(id);
  }

  /** What all sandboxes share goes with the last one. It is no failure of that one when it does not: the next removal tries again. */
  async #releaseIfUnused(): Promise<void> {
    while (this.#releasing) await this.#releasing;
    if (this.#records.size + this.#pending.size + this.#unreadable.size > 0) return;
    this.#prepared = undefined;
    this.#releasing = this.remover
      .releaseShared()
      .catch((error) =>
        this.logger.error('what sandboxes shared on the host could not be removed', {
          error: messageOf(error),
        }),
      )
      .finally(() => {
        this.#releasing = undefined;
      });
    await this.#releasing;
  }

  #refuseTaken(config: SandboxConfig, id: string, bootId: string): void {
    const { uid, attempt, namespace, name } = config.metadata;
    if (this.#records.has(id) || this.#pending.has(id) || this.#unreadable.has(id)) {
      throw new PodwrightError('already-exists', `There is a sandbox ${id} already.`, { details: { id } });
    }
    const others = [...this.#records.values(), ...this.#pending.values()];
    const twin = others.some(({ metadata }) => metadata.uid === uid && metadata.attempt === attempt);
    if (twin) {
      throw new PodwrightError(
        'already-exists',
        `Pod ${namespace}/${name} (uid ${uid}) has a sandbox of attempt ${attempt} already.`,
        { details: { uid, attempt } },
      );
    }
    const holding = [...this.#records.values()].filter(
      (record) => !record.networkStopped && record.bootId === bootId,
    );
    this.ports.checkOwners(config, [...holding, ...this.#pending.values()]);
  }
}

function notFound(id: string): PodwrightError {
  return new PodwrightError('not-found', `There is no sandbox ${id}.`, { details: { id } });
}
