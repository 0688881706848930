import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import type { Duplex, Readable } from 'node:stream';
import {
  type ContainerConfig,
  type ContainerStatus,
  type Image,
  type LogEntry,
  type LogOptions,
  type Pod,
  type PodSandboxConfig,
  type PodStatus,
  parsePod,
  type RunPodOptions,
  type RunPodResult,
  UndoStack,
} from '@podwright/core';
import { interval, lastValueFrom, merge } from 'rxjs';
import type { ConformanceTarget, KernelView } from './conformance-target.js';
import { collect, joinLines, type Line, lastOf } from './log-lines.js';
import { Waiting } from './waiting.js';

/** A container of a manifest in short: what is left out is filled in. */
export interface ContainerSketch {
  readonly name?: string;
  readonly image?: string;
  readonly command?: readonly string[];
  readonly [field: string]: unknown;
}

/** What a case works with: the target, names of its own, and short ways to make things that are removed at its end. */
export class CaseContext extends Waiting {
  /** Of this case alone. */
  readonly namespace = `conf-${randomBytes(4).toString('hex')}`;
  readonly #undo = new UndoStack();
  #made = 0;

  constructor(
    private current: ConformanceTarget,
    private readonly onRestart: (target: ConformanceTarget) => void,
  ) {
    super();
  }

  get runtime() {
    return this.current.runtime;
  }

  get service() {
    return this.current.runtimeService;
  }

  get imageService() {
    return this.current.imageService;
  }

  get images() {
    return this.current.images;
  }

  get host() {
    return this.current.host;
  }

  get patienceMs() {
    return this.current.patienceMs;
  }

  get kernel(): KernelView {
    if (!this.current.kernel) throw new Error('The target gives no view of a kernel.');
    return this.current.kernel;
  }

  plantOrphan() {
    return this.current.plantOrphan();
  }

  /** Ends the agent and starts another one over the same state. */
  async restartAgent(): Promise<void> {
    this.current = await this.current.restartAgent();
    this.onRestart(this.current);
  }

  /** Removes all that the case has made; an error of it is one of the case. */
  async cleanUp(): Promise<void> {
    const failures = await this.#undo.undo();
    if (failures.length > 0) {
      throw new AggregateError(
        failures.map(({ error }) => error),
        `Cleaning up failed: ${failures.map(({ what, error }) => `${what}: ${String(error)}`).join('; ')}`,
      );
    }
  }

  atEnd(what: string, undo: () => Promise<void>): void {
    this.#undo.push(what, undo);
  }

  // Pods

