import { BrokenPipeError, BytePipe, emptySource } from '../machine/byte-pipe.js';
import { FileError } from '../machine/file-tree.js';
import { openForReading, openForWriting } from '../machine/open-file.js';
import {
  ProcessEnded,
  type ProcessExit,
  type ProgramContext,
  type SimulatedProcess,
  type ProgramStreams as Streams,
} from '../machine/simulated-process.js';
import { builtins } from './builtins.js';
import { type ExpansionSource, expandToText, expandToWords } from './expansion.js';
import { parseScript } from './parser.js';
import {
  type AndOr,
  type Command,
  type List,
  type Pipeline,
  type Redirection,
  ShellSyntaxError,
} from './syntax.js';

/** `exit`, with the code. */
export class ShellExit {
  constructor(readonly code: number) {}
}

/** `break` and `continue`. */
export class LoopControl {
  constructor(readonly kind: 'break' | 'continue') {}
}

const YIELD_EVERY = 200;

/** One shell: its variables, traps and children, and how it runs what the parser has read. */
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

  async runList(list: List, streams: Streams): Promise<void> {
    for (const item of list) {
      await this.#step(streams);
      if (item.background) this.#startInBackground(item, streams);
      else await this.#andOr(item, streams);
    }
    await this.#step(streams);
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
    const child = this.#fork({ stdin, stdout: pipe, stderr }, list);
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

  async #andOr(item: AndOr, streams: Streams): Promise<void> {
    await this.#pipeline(item.first, streams);
    for (const { operator, pipeline } of item.rest) {
      if ((this.lastStatus === 0) === (operator === '&&')) await this.#pipeline(pipeline, streams);
    }
  }

  async #pipeline(pipeline: Pipeline, streams: Streams): Promise<void> {
    const [only] = pipeline.commands;
    if (pipeline.commands.length === 1 && only) this.lastStatus = await this.#command(only, streams);
    else {
      let stdin = streams.stdin;
      const children = pipeline.commands.map((command, index) => {
        const isLast = index === pipeline.commands.length - 1;
        const pipe = new BytePipe();
        const source = stdin;
        const child = this.#fork(
          { stdin: source, stdout: isLast ? streams.stdout : pipe, stderr: streams.stderr },
          [commandAlone(command)],
        );
        stdin = pipe;
        void child.ended.then(() => {
          if (source instanceof BytePipe && source !== streams.stdin) source.closeReader();
          pipe.end();
        });
        return child;
      });
      const exits = await this.process.until(Promise.all(children.map((child) => child.ended)));
      this.lastStatus = exits.at(-1)?.exitCode ?? 0;
    }
    if (pipeline.negated) this.lastStatus = this.lastStatus === 0 ? 1 : 0;
  }

  async #command(command: Command, outer: Streams): Promise<number> {
    let streams: Streams;
    try {
      streams = await this.#redirected(command.redirections, outer);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      await outer.stderr.write(Buffer.from(`${this.name}: can't open ${error.message}\n`));
      return 1;
    }
    switch (command.kind) {
      case 'simple':
        return this.#simple(command, streams);
      case 'if':
        return this.#if(command, streams);
      case 'loop':
        return this.#loop(command, streams);
      case 'for':
        return this.#for(command, streams);
      case 'group': {
        if (!command.subshell) {
          await this.runList(command.body, streams);
          return this.lastStatus;
        }
        const child = this.#fork(streams, command.body);
        return (await this.process.until(child.ended)).exitCode;
      }
    }
  }

  async #simple(command: Command & { kind: 'simple' }, streams: Streams): Promise<number> {
    const argv: string[] = [];
    for (const word of command.words) argv.push(...(await expandToWords(word, this)));
    const assigned: [string, string][] = [];
    for (const { name, value } of command.assignments) assigned.push([name, await expandToText(value, this)]);
    const [name] = argv;
    if (name === undefined) {
      for (const [variable, value] of assigned) this.variables.set(variable, value);
      return assigned.length > 0 ? 0 : this.lastStatus;
    }
    const builtin = builtins.get(name);
    if (builtin) {
      try {
        return await this.process.until(builtin(this, argv.slice(1), streams));
      } catch (error) {
        // A builtin that writes to a closed pipe is told so by EPIPE; the shell itself goes on.
        if (error instanceof BrokenPipeError) return 1;
        throw error;
      }
    }
    const env = this.environment(assigned);
    const program = this.process.table.findProgram(name, env);
    if (!program) {
      await streams.stderr.write(Buffer.from(`${this.name}: ${name}: not found\n`));
      return 127;
    }
    const child = this.process.table.spawn(program, this.#spec(argv, env, streams));
    return (await this.process.until(child.ended)).exitCode;
  }

  /** What a command of this shell finds in its environment. */
  environment(added: readonly (readonly [string, string])[] = []): Map<string, string> {
    const env = new Map([...this.variables].filter(([name]) => this.exported.has(name)));
    for (const [name, value] of added) env.set(name, value);
    return env;
  }

  async #if(command: Command & { kind: 'if' }, streams: Streams): Promise<number> {
    for (const { condition, body } of command.branches) {
      await this.runList(condition, streams);
      if (this.lastStatus !== 0) continue;
      await this.runList(body, streams);
      return this.lastStatus;
    }
    this.lastStatus = 0;
    if (command.otherwise) await this.runList(command.otherwise, streams);
    return this.lastStatus;
  }

  async #loop(command: Command & { kind: 'loop' }, streams: Streams): Promise<number> {
    let status = 0;
    for (;;) {
      await this.runList(command.condition, streams);
      if ((this.lastStatus === 0) === command.until) return status;
      if ((await this.#loopBody(command.body, streams)) === 'break') return 0;
      status = this.lastStatus;
    }
  }

  async #for(command: Command & { kind: 'for' }, streams: Streams): Promise<number> {
    const values: string[] = [];
    for (const word of command.words) values.push(...(await expandToWords(word, this)));
    for (const value of values) {
      this.variables.set(command.name, value);
      if ((await this.#loopBody(command.body, streams)) === 'break') return 0;
    }
    return this.lastStatus;
  }

  async #loopBody(body: List, streams: Streams): Promise<'break' | 'continue'> {
    try {
      await this.runList(body, streams);
      return 'continue';
    } catch (error) {
      if (error instanceof LoopControl) return error.kind;
      throw error;
    }
  }

  async #redirected(redirections: readonly Redirection[], outer: Streams): Promise<Streams> {
    let { stdin, stdout, stderr } = outer;
    for (const { fd, kind, target } of redirections) {
      const text = await expandToText(target, this);
      const { process, cwd } = this;
      if (kind === 'read') stdin = openForReading(process, text, cwd, { stdin, stdout, stderr });
      else if (kind === 'duplicate') {
        const sink = text === '1' ? stdout : text === '2' ? stderr : undefined;
        if (fd === 1 && sink) stdout = sink;
        else if (fd === 2 && sink) stderr = sink;
        else if (!(fd === 0 && text === '0')) throw new ShellSyntaxError(`bad fd: ${text}`);
      } else {
        const sink = openForWriting(process, text, cwd, kind === 'append', { stdin, stdout, stderr });
        if (fd === 2) stderr = sink;
        else stdout = sink;
      }
    }
    return { stdin, stdout, stderr };
  }

  #startInBackground(item: AndOr, streams: Streams): void {
    const foreground = { ...item, background: false };
    // POSIX: a background command of a shell without job control reads /dev/null and ignores SIGINT and SIGQUIT.
    const child = this.#fork({ ...streams, stdin: emptySource }, [foreground]);
    child.handlers.set(2, 'ignore').set(3, 'ignore');
    this.lastBackground = child.pid;
    this.lastStatus = 0;
    this.children.set(child.pid, child.ended);
  }

  #fork(streams: Streams, list: List): SimulatedProcess {
    return this.process.table.spawn(
      (context) => {
        const shell = new Shell(context, this.name, this.positional, this);
        return shell.#toEnd(() => shell.runList(list, context));
      },
      this.#spec(this.process.spec.argv, this.environment(), streams),
    );
  }

  #spec(argv: readonly string[], env: ReadonlyMap<string, string>, streams: Streams) {
    const { user, terminal } = this.process.spec;
    const shared = terminal ? { terminal } : {};
    return { argv, env, cwd: this.cwd, user, parentPid: this.process.pid, ...streams, ...shared };
  }

  /** Between two commands: runs the traps of signals that have arrived, and lets others run now and then. */
  async #step(streams: Streams): Promise<void> {
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

function commandAlone(command: Command): AndOr {
  return { first: { negated: false, commands: [command] }, rest: [], background: false };
}
