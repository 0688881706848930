import type { Readable, Writable } from 'node:stream';
import type { ExecSession, TerminalSize } from '@podwright/core';
import type { RemoteStreams } from './remote-streams.js';

/** A command that runs on the far side. */
export class RemoteExecSession implements ExecSession {
  readonly stdin?: Writable;
  readonly stdout: Readable;
  readonly stderr?: Readable;
  readonly exitCode: Promise<number>;

  constructor(private readonly streams: RemoteStreams) {
    this.stdout = streams.stdout;
    if (streams.stdin) this.stdin = streams.stdin;
    if (streams.stderr) this.stderr = streams.stderr;
    this.exitCode = streams.exit.then((code) => code ?? 255);
    this.exitCode.catch(() => undefined);
  }

  resize(size: TerminalSize): Promise<void> {
    return this.streams.resize(size);
  }

  kill(): Promise<void> {
    return this.streams.tell({ type: 'kill' });
  }
}