  /** A manifest: restartPolicy Never, a grace of 1 s, and busybox unless told otherwise. */
  pod(
    containers: readonly ContainerSketch[],
    spec: Readonly<Record<string, unknown>> = {},
    metadata = {},
  ): Pod {
    const { initContainers = [], ...rest } = spec as { initContainers?: readonly ContainerSketch[] };
    const full = (sketch: ContainerSketch, index: number) => ({
      name: `c${index}`,
      image: this.images.busybox,
      imagePullPolicy: 'IfNotPresent',
      ...sketch,
    });
    return parsePod({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `pod-${this.#made++}`, namespace: this.namespace, ...metadata },
      spec: {
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 1,
        ...rest,
        initContainers: initContainers.map((sketch, index) => full({ name: `i${index}`, ...sketch }, index)),
        containers: containers.map(full),
      },
    });
  }

  /** Runs a pod, which is removed at the end of the case. */
  async runPod(pod: Pod, options: RunPodOptions = {}): Promise<RunPodResult> {
    this.atEnd(`pod ${pod.metadata.name}`, () =>
      this.runtime.removePod({ uid: pod.metadata.uid }, { graceMs: 0 }),
    );
    return this.runtime.runPod(pod, options);
  }

  /** Runs a pod of one container, network of the node unless the spec says otherwise. */
  async runCommand(
    command: readonly string[],
    spec: Readonly<Record<string, unknown>> = {},
  ): Promise<RunPodResult> {
    return this.runPod(this.pod([{ command }], { hostNetwork: true, ...spec }));
  }

  /** Waits until the status of a pod is as wanted, looking again whenever something happens to it. */
  async podStatus(uid: string, wanted: (status: PodStatus) => boolean, what: string): Promise<PodStatus> {
    return this.whenever(
      this.service.events,
      async () => {
        const status = await this.runtime.getPodStatus({ uid });
        return wanted(status) ? status : undefined;
      },
      `pod ${uid} ${what}`,
    );
  }

  /**
   * The first result of `look` that is one. For what not every event tells of, such as the answers of probes: it looks
   * again whenever the runtime tells something, and each 200 ms.
   */
  changing<T>(look: () => Promise<T | undefined>, what: string): Promise<T> {
    return this.whenever(merge(this.runtime.events, interval(200)), look, what);
  }

  podEnded(uid: string): Promise<PodStatus> {
    return this.podStatus(
      uid,
      ({ containers }) => containers.length > 0 && containers.every(({ state }) => state === 'exited'),
      'has ended',
    );
  }

  // Sandboxes and containers

  sandboxConfig(more: Partial<PodSandboxConfig> = {}): PodSandboxConfig {
    const number = this.#made++;
    return {
      metadata: { name: `sandbox-${number}`, namespace: this.namespace, uid: randomUUID(), attempt: 0 },
      labels: {},
      annotations: {},
      network: 'node',
      ipc: 'pod',
      pid: 'container',
      portMappings: [],
      ...more,
    };
  }

  /** Makes a sandbox, on the node's network unless told otherwise; it is removed at the end of the case. */
  async sandbox(more: Partial<PodSandboxConfig> = {}): Promise<string> {
    const id = await this.service.runPodSandbox(this.sandboxConfig(more));
    this.atEnd(`sandbox ${id}`, () => this.service.removePodSandbox(id));
    return id;
  }

  containerConfig(more: Partial<ContainerConfig> = {}): ContainerConfig {
    return {
      metadata: { name: `c${this.#made++}`, attempt: 0 },
      image: this.images.busybox,
      env: [],
      mounts: [],
      devices: [],
      labels: {},
      annotations: {},
      resources: {},
      security: {},
      restart: { by: 'caller' },
      terminationGraceMs: 1000,
      ...more,
    };
  }

  /** A container's configuration, whose image is there. */
  async readyConfig(more: Partial<ContainerConfig>): Promise<ContainerConfig> {
    const config = this.containerConfig(more);
    if (!(await this.imageService.imageStatus(config.image))) await this.pull(config.image);
    return config;
  }

  /** Makes and starts a container. @returns its id */
  async start(
    sandboxId: string,
    command: readonly string[] | undefined,
    more: Partial<ContainerConfig> = {},
  ) {
    const config = await this.readyConfig({ ...(command ? { command } : {}), ...more });
    const id = await this.service.createContainer(sandboxId, config);
    await this.service.startContainer(id);
    return id;
  }

  /** Runs a command in a sandbox of its own to its end. */
  async runToEnd(command: readonly string[] | undefined, more: Partial<ContainerConfig> = {}) {
    const sandboxId = await this.sandbox();
    const id = await this.start(sandboxId, command, more);
    const status = await this.ended(id);
    const lines = await this.lines(id);
    const textOf = (stream: string) => lines.filter((line) => line.stream === stream).map(({ text }) => text);
    return {
      id,
      sandboxId,
      status,
      lines,
      stdout: textOf('stdout'),
      stderr: textOf('stderr'),
      exit: lastOf(status),
    };
  }

  /** Waits until the status of a container is as wanted, looking again whenever something happens to it. */
  async containerStatus(id: string, wanted: (status: ContainerStatus) => boolean, what: string) {
    return this.whenever(
      this.service.events,
      async () => {
        const status = await this.service.containerStatus(id);
        return wanted(status) ? status : undefined;
      },
      `container ${id} ${what}`,
    );
  }

  ended(id: string): Promise<ContainerStatus> {
    return this.containerStatus(id, ({ state }) => state === 'exited', 'has ended');
  }

  /**
   * Id on the host of a container's first process, as soon as that is its program: when a start is over it may still be the
   * OCI runtime's, on its way there.
   */
  async firstProcess(id: string, program = 'sleep'): Promise<number> {
    const pid = await this.kernel.hostPidOf(id);
    const look = async () => (await this.kernel.readProc(pid, 'cmdline'))?.startsWith(`${program}\0`);
    await this.changing(async () => (await look()) || undefined, `${program} as first process of ${id}`);
    return pid;
  }

  async pull(reference: string): Promise<Image> {
    const event = await this.soon(
      lastValueFrom(this.imageService.pullImage(reference)),
      `pull of ${reference}`,
    );
    assert.equal(event.type, 'done', 'the last event of a pull is done');
    return event.type === 'done' ? event.image : assert.fail();
  }

  // Logs and streams

  async lines(id: string, options: LogOptions = {}): Promise<readonly Line[]> {
    return joinLines(await this.entries(id, options));
  }

  entries(id: string, options: LogOptions = {}): Promise<readonly LogEntry[]> {
    return this.soon(collect(this.service.containerLogs(id, options)), `log of ${id}`);
  }

  /** Follows a log until it has a line of this text. */
  async line(log: AsyncIterable<LogEntry>, text: string): Promise<LogEntry> {
    const search = async () => {
      const seen: string[] = [];
      for await (const entry of log) {
        seen.push(entry.line.toString());
        if (entry.line.toString() === text) return entry;
      }
      return assert.fail(`the log has no line ${JSON.stringify(text)} but ${JSON.stringify(seen)}`);
    };
    return this.soon(search(), `line ${JSON.stringify(text)}`);
  }

  /** Waits for a container to say a line. */
  async says(id: string, text: string): Promise<void> {
    await this.line(this.service.containerLogs(id, { follow: true }), text);
  }

  /** All that a stream gives until its end. */
  readAll(stream: Readable | undefined): Promise<string> {
    const read = async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of stream ?? []) chunks.push(Buffer.from(chunk));
      return Buffer.concat(chunks).toString();
    };
    const text = this.soon(read(), 'end of the stream');
    // A case that fails before it asks for the text is told by its own failure.
    text.catch(() => undefined);
    return text;
  }

  /** Sends a text over a connection, half-closes it, and gives what comes back. */
  async talk(connection: Duplex, text: string): Promise<string> {
    this.atEnd('connection', async () => void connection.destroy());
    connection.end(text);
    return this.readAll(connection);
  }
}
