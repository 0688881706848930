import { BytePipe, emptySource } from '../machine/byte-pipe.js';
import {
  ProcessEnded,
  type ProcessExit,
  type ProgramContext,
  type SimulatedProcess,
  type ProgramStreams as Streams,
} from '../machine/simulated-process.js';
import { CommandRunner } from './command-runner.js';
import { ShellExit } from './control-flow.js';
import type { ExpansionSource } from './expansion.js';
import { parseScript } from './parser.js';
import { type AndOr, type List, ShellSyntaxError } from './syntax.js';

const YIELD_EVERY = 200;

/** One shell: its variables, traps and children. */
export class Shell implements ExpansionSource {
  readonly variables: Map<string, string>;
  readonly exported: Set<string>;
  readonly traps = new Map<number, string>();
  readonly children = new Map<number, Promise<ProcessExit>>();
  positional: readonly string[];
  cwd: string;
  lastStatus = 0;
  lastBackground: number | undefined;
  #pendingTraps: number[] = [];
  #onSignal: ((signal: number) => void)[] = [];
  #steps = 0;
  readonly #runner = new CommandRunner(this);

  /**
   * @param context the process that is this shell, and its streams
   * @param name what it calls itself in messages
   * @param parent the shell of which it is a subshell
   */
  constructor(
    readonly context: ProgramContext,
    readonly name: string,
    args: readonly string[],
    parent?: Shell,
  ) {
    this.positional = args;
    this.variables = new Map(parent ? parent.variables : context.env);
    this.exported = new Set(parent ? parent.exported : context.env.keys());
    this.cwd = context.cwd;
    this.lastStatus = parent ? parent.lastStatus : 0;
  }

  get process(): SimulatedProcess {
    return this.context.process;
  }

  /** Runs a script to its end. @returns the exit code */
  runScript(script: string): Promise<number> {
    return this.#toEnd(() => this.runList(parseScript(script), this.context));
  }

  /** Runs commands from standard input, each as soon as it is read whole. @returns the exit code */
  runInput(): Promise<number> {
    return this.#toEnd(async () => {
      let text = '';
      for (;;) {
        const line = await this.process.until(this.context.stdin.readLine());
        text += line?.toString('utf8') ?? '';
        const list = parsedOrIncomplete(text, line === undefined);
        if (list) {
          text = '';
          await this.runList(list, this.context);
        }
        if (!line) return;
      }
    });
  }

  async #toEnd(body: () => Promise<void>): Promise<number> {
    try {
      await body();
      return await this.#leave(this.lastStatus);
    } catch (error) {
      if (error instanceof ShellExit) return this.#leave(error.code);
      if (!(error instanceof ShellSyntaxError)) throw error;
      await this.context.stderr.write(Buffer.from(`${this.name}: syntax error: ${error.message}\n`));
      return 2;
    }
  }

  /** Registers the trap of a signal; signal 0 is the exit of the shell. `undefined` takes it back. */
  setTrap(signal: number, action: string | undefined): void {
    if (action === undefined) {
      this.traps.delete(signal);
      this.process.handlers.delete(signal);
    } else {
      this.traps.set(signal, action);
      if (signal === 0) return;
      this.process.handlers.set(
        signal,
        action === ''
          ? 'ignore'
          : () => {
              this.#pendingTraps.push(signal);
              for (const wake of this.#onSignal.splice(0)) wake(signal);
            },
      );
    }
  }

  /** Resolves to the number of a trapped signal when one has arrived. */
  nextSignal(): Promise<number> {
    const [pending] = this.#pendingTraps;
    if (pending !== undefined) return Promise.resolve(pending);
    return new Promise((resolve) => this.#onSignal.push(resolve));
  }

  runList(list: List, streams: Streams): Promise<void> {
    return this.#runner.runList(list, streams);
  }

  lookUp(name: string): string | undefined {
    if (name === '?') return String(this.lastStatus);
    if (name === '$') return String(this.process.pid);
    if (name === '!') return this.lastBackground === undefined ? '' : String(this.lastBackground);
    if (name === '#') return String(this.positional.length);
    if (name === '0') return this.name;
    if (/^[0-9]$/.test(name)) return this.positional[Number(name) - 1];
    return this.variables.get(name);
  }

  async outputOf(list: List): Promise<string> {
    const pipe = new BytePipe();
    const { stdin, stderr } = this.context;
    const child = this.fork({ stdin, stdout: pipe, stderr }, list);
    void child.ended.then(() => pipe.end());
    const output: Buffer[] = [];
    for (;;) {
      const data = await this.process.until(pipe.read());
      if (!data) break;
      output.push(data);
    }
    this.lastStatus = (await child.ended).exitCode;
    return Buffer.concat(output).toString('utf8').replace(/\n+$/, '');
  }

  /** What a command of this shell finds in its environment. */
  environment(added: readonly (readonly [string, string])[] = []): Map<string, string> {
    const env = new Map([...this.variables].filter(([name]) => this.exported.has(name)));
    for (const [name, value] of added) env.set(name, value);
    return env;
  }

  startInBackground(item: AndOr, streams: Streams): void {
    const foreground = { ...item, background: false };
    // POSIX: a background command of a shell without job control reads /dev/null and ignores SIGINT and SIGQUIT.
    const child = this.fork({ ...streams, stdin: emptySource }, [foreground]);
    child.handlers.set(2, 'ignore').set(3, 'ignore');
    this.lastBackground = child.pid;
    this.lastStatus = 0;
    this.children.set(child.pid, child.ended);
  }

  /** Starts a subshell that runs a list. */
  fork(streams: Streams, list: List): SimulatedProcess {
    return this.process.table.spawn(
      (context) => {
        const shell = new Shell(context, this.name, this.positional, this);
        return shell.#toEnd(() => shell.runList(list, context));
      },
      this.childSpec(this.process.spec.argv, this.environment(), streams),
    );
  }

  /** What a child of this shell is started with. */
  childSpec(argv: readonly string[], env: ReadonlyMap<string, string>, streams: Streams) {
    const { user, terminal } = this.process.spec;
    const shared = terminal ? { terminal } : {};
    return { argv, env, cwd: this.cwd, user, parentPid: this.process.pid, ...streams, ...shared };
  }

  /** Between two commands: runs the traps of signals that have arrived, and lets others run now and then. */
  async betweenCommands(streams: Streams): Promise<void> {
    if (!this.process.alive) throw new ProcessEnded();
    if (++this.#steps % YIELD_EVERY === 0) await this.process.yieldTurn();
    for (let signal = this.#pendingTraps.shift(); signal !== undefined; signal = this.#pendingTraps.shift()) {
      const status = this.lastStatus;
      await this.runList(parseScript(this.traps.get(signal) ?? ''), streams);
      this.lastStatus = status;
    }
  }

  async #leave(code: number): Promise<number> {
    const action = this.traps.get(0);
    this.traps.delete(0);
    if (action === undefined) return code;
    this.lastStatus = code;
    try {
      await this.runList(parseScript(action), this.context);
      return code;
    } catch (error) {
      if (error instanceof ShellExit) return error.code;
      throw error;
    }
  }
}

/** What was read so far, or undefined when more lines may make it whole. @throws ShellSyntaxError at the end of the input */
function parsedOrIncomplete(text: string, atEnd: boolean): List | undefined {
  try {
    return parseScript(text);
  } catch (error) {
    if (atEnd || !(error instanceof ShellSyntaxError)) throw error;
    return undefined;
  }
}
