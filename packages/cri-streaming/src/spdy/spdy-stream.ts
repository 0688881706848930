import { Duplex } from 'node:stream';
import { ResetStatus } from './frames.js';
import type { SpdyHeaders } from './header-codec.js';
import { connectionLost, streamReset } from './spdy-error.js';

/** What a stream asks of its connection. */
export interface SpdyStreamHost {
  sendData(stream: SpdyStream, data: Buffer, fin: boolean, sent: (error?: Error | null) => void): void;
  /** Whether the peer is to be told how far its windows are open. */
  readonly tellsWindows: boolean;
  sendWindowUpdate(stream: SpdyStream, delta: number): void;
  sendReset(stream: SpdyStream, status: number): void;
  /** How many bytes the peer takes now on this stream. */
  sendable(stream: SpdyStream): number;
  /** This stream holds more than it should: nothing more may be read from the connection until `ease`. */
  strain(stream: SpdyStream): void;
  ease(stream: SpdyStream): void;
  /** The stream is over; no frame follows. */
  release(stream: SpdyStream): void;
}

/** What each stream may hold unread, announced to the peer as the window. */
export const RECEIVE_WINDOW_BYTES = 256 * 1024;
/** A peer that knows no flow control (moby/spdystream, so all of Kubernetes) goes over the window up to here. */
const STRAIN_BYTES = 1024 * 1024;
/** Longest data frame sent, so that streams take turns. */
const MAX_DATA_BYTES = 32 * 1024;
const EMPTY = Buffer.alloc(0);

/**
 * One stream of a SPDY connection. `end()` half-closes it; `destroy()` resets it.
 *
 * What was received can be read to its end whatever happens to the stream or the connection afterwards; only then comes
 * the error, if there is one. A peer's reset with `cancel` is an end and no error, as peers close whole connections so;
 * what is written after a reset is dropped, since nobody reads it. The event `cut` tells of a reset or a lost connection
 * at once.
 */
export class SpdyStream extends Duplex {
  /** Window left for sending; counted also while the peer shows no flow control. */
  sendWindow: number;
  /** The status of the peer's reset. */
  resetStatus: number | undefined;

  private readonly received: Buffer[] = [];
  private receivedBytes = 0;
  private consumedBytes = 0;
  private strained = false;
  private wanted = false;
  private remoteEnded = false;
  private localEnded = false;
  private lost: Error | undefined;
  private hasData = false;
  private emptyEndGate: (() => Promise<void>) | undefined;
  private isGated = false;
  private waiting: { chunk: Buffer; sent: (error?: Error | null) => void } | undefined;

  constructor(
    private readonly host: SpdyStreamHost,
    readonly id: number,
    readonly headers: SpdyHeaders,
    sendWindow: number,
    ended: { local: boolean; remote: boolean },
  ) {
    // The queue is ours: Node's own would be thrown away by an error that comes after the data.
    super({ allowHalfOpen: true, readableHighWaterMark: 0, writableHighWaterMark: 64 * 1024 });
    this.sendWindow = sendWindow;
    if (ended.local) {
      this.localEnded = true;
      this.end();
    }
    if (ended.remote) this.remoteEnded = true;
  }

  /** Whether the peer has reset it or the connection is gone: nothing written gets anywhere. */
  get isCut(): boolean {
    return this.resetStatus !== undefined || this.lost !== undefined;
  }

  /** Whether all that comes has come; it may still have to be read. The event `received` tells of it. */
  get isReceived(): boolean {
    return this.remoteEnded || this.isCut;
  }

  /** Before an end that comes with no data before it, waits for this: whoever waits may destroy the stream instead. */
  gateEmptyEnd(gate: () => Promise<void>): void {
    this.emptyEndGate = gate;
  }

  /** A data frame, or a piece of one. */
  takeData(data: Buffer, fin: boolean): void {
    if (this.destroyed || this.remoteEnded || this.isCut) return;
    if (data.length > 0) {
      this.hasData = true;
      this.received.push(data);
      this.receivedBytes += data.length;
    }
    if (fin) {
      this.remoteEnded = true;
      this.emit('received');
    }
    this.deliver();
    if (this.receivedBytes > STRAIN_BYTES && !this.strained) {
      this.strained = true;
      this.host.strain(this);
    }
  }

