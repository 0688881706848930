import {
  type Clock,
  type ContainerAttempt,
  type ContainerConfig,
  type ContainerFilter,
  type ContainerPhase,
  type ContainerResources,
  type ContainerStats,
  type ContainerStatus,
  fired,
  isWanted,
  PodwrightError,
  type RuntimeEvent,
} from '@podwright/core';
import { ContainerFiles } from '../machine/container-files.js';
import { FileError, FileTree } from '../machine/file-tree.js';
import { sizeOf } from '../machine/node-size.js';
import { ProcessTable } from '../machine/process-table.js';
import { SIGKILL, signalNumber } from '../machine/signals.js';
import type { ProcessExit, Program, SimulatedProcess } from '../machine/simulated-process.js';
import { ContainerLog } from '../store/container-log.js';
import type { ImageContent } from '../store/image-store.js';
import { LogFile } from '../store/log-file.js';
import { AttachPoint } from './attach-point.js';
import { changedLimits } from './changed-limits.js';
import { containerMounts } from './container-mounts.js';
import { endedAttempt } from './ended-attempt.js';
import type { ProcessPlan } from './process-plan.js';
import type { SimulatedSandbox } from './simulated-sandbox.js';
import { simulatedStats } from './simulated-stats.js';
import { TerminationFile } from './termination-message.js';

/** What a container needs of its machine. */
export interface ContainerSurroundings {
  readonly clock: Clock;
  readonly hostFiles: FileTree;
  readonly programs: ReadonlyMap<string, Program>;
  /** Files that each container of the sandbox finds in place of the image's: /etc/hosts and the like. */
  readonly sandboxFiles: Readonly<Record<string, string>>;
  readonly restartDelay: (attempts: readonly ContainerAttempt[]) => number | undefined;
  readonly emit: (event: RuntimeEvent) => void;
}

/** A container on the simulated machine: its attempts one after the other, and who starts the next. */
export class SimulatedContainer {
  readonly log: ContainerLog;
  readonly #attempts: ContainerAttempt[] = [];
  #phase: ContainerPhase = 'created';
  #table: ProcessTable | undefined;
  #init: SimulatedProcess | undefined;
  #streams: AttachPoint | undefined;
  #termination = new TerminationFile({});
  #root = new FileTree();
  #resources: ContainerResources;
  readonly #logFile: LogFile | undefined;
  #stopping = false;
  #nextStartAtMs: number | undefined;
  #wait = new AbortController();
  #trouble: { reason: string; message: string } | undefined;

  constructor(
    readonly id: string,
    readonly sequence: number,
    readonly sandbox: SimulatedSandbox,
    readonly config: ContainerConfig,
    readonly image: ImageContent,
    readonly plan: ProcessPlan,
    readonly createdAtMs: number,
    private readonly surroundings: ContainerSurroundings,
  ) {
    const { clock, hostFiles } = surroundings;
    this.#logFile = config.logPath === undefined ? undefined : new LogFile(hostFiles, config.logPath);
    this.log = new ContainerLog(
      () => clock.nowMs(),
      (entry) => this.#logFile?.append(entry),
    );
    this.#resources = config.resources;
  }

  get phase(): ContainerPhase {
    return this.#phase;
  }

  /** Number of the present attempt, or of the last one. */
  get presentAttempt(): number {
    return Math.max(0, this.#attempts.length - 1);
  }

  /** The processes of the running container. @throws PodwrightError kind `failed-precondition` */
  get processes(): ProcessTable {
    if (this.#phase !== 'running' || !this.#table) {
      throw new PodwrightError(
        'failed-precondition',
        `Container ${this.config.metadata.name} (${this.id}) is not running: it is ${this.#phase}.`,
      );
    }
    return this.#table;
  }

  /** The standard streams of the running container. @throws PodwrightError kind `failed-precondition` */
  get streams(): AttachPoint {
    if (this.processes.get(1)?.alive && this.#streams) return this.#streams;
    throw new PodwrightError('failed-precondition', `Container ${this.id} is ending.`);
  }

  /** @throws PodwrightError kind `container-start-failed` */
  start(): void {
    try {
      this.#startAttempt();
    } catch (error) {
      if (!PodwrightError.is(error)) throw error;
      const nowMs = this.surroundings.clock.nowMs();
      this.#trouble = { reason: 'StartError', message: error.message };
      this.#attempts.push({
        attempt: this.#attempts.length,
        startedAtMs: nowMs,
        finishedAtMs: nowMs,
        exitCode: 128,
        reason: 'ContainerCannotRun',
        message: error.message,
      });
      this.#endForGood();
      throw error;
    }
  }

