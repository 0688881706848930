import type { Readable, Writable } from 'node:stream';
import {
  type AttachEnd,
  type AttachOptions,
  type AttachSession,
  type Clock,
  type ContainerConfig,
  PodwrightError,
  type TerminalSize,
} from '@podwright/core';
import { BytePipe, type ByteSink, type ByteSource, emptySource } from '../machine/byte-pipe.js';
import type { ProcessExit } from '../machine/simulated-process.js';
import { Terminal } from '../machine/terminal.js';
import { readableFrom, writableTo } from './pipe-streams.js';

type StreamName = 'stdout' | 'stderr';

/** A client that takes nothing for so long is left: it would hold up the container. As the systemd backend does. */
const STALL_MS = 10_000;

/** The standard streams of one attempt of a container: its input, and its output to the log and to who is attached. */
export class AttachPoint {
  readonly stdin: ByteSource;
  readonly stdout: ByteSink;
  readonly stderr: ByteSink;
  readonly terminal: Terminal | undefined;
  readonly #input: BytePipe | undefined;
  readonly #clients = new Set<AttachedClient>();

  constructor(
    private readonly config: ContainerConfig,
    log: (stream: StreamName) => ByteSink,
    private readonly clock: Clock,
  ) {
    this.#input = config.stdin ? new BytePipe() : undefined;
    this.stdin = this.#input ?? emptySource;
    const stdout = this.#tee('stdout', log('stdout'));
    this.terminal = config.tty ? new Terminal(stdout, undefined) : undefined;
    this.stdout = this.terminal ?? stdout;
    this.stderr = this.terminal ?? this.#tee('stderr', log('stderr'));
  }

  /** @throws PodwrightError kind `failed-precondition` when input is asked for and there is none */
  attach({ stdin = false, signal }: AttachOptions): AttachSession {
    const input = this.#input;
    if (stdin && !input) {
      throw new PodwrightError(
        'failed-precondition',
        `Container ${this.config.metadata.name} was created without stdin: attach to its output only.`,
      );
    }
    const onInputEnd = () => {
      if (this.config.stdinOnce) input?.end();
    };
    const client = new AttachedClient(
      this.terminal,
      stdin && input ? writableTo(input, onInputEnd) : undefined,
      () => this.#clients.delete(client),
    );
    this.#clients.add(client);
    signal?.addEventListener('abort', () => void client.detach(), { once: true });
    return client;
  }

  /** The attempt has ended, and so do the sessions. */
  end({ exitCode }: ProcessExit): void {
    this.#input?.closeReader();
    for (const client of [...this.#clients]) client.end({ type: 'exited', exitCode });
  }

  #tee(stream: StreamName, log: ByteSink): ByteSink {
    return {
      write: async (data) => {
        await log.write(data);
        const room = [...this.#clients].map((client) => this.#give(client, stream, data));
        await Promise.all(room);
      },
    };
  }

  async #give(client: AttachedClient, stream: StreamName, data: Buffer): Promise<void> {
    const inTime = new AbortController();
    const late = this.clock.sleep(STALL_MS, inTime.signal).then(
      () => client.fail(),
      () => undefined,
    );
    // A client that goes meanwhile takes nothing more.
    const taken = client[stream === 'stdout' ? 'output' : 'errors'].write(data).catch(() => undefined);
    await Promise.race([taken, late]);
    inTime.abort();
  }
}

class AttachedClient implements AttachSession {
  readonly output = new BytePipe();
  readonly errors = new BytePipe();
  readonly stdin?: Writable;
  readonly stdout: Readable;
  readonly stderr?: Readable;
  readonly ended: Promise<AttachEnd>;
  #settle: (end: AttachEnd | PodwrightError) => void = () => undefined;

  constructor(
    private readonly terminal: Terminal | undefined,
    stdin: Writable | undefined,
    private readonly onGone: () => void,
  ) {
    if (stdin) this.stdin = stdin;
    const stdout = readableFrom(this.output);
    const stderr = terminal ? undefined : readableFrom(this.errors);
    this.stdout = stdout.stream;
    if (stderr) this.stderr = stderr.stream;
    // Who takes nothing may not listen for errors either; `ended` tells them.
    for (const stream of [this.stdout, this.stderr]) stream?.on('error', () => undefined);
    const settled = new Promise<AttachEnd | PodwrightError>((resolve) => {
      this.#settle = resolve;
    });
    this.ended = settled.then(async (end) => {
      if (PodwrightError.is(end)) throw end;
      await Promise.all([stdout.given, stderr?.given]);
      return end;
    });
    this.ended.catch(() => undefined);
  }

  async resize(size: TerminalSize): Promise<void> {
    if (!this.terminal) {
      throw new PodwrightError('failed-precondition', 'This container has no terminal to resize.');
    }
    this.terminal.resize(size);
  }

  async detach(): Promise<void> {
    this.stdin?.destroy();
    this.end({ type: 'detached' });
  }

  end(end: AttachEnd): void {
    this.onGone();
    this.output.end();
    this.errors.end();
    this.#settle(end);
  }

  fail(): void {
    this.onGone();
    const error = new PodwrightError(
      'timeout',
      `The client took nothing of the container's output for ${STALL_MS / 1000} s and was left.`,
    );
    this.#settle(error);
    this.stdout.destroy(error);
    this.stderr?.destroy(error);
    this.stdin?.destroy();
  }
}
