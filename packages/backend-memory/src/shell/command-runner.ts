import { BrokenPipeError, BytePipe } from '../machine/byte-pipe.js';
import { FileError } from '../machine/file-tree.js';
import { openForReading, openForWriting } from '../machine/open-file.js';
import type { ProgramStreams as Streams } from '../machine/simulated-process.js';
import { builtins } from './builtins.js';
import { LoopControl } from './control-flow.js';
import { expandToText, expandToWords } from './expansion.js';
import type { Shell } from './shell.js';
import {
  type AndOr,
  type Command,
  type List,
  type Pipeline,
  type Redirection,
  ShellSyntaxError,
} from './syntax.js';

/** Runs what the parser has read, in a shell that keeps variables, traps and children. */
export class CommandRunner {
  constructor(private readonly shell: Shell) {}

  async runList(list: List, streams: Streams): Promise<void> {
    for (const item of list) {
      await this.shell.betweenCommands(streams);
      if (item.background) this.shell.startInBackground(item, streams);
      else await this.#andOr(item, streams);
    }
    await this.shell.betweenCommands(streams);
  }

  async #andOr(item: AndOr, streams: Streams): Promise<void> {
    await this.#pipeline(item.first, streams);
    for (const { operator, pipeline } of item.rest) {
      if ((this.shell.lastStatus === 0) === (operator === '&&')) await this.#pipeline(pipeline, streams);
    }
  }

  async #pipeline(pipeline: Pipeline, streams: Streams): Promise<void> {
    const [only] = pipeline.commands;
    if (pipeline.commands.length === 1 && only) this.shell.lastStatus = await this.#command(only, streams);
    else {
      let stdin = streams.stdin;
      const children = pipeline.commands.map((command, index) => {
        const isLast = index === pipeline.commands.length - 1;
        const pipe = new BytePipe();
        const source = stdin;
        const child = this.shell.fork(
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
      const exits = await this.shell.process.until(Promise.all(children.map((child) => child.ended)));
      this.shell.lastStatus = exits.at(-1)?.exitCode ?? 0;
    }
    if (pipeline.negated) this.shell.lastStatus = this.shell.lastStatus === 0 ? 1 : 0;
  }

  async #command(command: Command, outer: Streams): Promise<number> {
    let streams: Streams;
    try {
      streams = await this.#redirected(command.redirections, outer);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      await outer.stderr.write(Buffer.from(`${this.shell.name}: can't open ${error.message}\n`));
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
          return this.shell.lastStatus;
        }
        const child = this.shell.fork(streams, command.body);
        return (await this.shell.process.until(child.ended)).exitCode;
      }
    }
  }

  async #simple(command: Command & { kind: 'simple' }, streams: Streams): Promise<number> {
    const argv: string[] = [];
    for (const word of command.words) argv.push(...(await expandToWords(word, this.shell)));
    const assigned: [string, string][] = [];
    for (const { name, value } of command.assignments)
      assigned.push([name, await expandToText(value, this.shell)]);
    const [name] = argv;
    if (name === undefined) {
      for (const [variable, value] of assigned) this.shell.variables.set(variable, value);
      return assigned.length > 0 ? 0 : this.shell.lastStatus;
    }
    const builtin = builtins.get(name);
    if (builtin) {
      try {
        return await this.shell.process.until(builtin(this.shell, argv.slice(1), streams));
      } catch (error) {
        // A builtin that writes to a closed pipe is told so by EPIPE; the shell itself goes on.
        if (error instanceof BrokenPipeError) return 1;
        throw error;
      }
    }
    const env = this.shell.environment(assigned);
    const program = this.shell.process.table.findProgram(name, env);
    if (!program) {
      await streams.stderr.write(Buffer.from(`${this.shell.name}: ${name}: not found\n`));
      return 127;
    }
    const child = this.shell.process.table.spawn(program, this.shell.childSpec(argv, env, streams));
    return (await this.shell.process.until(child.ended)).exitCode;
  }

  async #if(command: Command & { kind: 'if' }, streams: Streams): Promise<number> {
    for (const { condition, body } of command.branches) {
      await this.runList(condition, streams);
      if (this.shell.lastStatus !== 0) continue;
      await this.runList(body, streams);
      return this.shell.lastStatus;
    }
    this.shell.lastStatus = 0;
    if (command.otherwise) await this.runList(command.otherwise, streams);
    return this.shell.lastStatus;
  }

  async #loop(command: Command & { kind: 'loop' }, streams: Streams): Promise<number> {
    let status = 0;
    for (;;) {
      await this.runList(command.condition, streams);
      if ((this.shell.lastStatus === 0) === command.until) return status;
      if ((await this.#loopBody(command.body, streams)) === 'break') return 0;
      status = this.shell.lastStatus;
    }
  }

  async #for(command: Command & { kind: 'for' }, streams: Streams): Promise<number> {
    const values: string[] = [];
    for (const word of command.words) values.push(...(await expandToWords(word, this.shell)));
    for (const value of values) {
      this.shell.variables.set(command.name, value);
      if ((await this.#loopBody(command.body, streams)) === 'break') return 0;
    }
    return this.shell.lastStatus;
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
      const text = await expandToText(target, this.shell);
      const { process, cwd } = this.shell;
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
}

function commandAlone(command: Command): AndOr {
  return { first: { negated: false, commands: [command] }, rest: [], background: false };
}
