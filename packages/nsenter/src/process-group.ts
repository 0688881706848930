import { constants } from 'node:os';
import { PassThrough, pipeline, type Readable, type Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';

/** Time between SIGTERM and SIGKILL, in milliseconds. */
export const KILL_DELAY_MS = 2000;

export interface ProcessExit {
  /** 128 + n when signal n ended it. */
  readonly exitCode: number;
  readonly signal?: NodeJS.Signals;
}

export interface SpawnRequest {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** `null`: the command reads end of file at once. */
  readonly stdin: 'pipe' | null;
}

/** Groups that live; what is left of them ends with this process, as nobody would read their output any more. */
const living = new Set<ProcessGroup>();
let hooked = false;

/**
 * A command in a session and process group of its own, so that whatever it started can be ended with it and a
 * terminal's Ctrl-C reaches the agent only.
 */
export class ProcessGroup {
  readonly exited: Promise<ProcessExit>;
  #ended = false;
  #killing = false;

  private constructor(
    readonly pid: number,
    readonly stdin: Writable | undefined,
    readonly stdout: Readable,
    readonly stderr: Readable,
    onExit: (listener: (exit: ProcessExit) => void) => void,
  ) {
    this.exited = new Promise((resolve) => {
      onExit((exit) => {
        // What ignored the first signal is ended now: while members live, the kernel gives the group's number to
        // nobody else, later it might.
        if (this.#killing) this.kill('SIGKILL');
        this.#ended = true;
        living.delete(this);
        resolve(exit);
      });
    });
    living.add(this);
  }

  /**
   * Executes a command.
   * @throws the system's error (`code` such as `ENOENT`, `EACCES`) when it cannot be executed
   */
  static async spawn(request: SpawnRequest): Promise<ProcessGroup> {
    const child = execa(request.file, request.args, {
      buffer: false,
      detached: true,
      reject: false,
      stdin: request.stdin === 'pipe' ? 'pipe' : 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      stripFinalNewline: false,
      env: request.env,
      ...(request.cwd === undefined ? {} : { cwd: request.cwd }),
    });
    if (child.pid === undefined) {
      const result = await child;
      throw result.cause ?? new Error(result.shortMessage ?? `${request.file} cannot be executed`);
    }
    // Its own promise waits for the streams, which a left-behind child may hold open; the exit is awaited instead.
    void child.then(undefined, () => undefined);
    if (!hooked) {
      hooked = true;
      process.once('exit', () => {
        for (const group of living) group.kill('SIGTERM');
      });
    }
    // Through a stream of our own: execa throws away what nobody reads within a turn of the event loop.
    const throughPass = (source: Readable): Readable => {
      const pass = new PassThrough();
      pipeline(source, pass, () => undefined);
      return pass;
    };
    const stdin = child.stdin ?? undefined;
    return new ProcessGroup(
      child.pid,
      stdin,
      throughPass(child.stdout),
      throughPass(child.stderr),
      (listener) => {
        child.once('exit', (code, signal) =>
          listener(
            signal === null ? { exitCode: code ?? 0 } : { exitCode: 128 + constants.signals[signal], signal },
          ),
        );
      },
    );
  }

  /** Signals the whole group; nothing when it has ended. */
  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    if (this.#ended) return;
    try {
      process.kill(-this.pid, signal);
    } catch {
      // ESRCH: all of it ended in this very moment.
    }
  }

  /**
   * SIGTERM, SIGKILL after two seconds. Resolves when its first process has ended, or false when it cannot be ended
   * (it hangs in the kernel, for example in a dead network file system).
   */
  async end(): Promise<boolean> {
    this.#killing = true;
    this.kill('SIGTERM');
    if (await this.#endsWithin(KILL_DELAY_MS)) return true;
    this.kill('SIGKILL');
    return this.#endsWithin(KILL_DELAY_MS);
  }

  async #endsWithin(delayMs: number): Promise<boolean> {
    const timer = new AbortController();
    const late = sleep(delayMs, false, { signal: timer.signal }).catch(() => false);
    const inTime = await Promise.race([this.exited.then(() => true), late]);
    timer.abort();
    return inTime;
  }
}
