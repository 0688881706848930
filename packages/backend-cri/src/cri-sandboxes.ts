import { mkdir, rm } from 'node:fs/promises';
import {
  type CallOptions,
  type IdMapping,
  isWanted,
  KeyedMutex,
  Logger,
  messageOf,
  type PodSandboxConfig,
  type PodSandboxFilter,
  type PodSandboxStatus,
  PodwrightError,
  unsupportedField,
} from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { DEFAULT_IDS, firstFree, IDS_PER_POD, sysctlFiles } from '@podwright/sandbox';
import { inject, injectable } from 'inversify';
import { BackendLayout, BackendLayoutToken } from './backend-layout.js';
import { ContainerRemains } from './container-remains.js';
import { CriConnection } from './cri-connection.js';
import { toMilliseconds } from './cri-numbers.js';
import { nodeAddresses, PodFiles } from './pod-files.js';
import { portConflict } from './port-conflict.js';
import { type Made, RECORD_VERSION, type SandboxRecord } from './records.js';
import { RuntimeFacts } from './runtime-facts.js';
import { StateRecords } from './state-records.js';
import { StateWatcher } from './state-watcher.js';
import { toCriSandbox } from './to-cri-sandbox.js';
import { unsupportedFields } from './unsupported-fields.js';

/** Sandboxes that are made with host ports, one after the other: each has to see those before it. */
const PORTS = 'ports';

/** Makes, lists and removes sandboxes through the runtime. */
@injectable()
export class CriSandboxes {
  private readonly mutex = new KeyedMutex();
  /** Addresses of sandboxes, which stay the same while they are ready. */
  private readonly addresses = new Map<string, readonly string[]>();

