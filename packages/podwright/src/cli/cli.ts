import { type ContainerRuntime, throwIfAborted } from '@podwright/core';
import type { Command } from 'commander';
import { loadRuntimeConfig } from '../config-sources.js';
import type { CliContext, CliIo } from './cli-context.js';
import { ExitCode } from './exit-codes.js';
import { configOfFlags, type GlobalFlags } from './global-flags.js';
import { printError } from './report-error.js';

/** A command's work; resolves to its exit code, nothing for 0. */
export type CommandAction = (context: CliContext) => Promise<number> | Promise<void>;

/** Runs the work of a command with all it needs, and puts everything away afterwards. */
export class Cli {
  exitCode: number = ExitCode.ok;

  constructor(readonly io: CliIo) {}

  async run(command: Command, action: CommandAction): Promise<void> {
    const flags = command.optsWithGlobals<GlobalFlags>();
    const { io } = this;
    const config = await loadRuntimeConfig({
      env: io.env,
      overrides: configOfFlags(flags),
      ...(flags.config === undefined ? {} : { configFile: flags.config }),
    });
    const opened: ContainerRuntime[] = [];
    const context: CliContext = {
      stdin: io.stdin,
      stdout: io.stdout,
      stderr: io.stderr,
      env: io.env,
      signal: io.signal,
      createContainer: io.createContainer,
      config,
      nowMs: Date.now,
      openRuntime: async (access) => {
        throwIfAborted(io.signal);
        const lockTimeoutMs = (flags.lockTimeout ?? 10) * 1000;
        const runtime = await io.createRuntime(config, { access, lockTimeoutMs });
        opened.push(runtime);
        await runtime.start();
        throwIfAborted(io.signal);
        return runtime;
      },
    };
    try {
      this.exitCode = (await action(context)) ?? ExitCode.ok;
    } catch (error) {
      // What else goes wrong must not take the place of the reason.
      for (const runtime of opened) {
        await runtime[Symbol.asyncDispose]().catch((further: unknown) => printError(io.stderr, further));
      }
      throw error;
    }
    for (const runtime of opened) await runtime[Symbol.asyncDispose]();
  }
}
