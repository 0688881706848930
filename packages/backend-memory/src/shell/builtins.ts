import { absolutePath } from '../machine/file-tree.js';
import { signalNumber } from '../machine/signals.js';
import type { ProgramStreams as Streams } from '../machine/simulated-process.js';
import { basicPrograms } from '../programs/basic-programs.js';
import { LoopControl, ShellExit } from './control-flow.js';
import { parseScript } from './parser.js';
import type { Shell } from './shell.js';

export type Builtin = (shell: Shell, args: readonly string[], streams: Streams) => Promise<number>;

/** Commands of the shell itself, which need no process. */
export const builtins: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  [':', async () => 0],
  ['true', async () => 0],
  ['false', async () => 1],
  [
    'exit',
    async (shell, [code]) =>
      Promise.reject(new ShellExit(code === undefined ? shell.lastStatus : Number(code) & 0xff)),
  ],
  ['break', async () => Promise.reject(new LoopControl('break'))],
  ['continue', async () => Promise.reject(new LoopControl('continue'))],
  ['cd', changeDirectory],
  ['pwd', async (shell, _args, streams) => say(streams, `${shell.cwd}\n`)],
  ['export', exportVariables],
  ['unset', unset],
  ['shift', shift],
  [
    'eval',
    async (shell, args, streams) => {
      await shell.runList(parseScript(args.join(' ')), streams);
      return shell.lastStatus;
    },
  ],
  ['trap', trap],
  ['wait', wait],
  ['kill', kill],
  ['read', read],
  ['exec', exec],
  ['umask', async (_shell, _args, streams) => say(streams, '0022\n')],
  ...['echo', 'printf', 'test', '['].map((name): [string, Builtin] => [name, inShell(name)]),
]);

/** Runs a program of the simulation in the shell's own process, as busybox does with its smallest applets. */
function inShell(name: string): Builtin {
  return async (shell, args, streams) => {
    const program = basicPrograms.get(name);
    if (!program) return 127;
    return program({
      argv: [name, ...args],
      ...streams,
      cwd: shell.cwd,
      env: shell.environment(),
      process: shell.process,
    });
  };
}

async function say(streams: Streams, text: string): Promise<number> {
  await streams.stdout.write(Buffer.from(text));
  return 0;
}

async function complain(streams: Streams, text: string, code = 1): Promise<number> {
  await streams.stderr.write(Buffer.from(`sh: ${text}\n`));
  return code;
}

async function changeDirectory(shell: Shell, [to]: readonly string[], streams: Streams): Promise<number> {
  const path = absolutePath(to ?? shell.lookUp('HOME') ?? '/', shell.cwd);
  if (shell.process.table.surroundings.files.find(path)?.kind !== 'directory') {
    return complain(streams, `cd: can't cd to ${to}: No such file or directory`, 2);
  }
  shell.cwd = path;
  return 0;
}

async function exportVariables(shell: Shell, args: readonly string[]): Promise<number> {
  for (const arg of args) {
    const equals = arg.indexOf('=');
    const name = equals < 0 ? arg : arg.slice(0, equals);
    if (equals >= 0) shell.variables.set(name, arg.slice(equals + 1));
    shell.exported.add(name);
  }
  return 0;
}

async function shift(shell: Shell): Promise<number> {
  if (shell.positional.length === 0) return 1;
  shell.positional = shell.positional.slice(1);
  return 0;
}

async function unset(shell: Shell, names: readonly string[]): Promise<number> {
  for (const name of names) {
    shell.variables.delete(name);
    shell.exported.delete(name);
  }
  return 0;
}

async function trap(shell: Shell, args: readonly string[], streams: Streams): Promise<number> {
  const [action, ...signals] = args;
  for (const text of signals) {
    const signal = text === 'EXIT' || text === '0' ? 0 : signalNumber(text);
    if (signal === undefined) return complain(streams, `trap: ${text}: invalid signal specification`);
    shell.setTrap(signal, action === '-' ? undefined : (action ?? ''));
  }
  return 0;
}

/** Waits for one child or for all; a trapped signal ends the wait with 128 + n (POSIX). */
async function wait(shell: Shell, args: readonly string[]): Promise<number> {
  const pids = args.length > 0 ? args.map(Number) : [...shell.children.keys()];
  let status = 0;
  for (const pid of pids) {
    const child = shell.children.get(pid);
    if (!child) {
      status = 127;
      continue;
    }
    const exit = await Promise.race([child, shell.nextSignal()]);
    if (typeof exit === 'number') return 128 + exit;
    shell.children.delete(pid);
    status = args.length > 0 ? exit.exitCode : 0;
  }
  return status;
}

async function kill(shell: Shell, args: readonly string[], streams: Streams): Promise<number> {
  const [first, ...rest] = args;
  const named = first?.startsWith('-')
    ? signalNumber(first === '-s' ? (rest.shift() ?? '') : first.slice(1))
    : 15;
  const targets = first?.startsWith('-') ? rest : args;
  if (first !== '-0' && named === undefined) return complain(streams, `kill: bad signal name '${first}'`);
  for (const text of targets) {
    const target = shell.process.table.get(Number(text));
    if (!target) return complain(streams, `can't kill pid ${text}: No such process`);
    // The first process of a PID namespace cannot be killed from inside.
    if (named !== undefined && !(target.pid === 1 && named === 9)) target.signal(named);
  }
  return 0;
}

/** Reads one line into variables, the last one taking the rest; blanks around each are dropped. */
async function read(shell: Shell, args: readonly string[], streams: Streams): Promise<number> {
  const raw = args.includes('-r');
  const names = args.filter((arg) => !arg.startsWith('-'));
  const data = await streams.stdin.readLine();
  let rest = (data?.toString('utf8') ?? '').replace(/\n$/, '');
  if (!raw) rest = rest.replace(/\\(.)/g, '$1');
  names.forEach((name, index) => {
    rest = rest.replace(/^[ \t]+/, '');
    const end = index === names.length - 1 ? -1 : rest.search(/[ \t]/);
    shell.variables.set(name, end < 0 ? rest.replace(/[ \t]+$/, '') : rest.slice(0, end));
    rest = end < 0 ? '' : rest.slice(end);
  });
  return data?.at(-1) === 10 ? 0 : 1;
}

/** Replaces the shell by a program: its traps are gone, its process stays. */
async function exec(shell: Shell, args: readonly string[], streams: Streams): Promise<number> {
  const [name] = args;
  if (name === undefined)
    return complain(streams, 'exec: without a command it is beyond the shell of the simulation', 2);
  const env = shell.environment();
  const program = shell.process.table.findProgram(name, env);
  if (!program) throw new ShellExit(await complain(streams, `exec: ${name}: not found`, 127));
  for (const signal of [...shell.traps.keys()]) shell.setTrap(signal, undefined);
  const exitCode = await program({ argv: args, env, cwd: shell.cwd, ...streams, process: shell.process });
  throw new ShellExit(exitCode);
}
