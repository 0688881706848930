import { PodwrightError } from '@podwright/core';
import { BrokenPipeError, type ByteSink, type ByteSource } from './byte-pipe.js';
import type { ProcessTable } from './process-table.js';
import { endsByDefault, SIGKILL, SIGPIPE } from './signals.js';
import type { Terminal } from './terminal.js';

/** What a program is given. */
export interface ProgramContext extends ProgramStreams {
  /** The command with its arguments; the first word is the program's name as it was called. */
  readonly argv: readonly string[];
  readonly env: ReadonlyMap<string, string>;
  readonly cwd: string;
  readonly process: SimulatedProcess;
}

export interface ProgramStreams {
  readonly stdin: ByteSource;
  readonly stdout: ByteSink;
  readonly stderr: ByteSink;
}

/** What a simulated program does; resolves to its exit code, 0 to 255. */
export type Program = (context: ProgramContext) => Promise<number>;

export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups, without `gid`. */
  readonly groups: readonly number[];
}

export interface ProcessSpec extends Omit<ProgramContext, 'process'> {
  readonly user: ProcessUser;
  readonly terminal?: Terminal;
  /** The process that starts it; it is killed with it when `killTree` is called. */
  readonly parentPid?: number;
}

export interface ProcessExit {
  /** 0 to 255; 128 + n when signal n ended it. */
  readonly exitCode: number;
  readonly signal?: number;
}

/** Thrown at every step of a program whose process was ended from outside. */
export class ProcessEnded extends Error {
  constructor() {
    super('The process was ended.');
  }
}

const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A process of the simulation: a program with its arguments, streams and signal handlers. */
export class SimulatedProcess {
  readonly ended: Promise<ProcessExit>;
  /** `'ignore'`, or what to do; without an entry the signal's default is done. */
  readonly handlers = new Map<number, 'ignore' | (() => void)>();
  readonly #killed = new AbortController();
  #settle: (exit: ProcessExit) => void = () => undefined;
  #exit: ProcessExit | undefined;

  constructor(
    readonly pid: number,
    readonly spec: ProcessSpec,
    readonly table: ProcessTable,
  ) {
    this.ended = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  run(program: Program): void {
    void Promise.resolve()
      .then(() => program({ ...this.spec, process: this }))
      .then(
        (exitCode) => this.#end({ exitCode: exitCode & 0xff }),
        (error: unknown) => this.#fail(error),
      );
  }

  get alive(): boolean {
    return this.#exit === undefined;
  }

  /** Waits for something as a process does: no longer than it lives. @throws ProcessEnded */
  until<T>(promise: Promise<T>): Promise<T> {
    if (!this.alive) {
      // Nobody hears of what a dead process waits for, nor of its failure.
      promise.catch(() => undefined);
      return Promise.reject(new ProcessEnded());
    }
    return new Promise((resolve, reject) => {
      const onKill = () => reject(new ProcessEnded());
      this.#killed.signal.addEventListener('abort', onKill, { once: true });
      promise
        .then(resolve, reject)
        .finally(() => this.#killed.signal.removeEventListener('abort', onKill))
        .catch(() => undefined);
    });
  }

  /** Sleeps by the clock of the simulation, in milliseconds; `Infinity` sleeps until it is killed. */
  async sleep(delayMs: number): Promise<void> {
    let left = delayMs;
    do {
      const step = Math.min(left, LONGEST_TIMER_MS);
      await this.until(this.table.surroundings.clock.sleep(step, this.#killed.signal));
      left -= step;
    } while (left > 0);
  }

  /** Lets other processes run, so that a program that never waits does not stop the agent. */
  yieldTurn(): Promise<void> {
    return this.until(new Promise((resolve) => setImmediate(resolve)));
  }

  /**
   * Sends a signal. The first process of a container is deaf to signals that it does not handle, save SIGKILL from
   * outside (pid_namespaces(7)).
   */
  signal(signal: number): void {
    if (!this.alive) return;
    if (signal === SIGKILL) {
      this.#end({ exitCode: 128 + signal, signal });
      return;
    }
    const handler = this.handlers.get(signal);
    if (handler === 'ignore') return;
    if (handler) handler();
    else if (this.pid !== 1 && endsByDefault(signal)) this.#end({ exitCode: 128 + signal, signal });
  }

  /** Kills this process and all that descend from it. */
  killTree(): void {
    const children = this.table.list().filter((process) => process.spec.parentPid === this.pid);
    this.signal(SIGKILL);
    for (const child of children) child.killTree();
  }

  #fail(error: unknown): void {
    if (error instanceof BrokenPipeError) this.#end({ exitCode: 128 + SIGPIPE, signal: SIGPIPE });
    else if (!(error instanceof ProcessEnded) && !PodwrightError.is(error, 'cancelled')) {
      // A program that throws has crashed: it says so where a crash would be read, and ends like one.
      void this.spec.stderr.write(Buffer.from(`${String(error)}\n`)).catch(() => undefined);
      this.#end({ exitCode: 1 });
    }
  }

  #end(exit: ProcessExit): void {
    if (this.#exit) return;
    this.#exit = exit;
    this.#killed.abort();
    this.#settle(exit);
  }
}
