import { Duplex } from 'node:stream';
import {
  type AttachOptions,
  type AttachSession,
  type CallOptions,
  Clock,
  type ContainerConfig,
  type ContainerFilter,
  type ContainerResources,
  type ContainerStats,
  type ContainerStatus,
  type ExecOptions,
  type ExecSession,
  type ExecSyncOptions,
  type ExecSyncResult,
  type LogEntry,
  Logger,
  type LogOptions,
  messageOf,
  type OrphanOptions,
  type OrphanReport,
  type PodSandboxConfig,
  type PodSandboxFilter,
  type PodSandboxStats,
  type PodSandboxStatus,
  type PortForwardOptions,
  type RuntimeEvent,
  type RuntimeFeatures,
  type RuntimeService,
  type RuntimeStatus,
  type RuntimeVersion,
  type StopOptions,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { Subject } from 'rxjs';
import { type Channel, fromWire } from './channel.js';
import { deliver, readableEnd, writableOver } from './pipes.js';
import { RemoteAttachSession } from './remote-attach-session.js';
import { RemoteExecSession } from './remote-exec-session.js';
import { RemoteHost } from './remote-host.js';
import { RemoteStreams } from './remote-streams.js';

const RECONNECT_MS = 1000;

/** Sandboxes and containers of the far side. */
@injectable()
export class RemoteRuntimeService implements RuntimeService {
  readonly type = 'remote';
  readonly events = new Subject<RuntimeEvent>();
  readonly #stop = new AbortController();
  #started: Promise<void> | undefined;
  /** Those of the far side, known once it was reached. */
  #features: RuntimeFeatures = {
    supervisedRestart: false,
    kernel: false,
    execHandler: 'none',
    execGaps: [],
    attach: false,
    stats: false,
    updateResources: false,
    userNamespaces: false,
    persist: false,
    recursiveReadOnly: false,
    logFiles: false,
    runtimeHandlers: [],
  };

  constructor(
    @inject(RemoteHost) private readonly host: RemoteHost,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  get features(): RuntimeFeatures {
    return this.#features;
  }

  start(): Promise<void> {
    this.#started ??= this.#connect();
    return this.#started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.host.close();
    this.events.complete();
  }

  version(options?: CallOptions): Promise<RuntimeVersion> {
    return this.host.call('runtime', 'version', options);
  }

  status(options?: CallOptions): Promise<RuntimeStatus> {
    return this.host.call('runtime', 'status', options);
  }

  runPodSandbox(config: PodSandboxConfig, options?: CallOptions): Promise<string> {
    return this.host.call('runtime', 'runPodSandbox', config, options);
  }

  stopPodSandbox(id: string, options?: CallOptions): Promise<void> {
    return this.host.call('runtime', 'stopPodSandbox', id, options);
  }

  removePodSandbox(id: string, options?: CallOptions): Promise<void> {
    return this.host.call('runtime', 'removePodSandbox', id, options);
  }

  podSandboxStatus(id: string, options?: CallOptions): Promise<PodSandboxStatus> {
    return this.host.call('runtime', 'podSandboxStatus', id, options);
  }

  listPodSandboxes(filter?: PodSandboxFilter, options?: CallOptions): Promise<readonly PodSandboxStatus[]> {
    return this.host.call('runtime', 'listPodSandboxes', filter, options);
  }

  createContainer(sandboxId: string, config: ContainerConfig, options?: CallOptions): Promise<string> {
    return this.host.call('runtime', 'createContainer', sandboxId, config, options);
  }

  startContainer(id: string, options?: CallOptions): Promise<void> {
    return this.host.call('runtime', 'startContainer', id, options);
  }

  stopContainer(id: string, options?: StopOptions): Promise<void> {
    return this.host.call('runtime', 'stopContainer', id, options);
  }

  removeContainer(id: string, options?: CallOptions): Promise<void> {
    return this.host.call('runtime', 'removeContainer', id, options);
  }

  listContainers(filter?: ContainerFilter, options?: CallOptions): Promise<readonly ContainerStatus[]> {
    return this.host.call('runtime', 'listContainers', filter, options);
  }

  containerStatus(id: string, options?: CallOptions): Promise<ContainerStatus> {
    return this.host.call('runtime', 'containerStatus', id, options);
  }

  reopenContainerLog(id: string, options?: CallOptions): Promise<void> {
    return this.host.call('runtime', 'reopenContainerLog', id, options);
  }

  async *containerLogs(id: string, options?: LogOptions): AsyncGenerator<LogEntry> {
    for await (const entry of this.host.items('runtime', 'containerLogs', [id, options]))
      yield entry as LogEntry;
  }

  execSync(id: string, command: readonly string[], options?: ExecSyncOptions): Promise<ExecSyncResult> {
    return this.host.call('runtime', 'execSync', id, command, options);
  }

  async exec(id: string, options: ExecOptions): Promise<ExecSession> {
    const { channel, value } = await this.host.begin('runtime', 'exec', [id, options]);
    return new RemoteExecSession(new RemoteStreams(channel, value as { stdin: boolean; stderr: boolean }));
  }

  async portForward(sandboxId: string, port: number, options?: PortForwardOptions): Promise<Duplex> {
    const { channel } = await this.host.begin('runtime', 'portForward', [sandboxId, port, options]);
    const readable = readableEnd();
    const connection = Duplex.from({ readable, writable: writableOver(channel, 0) });
    connection.once('close', () => channel.close());
    void receive(channel, readable);
    return connection;
  }

  async attach(id: string, options?: AttachOptions): Promise<AttachSession> {
    const { channel, value } = await this.host.begin('runtime', 'attach', [id, options]);
    return new RemoteAttachSession(new RemoteStreams(channel, value as { stdin: boolean; stderr: boolean }));
  }

  updateContainerResources(id: string, resources: ContainerResources, options?: CallOptions): Promise<void> {
    return this.host.call('runtime', 'updateContainerResources', id, resources, options);
  }

  updatePodSandboxResources(id: string, resources: ContainerResources, options?: CallOptions): Promise<void> {
    return this.host.call('runtime', 'updatePodSandboxResources', id, resources, options);
  }

  listContainerStats(filter?: ContainerFilter, options?: CallOptions): Promise<readonly ContainerStats[]> {
    return this.host.call('runtime', 'listContainerStats', filter, options);
  }

  listPodSandboxStats(filter?: PodSandboxFilter, options?: CallOptions): Promise<readonly PodSandboxStats[]> {
    return this.host.call('runtime', 'listPodSandboxStats', filter, options);
  }

  async removeOrphans(options: OrphanOptions = {}): Promise<OrphanReport> {
    // A question cannot be sent: what pods have beside their sandboxes stays.
    const { isKnownPod: _, ...rest } = options;
    const { removed, marked, errors } = await this.host.call('runtime', 'removeOrphans', rest);
    return { removed, marked, errors: errors.map(fromWire) };
  }

  async #connect(): Promise<void> {
    const { value } = await this.host.begin('runtime', 'features', []);
    this.#features = value as RuntimeFeatures;
    await new Promise<void>((resolve, reject) => {
      void this.#followEvents(resolve, reject);
    });
  }

  /** Events come for as long as this lives: when the far side goes away, they go on when it is back. */
  async #followEvents(onReady: () => void, onFailure: (error: unknown) => void): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        for await (const event of this.host.items('runtime', 'events', [], { onReady })) {
          this.events.next(event as RuntimeEvent);
        }
      } catch (error) {
        onFailure(error);
        if (this.#stop.signal.aborted) return;
        this.logger.warn(
          `No events of the far side: ${messageOf(error)} Trying again in ${RECONNECT_MS} ms.`,
        );
      }
      await this.clock.sleep(RECONNECT_MS, this.#stop.signal).catch(() => undefined);
    }
  }
}

/** Takes what the far side of a forwarded port sends, to its end. */
async function receive(channel: Channel, readable: ReturnType<typeof readableEnd>): Promise<void> {
  for await (const message of channel.messages) await deliver(message, { 1: readable });
  if (!readable.writableEnded) readable.destroy(new Error('The far side closed the connection.'));
}
