#!/usr/bin/env node
import { Logger } from '@podwright/core';
import { ContainerModule } from 'inversify';
import type { Interruption } from './cli/cli-context.js';
import { cliLogger } from './cli/cli-logger.js';
import { main } from './cli/main.js';
import { createContainer, createRuntime } from './create-runtime.js';
import type { ResolvedRuntimeConfig } from './runtime-config.js';

/** What of a command may still be undone, after it was told to end. */
const LAST_WORDS_MS = 30_000;

const interruption = new AbortController();
const interrupt = (reason: Interruption) => {
  // Asked twice: at once, whatever is left behind.
  if (interruption.signal.aborted && reason !== 'broken-pipe') process.exit(reason === 'SIGINT' ? 130 : 143);
  interruption.abort(reason);
};
process.on('SIGINT', () => interrupt('SIGINT'));
process.on('SIGTERM', () => interrupt('SIGTERM'));
process.on('SIGHUP', () => interrupt('SIGTERM'));
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    interrupt('broken-pipe');
  });
}

const modulesOf = ({ debug }: ResolvedRuntimeConfig) =>
  debug
    ? []
    : [new ContainerModule(async ({ rebind }) => void (await rebind(Logger)).toConstantValue(cliLogger))];

process.exitCode = await main(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: interruption.signal,
  createRuntime: (config, options) => createRuntime(config, { ...options, modules: modulesOf(config) }),
  createContainer: (config) => createContainer(config, { access: 'observe', modules: modulesOf(config) }),
});
// Nobody reads on, and a terminal would keep the process.
process.stdin.destroy();
setTimeout(() => process.exit(), LAST_WORDS_MS).unref();
