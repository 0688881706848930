import { Cli } from './cli.js';
import type { CliIo } from './cli-context.js';
import { buildProgram } from './program.js';
import { reportError } from './report-error.js';

/**
 * Runs one command of the command line.
 * @param args without the names of node and of the script
 * @returns its exit code
 */
export async function main(args: readonly string[], io: CliIo): Promise<number> {
  const cli = new Cli(io);
  try {
    await buildProgram(cli).parseAsync([...args], { from: 'user' });
    return cli.exitCode;
  } catch (error) {
    return reportError(io.stderr, error, io.signal);
  }
}
