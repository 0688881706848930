import { hostname } from 'node:os';
import { Clock, type IdMapping, Logger, messageOf, PodwrightError, UndoStack } from '@podwright/core';
import { HostExecutor, readProcessIdentity } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { readBootId } from './boot-id.js';
import { SandboxFiles } from './files/sandbox-files.js';
import { HostPorts } from './host-ports.js';
import { InfraProcess, needsInfra } from './infra/infra-process.js';
import { NamespacePinner } from './namespaces/namespace-pinner.js';
import { SandboxNamespacesFactory } from './namespaces/sandbox-namespaces.js';
import { sysctlFiles } from './namespaces/sysctls.js';
import { UserNamespaceRanges } from './namespaces/user-namespace-ranges.js';
import { askForAddresses } from './network/kept-addresses.js';
import { readNodeAddresses } from './network/node-addresses.js';
import { PodNetwork } from './network/pod-network.js';
import { checkSandboxConfig, newSandboxRecord } from './new-sandbox-record.js';
import { Sandbox } from './sandbox.js';
import { SandboxOptions } from './sandbox-options.js';
import { ownKinds, sandboxesRunDir, sandboxPaths } from './sandbox-paths.js';
import type { SandboxConfig, SandboxRecord } from './sandbox-record.js';
import { SandboxStore } from './sandbox-store.js';
import { throwIfAborted, toPodwrightError } from './system-error.js';

/** Makes one sandbox, step by step, and undoes what it made when a step fails. */
@injectable()
export class SandboxBuilder {
  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(SandboxOptions) private readonly options: SandboxOptions,
    @inject(SandboxStore) private readonly store: SandboxStore,
    @inject(NamespacePinner) private readonly pinner: NamespacePinner,
    @inject(PodNetwork) private readonly network: PodNetwork,
    @inject(SandboxFiles) private readonly files: SandboxFiles,
    @inject(HostPorts) private readonly ports: HostPorts,
    @inject(UserNamespaceRanges) private readonly ranges: UserNamespaceRanges,
    @inject(SandboxNamespacesFactory) private readonly namespaces: SandboxNamespacesFactory,
    @inject(InfraProcess) private readonly infra: InfraProcess,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /**
   * Makes everything, and the record first: if this process ends on the way, the next one finds what to undo.
   * @throws PodwrightError; when something could not be undone, its record is still in the store
   */
  async build(config: SandboxConfig, id: string, signal?: AbortSignal): Promise<Sandbox> {
    const undo = new UndoStack();
    try {
      return await this.#build(config, id, undo, signal);
    } catch (thrown) {
      const error = toPodwrightError(thrown, `Making sandbox ${id}`);
      const left = (await undo.undo()).map(
        ({ what, error: cause }) => new Error(`${what} could not be undone: ${messageOf(cause)}`, { cause }),
      );
      // The record stays as long as there is something left to undo.
      if (left.length === 0) await this.store.delete(id).catch((cause) => left.push(cause));
      if (left.length === 0) throw error;
      this.logger.error('a sandbox that failed could not be undone whole', { id, left: left.map(String) });
      throw new PodwrightError(
        error.kind,
        `${error.message} Besides, ${left.map(({ message }) => message).join('; ')}. Remove sandbox ${id} later.`,
        { cause: new AggregateError([error, ...left]), details: error.details },
      );
    }
  }

