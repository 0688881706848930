import { PassThrough, Readable } from 'node:stream';
import type { HostCommand, HostExecutor, HostProcess, HostResult } from '@podwright/nsenter';

/** What one run of journalctl does. */
export interface Run {
  readonly stdout?: Iterable<Buffer> | AsyncIterable<Buffer>;
  readonly stderr?: string;
  readonly exitCode?: number;
  /** After its output it waits until it is killed. */
  readonly stays?: boolean;
}

/** A HostExecutor whose commands are scripted, one run after the other. */
export class ScriptedExecutor implements HostExecutor {
  readonly commands: string[][] = [];
  readonly synced: string[][] = [];
  killed = 0;
  #runs: Run[];

  constructor(...runs: Run[]) {
    this.#runs = runs;
  }

  async run(command: HostCommand): Promise<HostResult> {
    this.synced.push([command.command, ...command.args]);
    return { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0), exitCode: 0 };
  }

  async start(command: HostCommand): Promise<HostProcess> {
    const run = this.#runs.shift();
    if (run === undefined) throw new Error(`no run scripted for ${command.args.join(' ')}`);
    this.commands.push([command.command, ...command.args]);
    let end: (exit: { exitCode: number; signal?: NodeJS.Signals }) => void = () => undefined;
    let killed = false;
    const exited = new Promise<{ exitCode: number; signal?: NodeJS.Signals }>((resolve) => {
      end = resolve;
    });
    const gone = exited.then(() => undefined);
    const kill = () => {
      if (!killed) this.killed++;
      killed = true;
      end({ exitCode: 143, signal: 'SIGTERM' });
    };
    async function* output() {
      for await (const chunk of run?.stdout ?? []) {
        if (killed) return;
        yield chunk;
      }
      if (run?.stays) await gone;
      end({ exitCode: run?.exitCode ?? 0 });
    }
    command.signal?.addEventListener('abort', kill, { once: true });
    if (command.signal?.aborted) kill();
    return {
      pid: 1,
      stdin: new PassThrough(),
      stdout: Readable.from(output(), { highWaterMark: 1 }),
      stderr: Readable.from([Buffer.from(run.stderr ?? '')]),
      exited,
      kill,
    };
  }

  async which(name: string): Promise<string | undefined> {
    return `/usr/bin/${name}`;
  }

  hostPath(path: string): string {
    return path;
  }
}
