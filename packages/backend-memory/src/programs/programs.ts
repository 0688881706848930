import type { Program } from '../machine/simulated-process.js';
import { Shell } from '../shell/shell.js';
import { basicPrograms, complain, write } from './basic-programs.js';
import { filePrograms } from './file-programs.js';
import { networkPrograms } from './network-programs.js';

/** `sh -c SCRIPT [NAME ARGS…]`, and `sh` with its commands on standard input. */
const sh: Program = async (context) => {
  const [name = 'sh', option, ...rest] = context.argv;
  if (option === '-c') {
    const [script, ownName = name, ...args] = rest;
    if (script === undefined) return complain(context, '-c requires an argument', 2);
    return new Shell(context, ownName, args).runScript(script);
  }
  if (option !== undefined) return complain(context, 'only sh -c and sh on standard input are simulated', 2);
  return new Shell(context, name, []).runInput();
};

/** The programs that every image of the simulation has. */
export const standardPrograms: ReadonlyMap<string, Program> = new Map<string, Program>([
  ...basicPrograms,
  ...filePrograms,
  ...networkPrograms,
  ['sh', sh],
  ['uname', async ({ stdout }) => write(stdout, 'Memory\n').then(() => 0)],
]);