  async #build(
    config: SandboxConfig,
    id: string,
    undo: UndoStack,
    signal: AbortSignal | undefined,
  ): Promise<Sandbox> {
    const doing = `Making sandbox ${id}`;
    throwIfAborted(signal, doing);
    const paths = sandboxPaths(this.options, id);
    checkSandboxConfig(config);
    const ownNetwork = config.network === 'pod';
    // With the node's network a container binds its port itself, and the kernel tells it when somebody has it.
    if (ownNetwork) await this.ports.checkListeners(config, signal);
    const planned = ownNetwork ? await this.network.plan({ ...config, id }) : [];
    undo.push('the range of ids', async () => this.ranges.free(id));
    const record: SandboxRecord = {
      ...newSandboxRecord(config, paths, {
        id,
        createdAtMs: this.clock.nowMs(),
        bootId: await readBootId(this.executor),
        nodeHostname: hostname(),
        idMappings: config.userNamespace === 'pod' ? await this.#idMappings(config, id) : [],
      }),
      cni: planned,
    };
    await this.store.write(record);
    return await this.#furnish(record, undo, signal);
  }

  /**
   * Makes all that ended with an earlier boot anew, of what the record says: namespaces, network, /dev/shm, files. The
   * pod asks for the addresses that it had, and takes others where these are refused. On failure the record stays, and
   * this can be done again.
   * @param before of a sandbox whose networks were taken down and whose namespaces were let go
   * @throws PodwrightError as `build`
   */
  async rebuild(before: SandboxRecord, signal?: AbortSignal): Promise<Sandbox> {
    const { infra: _, ...rest } = before;
    const record: SandboxRecord = { ...rest, cni: [], networkStopped: false };
    const planned = before.network === 'pod' ? await this.#planAgain(before, signal) : [];
    const kept = planned.map((attachment) => askForAddresses(attachment, before.networks));
    try {
      return await this.#furnishAgain({ ...record, cni: kept }, signal);
    } catch (error) {
      if (signal?.aborted || kept.every((attachment, index) => attachment === planned[index])) throw error;
      this.logger.warn(
        `Sandbox ${before.id} cannot be made anew with the addresses that it had: ${messageOf(error)} It is tried with others.`,
        { id: before.id },
      );
      return await this.#furnishAgain({ ...record, cni: planned }, signal);
    }
  }

  async #furnishAgain(record: SandboxRecord, signal: AbortSignal | undefined): Promise<Sandbox> {
    const undo = new UndoStack();
    try {
      await this.store.write(record);
      return await this.#furnish(record, undo, signal);
    } catch (thrown) {
      const left = await undo.undo();
      for (const { what, error } of left) {
        this.logger.error(`${what} of a sandbox could not be undone: ${messageOf(error)}`, { id: record.id });
      }
      await this.store.write(left.length === 0 ? { ...record, cni: [] } : record);
      throw toPodwrightError(thrown, `Making sandbox ${record.id} anew`);
    }
  }

  async #planAgain(record: SandboxRecord, signal?: AbortSignal) {
    await this.ports.checkListeners(record, signal);
    return await this.network.plan(record);
  }

  /** Makes what the record says, and writes it when it is all there. */
  async #furnish(planned: SandboxRecord, undo: UndoStack, signal: AbortSignal | undefined): Promise<Sandbox> {
    let record = planned;
    const doing = `Making sandbox ${record.id}`;
    const paths = sandboxPaths(this.options, record.id);
    throwIfAborted(signal, doing);
    const sandbox = this.open(record);
    // Before the thing is made, so that a half-made one is undone too: each of these bears that it is not there.
    undo.push('the namespaces', () => sandbox.namespaces.remove());
    const { pid: pidPath, ...pinnedPaths } = record.namespaces;
    const pinned = this.pinner.pin(
      {
        paths: pinnedPaths,
        hostname: record.hostname,
        sysctls: sysctlFiles(record.sysctls, new Set(ownKinds(record))),
        idMappings: record.idMappings,
        ...(record.ipc === 'pod' ? { shm: { path: paths.shm, sizeBytes: this.options.shmSizeBytes } } : {}),
      },
      signal,
    );
    // The node's network is there already.
    const onNode = record.network === 'node' ? this.#furnishNetwork(record, undo, signal) : undefined;
    await allDone([pinned, this.files.writeNames(record), ...(onNode === undefined ? [] : [onNode])]);

    throwIfAborted(signal, doing);
    // Side by side: neither needs the other, and the network takes long.
    await allDone([
      (onNode ?? this.#furnishNetwork(record, undo, signal)).then((connected) => {
        record = connected;
      }),
      this.#furnishInfra(sandbox, pidPath, undo, signal),
    ]);
    throwIfAborted(signal, doing);
    const { infra } = sandbox;
    // The boot with the last step: until then it is not of this one.
    const bootId = await readBootId(this.executor);
    sandbox.record = { ...record, ...(infra === undefined ? {} : { infra }), created: true, bootId };
    await this.store.write(sandbox.record);
    return sandbox;
  }

  /** @returns the record with the addresses of the sandbox */
  async #furnishNetwork(
    record: SandboxRecord,
    undo: UndoStack,
    signal: AbortSignal | undefined,
  ): Promise<SandboxRecord> {
    const connected =
      record.network === 'pod'
        ? await this.#connect(record, undo, signal)
        : { ...record, ips: await readNodeAddresses(this.options.defaultBridge) };
    await this.files.writeHosts(connected);
    return connected;
  }

  /** Starts its first process, where it needs one. */
  async #furnishInfra(
    sandbox: Sandbox,
    pidPath: string | undefined,
    undo: UndoStack,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (!needsInfra(sandbox.record, this.options.dropInfra)) return;
    undo.push('the first process', () => this.infra.stop(sandbox.record));
    await this.#startInfra(sandbox, pidPath, signal);
  }

  /** Those that somebody else allots are his to keep apart; they are remembered so that none of ours touches them. */
  async #idMappings({ idMappings }: SandboxConfig, id: string): Promise<readonly IdMapping[]> {
    if (idMappings === undefined) return [await this.ranges.allot(id)];
    this.ranges.keep(id, idMappings);
    return idMappings;
  }

  /** The living sandbox of a record. */
  open(record: SandboxRecord): Sandbox {
    return new Sandbox(record, this.namespaces.of(record.id));
  }

  async #connect(
    record: SandboxRecord,
    undo: UndoStack,
    signal: AbortSignal | undefined,
  ): Promise<SandboxRecord> {
    const netns = record.namespaces.network;
    if (netns === undefined) return record;
    const connected = [];
    for (const attachment of record.cni) {
      throwIfAborted(signal, `Making sandbox ${record.id}`);
      undo.push(`network "${attachment.network.name}"`, () => this.network.detach(attachment, netns));
      connected.push(await this.network.attach(attachment, netns, signal));
    }
    const networks = this.network.attachments(connected);
    return { ...record, cni: connected, networks, ips: networks[0]?.ips ?? [] };
  }

  async #startInfra(
    sandbox: Sandbox,
    pidPath: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const pid = await this.infra.start(sandbox.record, signal);
    const identity = await readProcessIdentity(this.executor, pid);
    if (identity === undefined) {
      throw new PodwrightError(
        'command-failed',
        `The first process of sandbox ${sandbox.id}, ${pid}, ended at once.`,
        { details: { id: sandbox.id, pid } },
      );
    }
    sandbox.setInfra(identity);
    // At once: if this process ends on the way, the next one has to know whom to end.
    await this.store.write(sandbox.record);
    if (pidPath !== undefined) await this.pinner.pinOf(pid, 'pid', pidPath);
  }

  /** Prepares the directory of namespaces; once before the first sandbox. */
  prepare(): Promise<void> {
    return this.pinner.prepare(sandboxesRunDir(this.options));
  }
}

/** Waits for all, also when one fails: nothing may go on while what was made is undone. */
async function allDone(works: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(works)) {
    if (outcome.status === 'rejected') throw outcome.reason;
  }
}
