import { mkdir, symlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Logger, PodwrightError, silentLogger } from '@podwright/core';
import type { HostCommand, HostExecutor, HostProcess, HostResult, RunCommand } from './host-executor.js';
import { HostRootNsenter } from './host-root-nsenter.js';
import { LocalHostExecutor } from './local-host-executor.js';
import type { Nsenter } from './nsenter.js';

export interface FakeNsenterOptions {
  /** Made as a link to /; it plays the part of the host's root. */
  readonly rootfsLink: string;
  readonly logger?: Logger;
}

/**
 * An Nsenter for tests of code that runs in a container: everything is as in the real one, but the commands run in the
 * mount namespace of the caller. Needs no right.
 */
export async function createFakeNsenter({ rootfsLink, logger }: FakeNsenterOptions): Promise<Nsenter> {
  await mkdir(dirname(rootfsLink), { recursive: true });
  await symlink('/', rootfsLink);
  const executor = new SameNamespaceExecutor(new LocalHostExecutor(logger ?? silentLogger, {}));
  return new HostRootNsenter(executor, { hostRoot: rootfsLink });
}

/** Leaves `nsenter --mount=… --` out of a command, and fails for a command that has it not. */
class SameNamespaceExecutor implements HostExecutor {
  constructor(private readonly executor: LocalHostExecutor) {}

  async run(command: RunCommand): Promise<HostResult> {
    return this.executor.run(withoutNsenter(command));
  }

  async start(command: HostCommand): Promise<HostProcess> {
    return this.executor.start(withoutNsenter(command));
  }

  which(name: string): Promise<string | undefined> {
    return this.executor.which(name);
  }

  hostPath(path: string): string {
    return path;
  }
}

function withoutNsenter<T extends HostCommand>(command: T): T {
  const end = command.args.indexOf('--');
  const [program, ...args] = command.args.slice(end + 1);
  const flags = command.args.slice(0, end);
  if (
    command.command !== 'nsenter' ||
    program === undefined ||
    !flags.some((flag) => flag.startsWith('--mount='))
  ) {
    throw new PodwrightError(
      'internal',
      `This does not enter the host: ${[command.command, ...command.args].join(' ')}`,
    );
  }
  return { ...command, command: program, args };
}
