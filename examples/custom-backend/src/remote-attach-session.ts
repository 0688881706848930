import type { Readable, Writable } from 'node:stream';
import type { AttachEnd, AttachSession, TerminalSize } from '@podwright/core';
import type { RemoteStreams } from './remote-streams.js';

/** A client attached to a container of the far side. */
export class RemoteAttachSession implements AttachSession {
  readonly stdin?: Writable;
  readonly stdout: Readable;
  readonly stderr?: Readable;
  readonly ended: Promise<AttachEnd>;

  constructor(private readonly streams: RemoteStreams) {
    this.stdout = streams.stdout;
    if (streams.stdin) this.stdin = streams.stdin;
    if (streams.stderr) this.stderr = streams.stderr;
    this.ended = streams.exit.then((exitCode) =>
      exitCode === undefined ? { type: 'detached' } : { type: 'exited', exitCode },
    );
    this.ended.catch(() => undefined);
  }

  resize(size: TerminalSize): Promise<void> {
    return this.streams.resize(size);
  }

  detach(): Promise<void> {
    return this.streams.tell({ type: 'kill' });
  }
}
