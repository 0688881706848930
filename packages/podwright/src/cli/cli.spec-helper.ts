import { PassThrough } from 'node:stream';
import type { ContainerRuntime, RuntimeAccess } from '@podwright/core';
import { createContainer, createRuntime } from '../create-runtime.js';
import type { InputStream, Interruption, OutputStream } from './cli-context.js';
import { main } from './main.js';

export const IMAGE = 'registry.test/app:1';

export interface CliRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs. */
export interface StartedCli {
  readonly stdin: PassThrough & { isTTY?: boolean };
  readonly stdout: PassThrough & { isTTY?: boolean; columns?: number; rows?: number };
  readonly stderr: PassThrough & { isTTY?: boolean; columns?: number };
  readonly ended: Promise<CliRun>;
  interrupt(reason?: Interruption): void;
  /** Resolves when standard output or standard error has this text. */
  said(text: string): Promise<void>;
}

/** Several commands on one simulated machine; each is a call of `main` with pipes in place of a terminal. */
export class CliBed implements AsyncDisposable {
  /** What each command opened its runtime for. */
  readonly accesses: RuntimeAccess[] = [];
  readonly env: Record<string, string> = { PODWRIGHT_CONFIG: '/dev/null' };

  private constructor(readonly runtime: ContainerRuntime) {}

  static async start(): Promise<CliBed> {
    const images = [
      { reference: IMAGE, config: { Cmd: ['sh'] } },
      { reference: 'registry.test/secret:1', auth: { username: 'me', password: 'se:cret' } },
    ];
    const runtime = await createRuntime({
      backend: 'memory',
      backendOptions: { registry: { images } },
    });
    await runtime.start();
    return new CliBed(runtime);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runtime[Symbol.asyncDispose]();
  }

  async run(...args: readonly string[]): Promise<CliRun> {
    const started = this.start(args);
    started.stdin.end();
    return started.ended;
  }

  start(args: readonly string[], prepare: (cli: StartedCli) => void = () => undefined): StartedCli {
    const interruption = new AbortController();
    const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      streams[name].setEncoding('utf8').on('data', (chunk: string) => {
        texts[name] += chunk;
      });
    }
    let end: (run: CliRun) => void = () => undefined;
    const cli: StartedCli = {
      ...streams,
      ended: new Promise((resolve) => {
        end = resolve;
      }),
      interrupt: (reason = 'SIGINT') => interruption.abort(reason),
      said: (text) =>
        new Promise((resolve) => {
          const look = () => {
            if (!texts.stdout.includes(text) && !texts.stderr.includes(text)) return;
            resolve();
          };
          streams.stdout.on('data', look);
          streams.stderr.on('data', look);
          look();
        }),
    };
    prepare(cli);
    void main(args, {
      stdin: streams.stdin as InputStream,
      stdout: streams.stdout as OutputStream,
      stderr: streams.stderr as OutputStream,
      env: this.env,
      signal: interruption.signal,
      createRuntime: async (_config, { access }) => {
        this.accesses.push(access);
        return shared(this.runtime);
      },
      createContainer: (config) => createContainer(config),
    }).then((exitCode) => end({ exitCode, ...texts }));
    return cli;
  }
}

/** The runtime as each command gets it: to be started and disposed of without an effect on the others. */
function shared(runtime: ContainerRuntime): ContainerRuntime {
  return new Proxy(runtime, {
    get: (target, key) => {
      if (key === 'start' || key === Symbol.asyncDispose) return async () => undefined;
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
