import { hostname } from 'node:os';
import { Clock, Logger, messageOf, PodwrightError, UndoStack } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { readBootId } from './boot-id.js';
import { SandboxFiles } from './files/sandbox-files.js';
import { HostPorts } from './host-ports.js';
import { NamespacePinner } from './namespaces/namespace-pinner.js';
import { readNodeAddresses } from './network/node-addresses.js';
import { PodNetwork } from './network/pod-network.js';
import { checkSandboxConfig, newSandboxRecord } from './new-sandbox-record.js';
import { SandboxOptions } from './sandbox-options.js';
import { sandboxesRunDir, sandboxPaths } from './sandbox-paths.js';
import type { SandboxConfig, SandboxRecord } from './sandbox-record.js';
import { SandboxRemover } from './sandbox-remover.js';
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
    @inject(SandboxRemover) private readonly remover: SandboxRemover,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /**
   * Makes everything, and the record first: if this process ends on the way, the next one finds what to undo.
   * @throws PodwrightError; when something could not be undone, its record is still in the store
   */
  async build(config: SandboxConfig, id: string, signal?: AbortSignal): Promise<SandboxRecord> {
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
  ): Promise<SandboxRecord> {
    const doing = `Making sandbox ${id}`;
    throwIfAborted(signal, doing);
    const paths = sandboxPaths(this.options, id);
    const sysctls = checkSandboxConfig(config, paths);
    const ownNetwork = config.network === 'pod';
    // With the node's network a container binds its port itself, and the kernel tells it when somebody has it.
    if (ownNetwork) await this.ports.checkListeners(config, signal);
    const planned = ownNetwork ? await this.network.plan({ ...config, id }) : [];
    let record: SandboxRecord = {
      ...newSandboxRecord(config, paths, {
        id,
        createdAtMs: this.clock.nowMs(),
        bootId: await readBootId(this.executor),
        nodeHostname: hostname(),
      }),
      cni: planned,
    };
    await this.store.write(record);

    throwIfAborted(signal, doing);
    // Before the thing is made, so that a half-made one is undone too: each of these bears that it is not there.
    undo.push('the namespaces', () => this.remover.letGo(record));
    const pinned = this.pinner.pin(
      {
        paths: record.namespaces,
        hostname: record.hostname,
        sysctls,
        ...(config.ipc === 'pod' ? { shm: { path: paths.shm, sizeBytes: this.options.shmSizeBytes } } : {}),
      },
      signal,
    );
    await allDone([pinned, this.files.writeNames(record)]);

    const { network: netns } = record.namespaces;
    if (netns === undefined) {
      record = { ...record, ips: await readNodeAddresses(this.options.defaultBridge) };
    } else {
      const connected = [];
      for (const attachment of planned) {
        throwIfAborted(signal, doing);
        undo.push(`network "${attachment.network.name}"`, () => this.network.detach(attachment, netns));
        connected.push(await this.network.attach(attachment, netns, signal));
      }
      record = { ...record, cni: connected, ips: this.network.addresses(connected) };
    }

    await this.files.writeHosts(record);
    throwIfAborted(signal, doing);
    const made = { ...record, created: true };
    await this.store.write(made);
    return made;
  }

  /** Prepares the directory of namespaces; once before the first sandbox. */
  prepare(): Promise<void> {
    return this.pinner.prepare(sandboxesRunDir(this.options));
  }
}

/** Waits for all, also when one fails: nothing may go on while what was made is undone. */
async function allDone(works: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(works)) {
    if (outcome.status === 'rejected') throw outcome.reason;
  }
}
