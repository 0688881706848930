#!/usr/bin/env node
import type { Interruption } from './cli/cli-context.js';
import { ExitCode } from './cli/exit-codes.js';
import { main } from './cli/main.js';

/** What of a command may still be undone, after it was told to end. */
const LAST_WORDS_MS = 30_000;

const interruption = new AbortController();
let isOutputLost = false;
const interrupt = (reason: Interruption) => {
  // Asked twice: at once, whatever is left behind.
  const isSignal = reason === 'SIGINT' || reason === 'SIGTERM';
  if (interruption.signal.aborted && isSignal) process.exit(reason === 'SIGINT' ? 130 : 143);
  interruption.abort(reason);
};
process.on('SIGINT', () => interrupt('SIGINT'));
process.on('SIGTERM', () => interrupt('SIGTERM'));
process.on('SIGHUP', () => interrupt('SIGTERM'));
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return interrupt('broken-pipe');
    // A full disk, say. It is told once, and also after the command believed to have done its work.
    if (!isOutputLost && stream === process.stdout) {
      process.stderr.write(`podwright: Standard output cannot be written: ${error.message}.\n`);
    }
    isOutputLost = true;
    process.exitCode = ExitCode.failure;
    interrupt('lost-output');
  });
}

// Loaded only when a command needs a runtime: help and wrong flags are answered at once.
const factory = () => import('./cli/runtime-factory.js');

const exitCode = await main(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: interruption.signal,
  createRuntime: async (config, request) => (await factory()).createCliRuntime(config, request),
  createContainer: async (config, request) => (await factory()).createCliContainer(config, request),
});
process.exitCode = isOutputLost ? ExitCode.failure : exitCode;
// Nobody reads on, and a terminal would keep the process.
process.stdin.destroy();
setTimeout(() => process.exit(), LAST_WORDS_MS).unref();
