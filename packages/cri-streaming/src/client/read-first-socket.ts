import { Socket } from 'node:net';

type Written = (error?: Error | null) => void;

/** How often what comes is read before a write goes out in any case, lest a server that never pauses holds up the input. */
const MAX_TURNS = 10;

/**
 * A socket for a server that hangs up without having read everything: the kernel there then drops what it has not sent yet,
 * and everything that lies here unread may be the last of it. So what can be read is read before anything is written, nothing
 * is written after the end of reading, and a write that fails does not end the reading, as it does with Node's own socket;
 * that nothing gets to the server any more is told by the end of what it sends.
 */
export class ReadFirstSocket extends Socket {
  private isBroken = false;

  override _write(chunk: unknown, encoding: BufferEncoding, callback: Written): void {
    this.afterReading(callback, (written) => super._write(chunk, encoding, written));
  }

  override _writev(chunks: { chunk: unknown; encoding: BufferEncoding }[], callback: Written): void {
    this.afterReading(callback, (written) => super._writev?.(chunks, written));
  }

  override _final(callback: Written): void {
    this.afterReading(callback, (written) => super._final(written));
  }

  private afterReading(callback: Written, write: (written: Written) => void): void {
    this.afterTurns(MAX_TURNS, () => {
      if (this.isBroken || this.readableEnded || this.destroyed) callback();
      else {
        write((error) => {
          if (error) this.isBroken = true;
          callback();
        });
      }
    });
  }

  /** Goes on after a turn of the event loop, which looks for what can be read, in which nothing has come. */
  private afterTurns(left: number, goOn: () => void): void {
    const { bytesRead } = this;
    // The first may come before this turn's look.
    setImmediate(() => {
      setImmediate(() => {
        if (left === 0 || this.bytesRead === bytesRead) goOn();
        else this.afterTurns(left - 1, goOn);
      });
    });
  }
}
