import { absolutePath, FileError } from '../machine/file-tree.js';
import { openForReading } from '../machine/open-file.js';
import type { Program, ProgramContext } from '../machine/simulated-process.js';
import { complain, write } from './basic-programs.js';

/** Runs `action` for each path among the arguments; a file error is told and the others go on. */
async function forEachPath(
  context: ProgramContext,
  action: (path: string, arg: string) => Promise<void> | void,
): Promise<number> {
  let code = 0;
  for (const arg of context.argv.slice(1).filter((word) => !word.startsWith('-'))) {
    try {
      await action(absolutePath(arg, context.cwd), arg);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      code = await complain(context, error.message);
    }
  }
  return code;
}

async function cat(context: ProgramContext): Promise<number> {
  const copy = async (path: string) => {
    const source = path === '-' ? context.stdin : openForReading(context.process, path, context.cwd, context);
    for (;;) {
      const data = await context.process.until(source.read());
      if (!data) return;
      await context.process.until(context.stdout.write(data));
    }
  };
  if (context.argv.length === 1) {
    await copy('-');
    return 0;
  }
  return forEachPath(context, copy);
}

async function touch(context: ProgramContext): Promise<number> {
  return forEachPath(context, (path) =>
    context.process.table.surroundings.files.write(path, Buffer.alloc(0), true),
  );
}

async function mkdir(context: ProgramContext): Promise<number> {
  const { files } = context.process.table.surroundings;
  const parents = context.argv.includes('-p');
  return forEachPath(context, (path) => {
    if (!parents && files.find(path)) throw new FileError('EEXIST', path);
    if (!parents && !files.find(path.slice(0, path.lastIndexOf('/')) || '/'))
      throw new FileError('ENOENT', path);
    files.makeDirectory(path);
  });
}

async function rm(context: ProgramContext): Promise<number> {
  const { files } = context.process.table.surroundings;
  const options = context.argv
    .slice(1)
    .filter((word) => word.startsWith('-'))
    .join('');
  return forEachPath(context, (path) => {
    const node = files.find(path);
    if (!node && !options.includes('f')) throw new FileError('ENOENT', path);
    if (node?.kind === 'directory' && !/[rR]/.test(options)) throw new FileError('EISDIR', path);
    files.remove(path);
  });
}

async function ls(context: ProgramContext): Promise<number> {
  const list = async (path: string) => {
    const names = context.process.table.surroundings.files.list(path);
    await write(context.stdout, names.map((name) => `${name}\n`).join(''));
  };
  if (context.argv.slice(1).some((word) => !word.startsWith('-'))) return forEachPath(context, list);
  await list(context.cwd);
  return 0;
}

async function readAll(context: ProgramContext): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (;;) {
    const data = await context.process.until(context.stdin.read());
    if (!data) return Buffer.concat(chunks);
    chunks.push(data);
  }
}

/** `wc -c` and `wc -l` of standard input. */
async function wc(context: ProgramContext): Promise<number> {
  const [, option, file] = context.argv;
  if ((option !== '-c' && option !== '-l') || file !== undefined) {
    return complain(context, 'only wc -c and wc -l of standard input are simulated');
  }
  const data = await readAll(context);
  await write(
    context.stdout,
    `${option === '-c' ? data.length : data.filter((byte) => byte === 10).length}\n`,
  );
  return 0;
}

async function seq(context: ProgramContext): Promise<number> {
  const numbers = context.argv.slice(1).map(Number);
  const [first, last] = numbers.length > 1 ? numbers : [1, numbers[0]];
  if (numbers.length > 2 || last === undefined || first === undefined || numbers.some(Number.isNaN)) {
    return complain(context, 'only seq LAST and seq FIRST LAST are simulated');
  }
  const lines: string[] = [];
  for (let number = first; number <= last; number++) lines.push(`${number}\n`);
  await context.process.until(write(context.stdout, lines.join('')));
  return 0;
}

export const filePrograms: ReadonlyMap<string, Program> = new Map<string, Program>([
  ['cat', cat],
  ['touch', touch],
  ['mkdir', mkdir],
  ['rm', rm],
  ['ls', ls],
  ['wc', wc],
  ['seq', seq],
]);