  /** Stop signal, then SIGKILL when the time is over; no restart follows. */
  async stop(graceMs: number, signal?: AbortSignal, hurry?: AbortSignal): Promise<void> {
    this.#stopping = true;
    this.#wait.abort();
    if (this.#phase === 'waiting') this.#endForGood();
    const init = this.#init;
    if (this.#phase !== 'running' || !init) return;
    if (graceMs > 0) {
      const number = signalNumber(this.plan.stopSignal);
      if (number !== undefined) init.signal(number);
      const isEnded = this.#endedWithin(init, graceMs, signal);
      await (hurry ? Promise.race([isEnded, fired(hurry)]) : isEnded);
    }
    init.signal(SIGKILL);
    await init.ended;
  }

  /** Goes on in a new file of the log's name, where the old one was renamed. @throws PodwrightError kind `failed-precondition` */
  reopenLog(): void {
    if (!this.#logFile) {
      throw new PodwrightError(
        'failed-precondition',
        `Container ${this.config.metadata.name} (${this.id}) writes no log file: it was created without logPath.`,
      );
    }
    if (this.processes.get(1)?.alive) this.#logFile.open();
  }

  status(): ContainerStatus {
    const { metadata, image, labels, annotations, mounts, logPath } = this.config;
    const { uid, gid, groups } = this.plan.user;
    return {
      id: this.id,
      sandboxId: this.sandbox.id,
      podUid: this.sandbox.config.metadata.uid,
      metadata,
      state: this.#phase,
      createdAtMs: this.createdAtMs,
      image,
      imageId: this.image.id,
      labels,
      annotations,
      mounts,
      resources: this.#resources,
      ...(logPath === undefined ? {} : { logPath }),
      user: { uid, gid, supplementalGroups: [...new Set([gid, ...groups])].sort((a, b) => a - b) },
      attempts: [...this.#attempts],
      ...(this.#nextStartAtMs === undefined ? {} : { nextStartAtMs: this.#nextStartAtMs }),
      ...this.#trouble,
    };
  }

  /** What it uses; undefined when it does not run. */
  stats(detail: boolean): ContainerStats | undefined {
    const startedAtMs = this.#attempts.at(-1)?.startedAtMs;
    if (this.#phase !== 'running' || !this.#table || startedAtMs === undefined) return undefined;
    const [now, image] = [sizeOf(this.#root.root), sizeOf(this.image.root)];
    return simulatedStats({
      ...{ id: this.id, name: this.config.metadata.name, sandbox: this.sandbox },
      nowMs: this.surroundings.clock.nowMs(),
      startedAtMs,
      processes: this.#table.list().length,
      resources: this.#resources,
      detail,
      writableLayer: {
        mountpoint: `/var/lib/podwright/containers/${this.id}`,
        usedBytes: Math.max(0, now.usedBytes - image.usedBytes),
        inodesUsed: Math.max(0, now.inodesUsed - image.inodesUsed),
      },
    });
  }

  /** @throws PodwrightError kind `invalid-argument`, `failed-precondition` */
  updateResources(change: ContainerResources): void {
    const { name } = this.config.metadata;
    const processes = this.#table?.list().length ?? 0;
    const after = changedLimits(name, this.#resources, change, processes);
    if (this.#phase === 'exited') {
      throw new PodwrightError(
        'failed-precondition',
        `The limits of container "${name}" cannot be changed: it has ended. Make a new one with other limits.`,
      );
    }
    this.#resources = after;
  }

  matches(filter: ContainerFilter): boolean {
    if (filter.state !== undefined && filter.state !== this.#phase) return false;
    return isWanted(this.status(), filter);
  }

  #startAttempt(): void {
    const { clock, emit } = this.surroundings;
    const table = new ProcessTable({
      clock,
      files: this.#files(),
      network: this.sandbox.network,
      hostname: this.sandbox.hostname,
      programs: this.surroundings.programs,
    });
    const { argv, env, cwd, user } = this.plan;
    const program = table.findProgram(argv[0] ?? '', env);
    if (!program) {
      throw new PodwrightError(
        'container-start-failed',
        `Container ${this.config.metadata.name} cannot start: there is no program "${argv[0]}" in the simulation. ` +
          'Use one of the standard programs, or give it in the option "programs".',
        { details: { command: argv } },
      );
    }
    this.#openLogFile();
    const attempt = this.#attempts.length;
    this.#table = table;
    const streams = new AttachPoint(this.config, (stream) => this.log.sink(attempt, stream), clock);
    this.#streams = streams;
    const { stdin, stdout, stderr, terminal } = streams;
    const terminalSpec = terminal ? { terminal } : {};
    this.#init = table.spawn(program, { argv, env, cwd, user, stdin, stdout, stderr, ...terminalSpec });
    this.#phase = 'running';
    this.#nextStartAtMs = undefined;
    this.#trouble = undefined;
    this.#attempts.push({ attempt, startedAtMs: clock.nowMs() });
    emit({ ...this.#eventHead(), type: 'container-started', containerId: this.id, attempt });
    void this.#init.ended.then((exit) => {
      this.#attemptEnded(exit);
      streams.end(exit);
    });
  }

  #attemptEnded(exit: ProcessExit): void {
    const { clock, emit } = this.surroundings;
    const running = this.#attempts.at(-1);
    if (!running) return;
    const message = this.#termination.message(this.log.entries, running.attempt, exit.exitCode);
    const ended = endedAttempt(running, exit, clock.nowMs(), message);
    this.#attempts[this.#attempts.length - 1] = ended;
    const delayMs = this.#stopping ? undefined : this.surroundings.restartDelay(this.#attempts);
    if (delayMs === undefined) this.#endForGood();
    else this.#waitForNext(delayMs);
    emit({
      ...this.#eventHead(),
      type: 'container-exited',
      containerId: this.id,
      attempt: ended,
      ...(delayMs === undefined ? {} : { restartInMs: delayMs }),
    });
  }

  #waitForNext(delayMs: number): void {
    this.#phase = 'waiting';
    this.#nextStartAtMs = this.surroundings.clock.nowMs() + delayMs;
    this.#trouble = {
      reason: 'CrashLoopBackOff',
      message: `It starts again ${delayMs} ms after attempt ${this.presentAttempt} ended.`,
    };
    this.#wait = new AbortController();
    this.surroundings.clock.sleep(delayMs, this.#wait.signal).then(
      () => this.#restart(),
      () => undefined,
    );
  }

  #restart(): void {
    try {
      this.start();
    } catch (error) {
      // It stays ended with what `start` has recorded; whoever asks for its status reads it there.
      if (!PodwrightError.is(error)) throw error;
    }
  }

  #endForGood(): void {
    this.#phase = 'exited';
    this.#nextStartAtMs = undefined;
    if (this.#trouble?.reason === 'CrashLoopBackOff') this.#trouble = undefined;
    this.log.close();
  }

  async #endedWithin(init: SimulatedProcess, graceMs: number, signal?: AbortSignal): Promise<void> {
    const done = new AbortController();
    const limit = signal ? AbortSignal.any([signal, done.signal]) : done.signal;
    try {
      await Promise.race([init.ended, this.surroundings.clock.sleep(graceMs, limit)]);
    } finally {
      done.abort();
    }
  }

  #files(): ContainerFiles {
    const root = new FileTree();
    this.#root = root;
    root.copyFrom(this.image.root);
    for (const [path, text] of Object.entries(this.surroundings.sandboxFiles)) root.writeFile(path, text);
    root.makeDirectory(this.plan.cwd);
    this.#termination = new TerminationFile(this.config);
    return new ContainerFiles(root, this.config.security.readOnlyRootFilesystem ?? false, [
      ...containerMounts(this.config, this.image, this.surroundings.hostFiles),
      ...this.#termination.mounts(this.config.mounts),
    ]);
  }

  #openLogFile(): void {
    try {
      this.#logFile?.open();
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      throw new PodwrightError(
        'container-start-failed',
        `Container ${this.config.metadata.name} cannot start: its log file cannot be made: ${error.message}.`,
      );
    }
  }

  #eventHead() {
    return {
      timestampMs: this.surroundings.clock.nowMs(),
      sandboxId: this.sandbox.id,
      podUid: this.sandbox.config.metadata.uid,
    };
  }
}
