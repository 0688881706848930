import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type ErrorKind, PodwrightError } from '@podwright/core';
import type { Mounter, NsenterModuleOptions } from '@podwright/nsenter';

const PROGRAM = fileURLToPath(new URL('mounting-agent.mjs', import.meta.url));

interface Answer {
  readonly value?: unknown;
  readonly error?: { readonly kind: ErrorKind; readonly message: string; readonly details: object };
  readonly warnings: readonly string[];
}

/** A Mounter in a process of its own, which runs from the build and not from the sources: `npm run build` first. */
export class MountingAgent {
  /** What it has warned of so far. */
  warnings: readonly string[] = [];
  private readonly answers: AsyncIterator<string>;

  private constructor(private readonly child: ChildProcess & { stdin: NodeJS.WritableStream }) {
    if (child.stdout === null) throw new Error('It has no output.');
    this.answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** @param wrapper a command that runs the one given behind its own arguments */
  static start(options: NsenterModuleOptions, wrapper: readonly string[] = []): MountingAgent {
    const command = [...wrapper, process.execPath, PROGRAM, JSON.stringify(options)];
    const child = spawn(command[0] ?? '', command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
    return new MountingAgent(child);
  }

  /** Does a call of the Mounter there. @throws what it threw */
  async call<K extends keyof Mounter>(
    method: K,
    ...args: Parameters<Mounter[K]>
  ): Promise<Awaited<ReturnType<Mounter[K]>>> {
    this.child.stdin.write(`${JSON.stringify({ method, args })}\n`);
    const { value: line, done } = await this.answers.next();
    if (done) throw new Error('The agent has ended.');
    const answer: Answer = JSON.parse(line);
    this.warnings = answer.warnings;
    if (answer.error === undefined) return answer.value as Awaited<ReturnType<Mounter[K]>>;
    throw new PodwrightError(answer.error.kind, answer.error.message, {
      details: { ...answer.error.details },
    });
  }

  /** Ends it, and waits until the command that it was started with has ended. */
  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const ended = once(this.child, 'exit');
      this.child.stdin.end();
      await ended;
    }
  }

  /** Waits until the command that it was started with has ended by itself. */
  async ended(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
  }
}