  constructor(
    @inject(CriConnection) private readonly connection: CriConnection,
    @inject(StateRecords) private readonly records: StateRecords,
    @inject(BackendLayoutToken) private readonly layout: BackendLayout,
    @inject(PodFiles) private readonly files: PodFiles,
    @inject(RuntimeFacts) private readonly facts: RuntimeFacts,
    @inject(ContainerRemains) private readonly remains: ContainerRemains,
    @inject(StateWatcher) private readonly watcher: StateWatcher,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  async run(config: PodSandboxConfig, options: CallOptions): Promise<string> {
    this.connection.throwIfClosed();
    this.check(config);
    const key = config.portMappings.length > 0 ? PORTS : config.metadata.uid;
    return await this.mutex.run(key, () => this.make(config, options), options.signal);
  }

  async stop(id: string, options: CallOptions): Promise<void> {
    this.connection.throwIfClosed();
    if (!(await this.find(id))) return;
    await this.connection.callIfThere(
      `Sandbox ${id} was not stopped`,
      ({ runtime }, call) => runtime.stopPodSandbox({ podSandboxId: id }, call),
      options,
    );
    this.addresses.delete(id);
    await this.watcher.lookQuietly();
  }

  async remove(id: string, options: CallOptions): Promise<void> {
    await this.stop(id, options);
    const record = await this.find(id);
    if (!record) return;
    await this.connection.callWhenSettled(
      `Sandbox ${id} was not removed`,
      ({ runtime }, call) => runtime.removePodSandbox({ podSandboxId: id }, call),
      options,
    );
    for (const container of this.records.containers.all()) {
      if (container.sandboxId === id) await this.remains.remove(container);
    }
    await this.forget(record.key);
    await this.watcher.lookQuietly();
  }

  async status(id: string, options: CallOptions): Promise<PodSandboxStatus> {
    this.connection.throwIfClosed();
    const record = await this.find(id);
    if (!record) throw notFound(id);
    const what = `The status of sandbox ${id} cannot be read`;
    const { status } = await this.connection.call(
      what,
      ({ runtime }, call) => runtime.podSandboxStatus({ podSandboxId: id }, call),
      options,
    );
    if (!status) throw notFound(id);
    return this.toStatus(record, status);
  }

  async list(filter: PodSandboxFilter, options: CallOptions): Promise<readonly PodSandboxStatus[]> {
    await this.records.refresh();
    const state =
      filter.state === 'ready' ? cri.PodSandboxState.SANDBOX_READY : cri.PodSandboxState.SANDBOX_NOTREADY;
    const asked = {
      ...(filter.id === undefined ? {} : { id: filter.id }),
      ...(filter.state === undefined ? {} : { state: { state } }),
      labelSelector: { ...filter.labels },
    };
    const { items } = await this.connection.call(
      'The sandboxes cannot be listed',
      ({ runtime }, call) => runtime.listPodSandbox({ filter: asked }, call),
      options,
    );
    const own = items
      .flatMap((item) => {
        const record = this.records.sandboxes.get(item.id);
        if (!record) return [];
        const { id, labels } = item;
        // The runtime has looked at the rest; some find a sandbox by the beginning of an id too.
        return isWanted({ id, podUid: record.config.metadata.uid, labels }, filter) ? [{ item, record }] : [];
      })
      .sort((a, b) => Number(b.item.createdAt - a.item.createdAt));
    const all = await Promise.all(own.map(({ item, record }) => this.listed(item, record, options)));
    return all.filter((status) => status !== undefined);
  }

  /** What an agent that ended in the middle of it may have made: nobody knows its id. */
  async settle(): Promise<void> {
    for (const record of this.records.sandboxes.pending()) await this.undo(record, {});
  }

  private check(config: PodSandboxConfig): void {
    const { network, ipc, sysctls = {}, persist, userNamespace, idMappings } = config;
    const own = new Set<'network' | 'ipc'>();
    if (network === 'pod') own.add('network');
    if (ipc === 'pod') own.add('ipc');
    sysctlFiles(sysctls, own);
    if (idMappings !== undefined && userNamespace !== 'pod') {
      throw new PodwrightError(
        'invalid-argument',
        `The pod "${config.metadata.name}" has idMappings and no users of its own: leave them out, or set userNamespace to "pod".`,
      );
    }
    if (persist === true) {
      throw unsupportedField(
        unsupportedFields.persist,
        `The pod "${config.metadata.name}" cannot come back after a reboot: the CRI has no such thing. Leave out ` +
          'persist, or use the backend systemd.',
      );
    }
    if (userNamespace === 'pod' && !this.facts.userNamespaces) {
      throw unsupportedField(
        unsupportedFields.userNamespaces,
        `The pod "${config.metadata.name}" cannot have users of its own: this runtime does not say that it can ` +
          '(containerd 2.0 and CRI-O 1.25 can). Leave out hostUsers: false.',
      );
    }
  }

  private async make(asked: PodSandboxConfig, options: CallOptions): Promise<string> {
    const { metadata } = asked;
    await this.records.refresh();
    const others = [...this.records.sandboxes.all(), ...this.records.sandboxes.pending()];
    const same = others.find(
      ({ config }) => config.metadata.uid === metadata.uid && config.metadata.attempt === metadata.attempt,
    );
    if (same) {
      throw new PodwrightError(
        'already-exists',
        `The pod "${metadata.name}" has a sandbox of attempt ${metadata.attempt} already.`,
        { details: { id: same.id } },
      );
    }
    await this.checkPorts(asked, options);
    const config = { ...asked, ...this.idMappings(asked, others) };
    const record: SandboxRecord = { version: RECORD_VERSION, key: this.records.sandboxes.newKey(), config };
    await this.records.sandboxes.put(record);
    try {
      return await this.runRecorded(record, options);
    } catch (error) {
      await this.undo(record, {}).catch((cause: unknown) => {
        this.logger.error(`After a sandbox failed, what was made of it was not removed: ${messageOf(cause)}`);
      });
      throw error;
    }
  }

  private async runRecorded(record: SandboxRecord, options: CallOptions): Promise<string> {
    const { config, key } = record;
    const { hosts, logs } = this.layout.sandbox(key);
    await mkdir(logs, { recursive: true, mode: 0o755 });
    const request = {
      config: toCriSandbox(config, logs, await this.files.dns(config)),
      runtimeHandler: config.runtimeHandler ?? '',
    };
    const { podSandboxId: id } = await this.connection.call(
      `The sandbox of pod "${config.metadata.name}" was not made`,
      ({ runtime }, call) => runtime.runPodSandbox(request, call),
      options,
    );
    await this.records.sandboxes.put({ ...record, id });
    const { ips } = await this.status(id, options);
    await this.files.writeHosts(hosts, config, ips);
    await this.watcher.lookQuietly();
    return id;
  }

  /** By its names: the answer with its id may not have come. */
  private async undo({ key, config }: SandboxRecord, options: CallOptions): Promise<void> {
    const { items } = await this.connection.call(
      'The sandboxes cannot be listed',
      ({ runtime }, call) => runtime.listPodSandbox({}, call),
      options,
    );
    const { name, namespace, uid, attempt } = config.metadata;
    const own = items.filter(
      ({ metadata }) =>
        metadata?.uid === uid &&
        metadata.attempt === attempt &&
        metadata.name === name &&
        metadata.namespace === namespace,
    );
    for (const { id } of own) {
      await this.connection.callWhenSettled(`Sandbox ${id} was not removed`, async ({ runtime }, call) => {
        await runtime.stopPodSandbox({ podSandboxId: id }, call);
        await runtime.removePodSandbox({ podSandboxId: id }, call);
      });
    }
    await this.forget(key);
    await this.watcher.lookQuietly();
  }

  private async forget(key: string): Promise<void> {
    await rm(this.layout.sandbox(key).logs, { recursive: true, force: true });
    await this.records.sandboxes.remove(key);
  }

  private async checkPorts(
    { metadata, portMappings }: PodSandboxConfig,
    options: CallOptions,
  ): Promise<void> {
    if (portMappings.length === 0) return;
    for (const { id, metadata: other } of await this.list({ state: 'ready' }, options)) {
      const taken = this.records.sandboxes.get(id)?.config.portMappings ?? [];
      const conflict = portConflict(portMappings, taken);
      if (!conflict) continue;
      throw new PodwrightError(
        'port-in-use',
        `The port ${conflict.hostPort}/${conflict.protocol} of the host, which pod "${metadata.name}" asks for, is pod ` +
          `"${other.name}"'s.`,
        { details: { port: conflict.hostPort, podUid: other.uid } },
      );
    }
  }

  private idMappings(
    { userNamespace, idMappings, metadata }: PodSandboxConfig,
    others: readonly SandboxRecord[],
  ): { readonly idMappings?: readonly IdMapping[] } {
    if (userNamespace !== 'pod') return {};
    if (idMappings !== undefined) return { idMappings };
    const taken = others.flatMap(({ config }) => config.idMappings ?? []);
    const first = firstFree(DEFAULT_IDS, taken);
    if (first !== undefined) return { idMappings: [{ containerId: 0, hostId: first, size: IDS_PER_POD }] };
    throw new PodwrightError(
      'no-space',
      `All ranges of ids for pods with users of their own are taken; the pod "${metadata.name}" gets none. Remove such pods.`,
    );
  }

  private async find(id: string): Promise<Made<SandboxRecord> | undefined> {
    if (!this.records.sandboxes.get(id)) await this.records.refresh();
    return this.records.sandboxes.get(id);
  }

  private async listed(
    item: cri.PodSandbox,
    record: Made<SandboxRecord>,
    options: CallOptions,
  ): Promise<PodSandboxStatus | undefined> {
    if (item.state !== cri.PodSandboxState.SANDBOX_READY || this.addresses.has(item.id)) {
      return this.toStatus(record, item);
    }
    return await this.status(item.id, options).catch((error: unknown) => {
      if (!PodwrightError.is(error, 'not-found')) throw error;
      return undefined;
    });
  }

  private toStatus(
    { id, config }: Made<SandboxRecord>,
    status: cri.PodSandboxStatus | cri.PodSandbox,
  ): PodSandboxStatus {
    const { metadata, network, ipc, pid, idMappings, runtimeHandler } = config;
    const ready = status.state === cri.PodSandboxState.SANDBOX_READY;
    if (ready && 'network' in status) this.addresses.set(id, addressesOf(status, config));
    return {
      id,
      metadata,
      state: ready ? 'ready' : 'not-ready',
      createdAtMs: toMilliseconds(status.createdAt) ?? 0,
      ips: ready ? (this.addresses.get(id) ?? []) : [],
      network,
      ipc,
      pid,
      ...(idMappings === undefined ? {} : { idMappings }),
      ...(runtimeHandler === undefined ? {} : { runtimeHandler }),
      labels: status.labels,
      annotations: status.annotations,
    };
  }
}

function addressesOf({ network }: cri.PodSandboxStatus, config: PodSandboxConfig): readonly string[] {
  const told = [network?.ip ?? '', ...(network?.additionalIps ?? []).map(({ ip }) => ip)];
  const ips = told.filter((ip) => ip !== '');
  return ips.length === 0 && config.network === 'node' ? nodeAddresses() : ips;
}

function notFound(id: string): PodwrightError {
  return new PodwrightError('not-found', `There is no sandbox ${id}.`, { details: { id } });
}
