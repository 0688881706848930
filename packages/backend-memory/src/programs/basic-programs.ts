import type { ByteSink } from '../machine/byte-pipe.js';
import { absolutePath } from '../machine/file-tree.js';
import type { Program, ProgramContext } from '../machine/simulated-process.js';
import { formatPrintf } from './printf.js';

/** Writes text or bytes. */
export function write(sink: ByteSink, data: string | Buffer): Promise<void> {
  return sink.write(Buffer.from(data));
}

/** Says on standard error what is wrong, as programs do. @returns the exit code */
export async function complain(context: ProgramContext, text: string, code = 1): Promise<number> {
  await write(context.stderr, `${context.argv[0]?.split('/').at(-1)}: ${text}\n`);
  return code;
}

async function echo({ argv, stdout }: ProgramContext): Promise<number> {
  const [, ...args] = argv;
  let newline = '\n';
  let escapes = false;
  while (/^-[ne]+$/.test(args[0] ?? '')) {
    const option = args.shift() ?? '';
    if (option.includes('n')) newline = '';
    if (option.includes('e')) escapes = true;
  }
  const text = args.join(' ');
  await stdout.write(
    Buffer.concat([escapes ? formatPrintf('%b', [text]) : Buffer.from(text), Buffer.from(newline)]),
  );
  return 0;
}

async function printf(context: ProgramContext): Promise<number> {
  const [, format, ...args] = context.argv;
  if (format === undefined) return complain(context, 'a format is missing');
  await context.stdout.write(formatPrintf(format, args));
  return 0;
}

async function sleep(context: ProgramContext): Promise<number> {
  const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
  let seconds = 0;
  for (const arg of context.argv.slice(1)) {
    const match = /^(\d*\.?\d+|inf(?:inity)?)([smhd]?)$/.exec(arg);
    if (!match?.[1]) return complain(context, `invalid number '${arg}'`);
    const amount = match[1].startsWith('inf') ? Number.POSITIVE_INFINITY : Number(match[1]);
    seconds += amount * (units[match[2] || 's'] ?? 1);
  }
  await context.process.sleep(seconds * 1000);
  return 0;
}

async function env(context: ProgramContext): Promise<number> {
  for (const [name, value] of context.env) await write(context.stdout, `${name}=${value}\n`);
  return 0;
}

async function printenv(context: ProgramContext): Promise<number> {
  const names = context.argv.slice(1);
  if (names.length === 0) return env(context);
  let missing = 0;
  for (const name of names) {
    const value = context.env.get(name);
    if (value === undefined) missing = 1;
    else await write(context.stdout, `${value}\n`);
  }
  return missing;
}

async function id(context: ProgramContext): Promise<number> {
  const { uid, gid, groups } = context.process.spec.user;
  const all = [gid, ...groups.filter((group) => group !== gid)];
  const option = context.argv[1];
  if (option === '-u') await write(context.stdout, `${uid}\n`);
  else if (option === '-g') await write(context.stdout, `${gid}\n`);
  else if (option === '-G') await write(context.stdout, `${all.join(' ')}\n`);
  else if (option === undefined)
    await write(context.stdout, `uid=${uid} gid=${gid} groups=${all.join(',')}\n`);
  else return complain(context, `${option} is beyond the simulation`);
  return 0;
}

async function hostname(context: ProgramContext): Promise<number> {
  await write(context.stdout, `${context.process.table.surroundings.hostname}\n`);
  return 0;
}

async function tty(context: ProgramContext): Promise<number> {
  const { terminal } = context.process.spec;
  await write(context.stdout, terminal ? '/dev/pts/0\n' : 'not a tty\n');
  return terminal ? 0 : 1;
}

async function stty(context: ProgramContext): Promise<number> {
  const { terminal } = context.process.spec;
  if (!terminal) return complain(context, 'standard input: Inappropriate ioctl for device');
  if (context.argv[1] !== 'size') return complain(context, 'only "stty size" is simulated');
  await write(context.stdout, `${terminal.size.rows} ${terminal.size.columns}\n`);
  return 0;
}

async function test(context: ProgramContext): Promise<number> {
  const words = context.argv.slice(1);
  if (context.argv[0] === '[' && words.pop() !== ']') return complain(context, 'missing ]', 2);
  const result = evaluate(words, context);
  return result === undefined
    ? complain(context, `"${words.join(' ')}" is beyond the simulation`, 2)
    : result
      ? 0
      : 1;
}

function evaluate(words: readonly string[], context: ProgramContext): boolean | undefined {
  const [first = '', second = '', third = ''] = words;
  if (first === '!' && words.length > 1) {
    const inner = evaluate(words.slice(1), context);
    return inner === undefined ? undefined : !inner;
  }
  if (words.length <= 1) return first !== '';
  const { files } = context.process.table.surroundings;
  const node = () => files.find(absolutePath(second, context.cwd));
  if (words.length === 2) {
    const unary: Readonly<Record<string, () => boolean>> = {
      '-n': () => second !== '',
      '-z': () => second === '',
      '-e': () => node() !== undefined,
      '-f': () => node()?.kind === 'file',
      '-d': () => node()?.kind === 'directory',
      '-s': () =>
        node()?.kind === 'directory' ||
        (node() !== undefined && files.readFile(absolutePath(second, context.cwd)).length > 0),
      '-t': () => context.process.spec.terminal !== undefined,
    };
    return unary[first]?.();
  }
  const binary: Readonly<Record<string, () => boolean>> = {
    '=': () => first === third,
    '!=': () => first !== third,
    '-eq': () => Number(first) === Number(third),
    '-ne': () => Number(first) !== Number(third),
    '-lt': () => Number(first) < Number(third),
    '-le': () => Number(first) <= Number(third),
    '-gt': () => Number(first) > Number(third),
    '-ge': () => Number(first) >= Number(third),
  };
  return words.length === 3 ? binary[second]?.() : undefined;
}

/** Programs that need nothing but their arguments and their process. */
export const basicPrograms: ReadonlyMap<string, Program> = new Map<string, Program>([
  ['true', async () => 0],
  ['false', async () => 1],
  ['echo', echo],
  ['printf', printf],
  ['sleep', sleep],
  ['env', env],
  ['printenv', printenv],
  ['id', id],
  ['hostname', hostname],
  ['pwd', async (context) => write(context.stdout, `${context.cwd}\n`).then(() => 0)],
  ['tty', tty],
  ['stty', stty],
  ['test', test],
  ['[', test],
]);