  /** The peer's reset. */
  takeReset(status: number): void {
    if (this.destroyed || this.isCut || this.isOver) return;
    this.resetStatus = status;
    if (status !== ResetStatus.cancel && !this.remoteEnded) this.lost = streamReset(status);
    this.cut();
  }

  /** The connection is gone. */
  takeLoss(cause: unknown): void {
    if (this.destroyed || this.isCut || this.isOver) return;
    this.lost = connectionLost(cause);
    this.cut();
  }

  /** The window has grown: go on with what waits. */
  resumeSending(): void {
    const { waiting } = this;
    if (waiting === undefined) return;
    this.waiting = undefined;
    this.send(waiting.chunk, waiting.sent);
  }

  override _read(): void {
    this.wanted = true;
    this.deliver();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.send(chunk, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.localEnded || this.isCut) {
      this.localEnded = true;
      callback();
      return;
    }
    this.localEnded = true;
    this.host.sendData(this, EMPTY, true, callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.received.length = 0;
    this.receivedBytes = 0;
    this.relax();
    this.waiting?.sent();
    this.waiting = undefined;
    if (!this.isCut && !this.isOver) {
      this.host.sendReset(this, isAbandoned(error) ? ResetStatus.cancel : ResetStatus.internalError);
    }
    this.host.release(this);
    callback(error);
  }

  /** Both sides have ended it, and what is left is to be read. */
  private get isOver(): boolean {
    return this.localEnded && this.remoteEnded;
  }

  private cut(): void {
    this.waiting?.sent();
    this.waiting = undefined;
    this.emit('cut');
    if (!this.remoteEnded) this.emit('received');
    if (this.readableEnded) this.destroy(this.lost);
    else this.deliver();
  }

  private send(chunk: Buffer, sent: (error?: Error | null) => void): void {
    let rest = chunk;
    for (;;) {
      if (this.isCut || rest.length === 0) {
        sent();
        return;
      }
      const length = Math.min(rest.length, MAX_DATA_BYTES, this.host.sendable(this));
      if (length <= 0) {
        this.waiting = { chunk: rest, sent };
        return;
      }
      const piece = rest.subarray(0, length);
      rest = rest.subarray(length);
      this.sendWindow -= length;
      if (rest.length === 0) {
        this.host.sendData(this, piece, false, sent);
        return;
      }
      this.host.sendData(this, piece, false, () => undefined);
    }
  }

  /** Gives the reader what it wants, in order: data, then the end or the error. */
  private deliver(): void {
    while (this.wanted) {
      const next = this.received.shift();
      if (next === undefined) break;
      this.receivedBytes -= next.length;
      this.acknowledge(next.length);
      this.wanted = this.push(next);
    }
    if (this.received.length === 0 && this.wanted) this.deliverEnd();
    if (this.receivedBytes <= RECEIVE_WINDOW_BYTES) this.relax();
  }

  private deliverEnd(): void {
    if (this.isGated || this.destroyed) return;
    if (this.remoteEnded && !this.hasData && this.emptyEndGate !== undefined) {
      this.isGated = true;
      void this.emptyEndGate().then(() => {
        this.isGated = false;
        this.emptyEndGate = undefined;
        this.deliver();
      });
    } else if (this.remoteEnded || (this.isCut && this.lost === undefined)) {
      if (this.isCut) this.once('end', () => this.destroy(this.lost));
      this.wanted = false;
      this.push(null);
    } else if (this.lost !== undefined) {
      this.destroy(this.lost);
    }
  }

  private acknowledge(bytes: number): void {
    this.consumedBytes += bytes;
    if (this.consumedBytes < RECEIVE_WINDOW_BYTES / 2 || this.remoteEnded || this.isCut) return;
    if (!this.host.tellsWindows) return;
    this.host.sendWindowUpdate(this, this.consumedBytes);
    this.consumedBytes = 0;
  }

  private relax(): void {
    if (!this.strained) return;
    this.strained = false;
    this.host.ease(this);
  }
}

/** Node's own helpers give up a stream, such as a loop over it that is left, with an AbortError. */
function isAbandoned(error: Error | null): boolean {
  return error === null || error.name === 'AbortError';
}
