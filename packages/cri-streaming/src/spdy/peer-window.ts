import { ResetStatus } from './frames.js';
import type { SpdyStream } from './spdy-stream.js';

/** SPDY/3's own initial window (draft 3.1, 2.6.8), until the peer's settings say another. */
const DEFAULT_WINDOW_BYTES = 64 * 1024;
/** A window beyond this is a fault of the peer's. */
const MAX_WINDOW_BYTES = 0x7fffffff;

/** How much the peer takes on each stream; without limit until it has shown that it has any flow control. */
export class PeerWindow {
  private shown = false;
  private initialBytes = DEFAULT_WINDOW_BYTES;

  /** Whether the peer has shown that it has any flow control. */
  get isShown(): boolean {
    return this.shown;
  }

  /** Of a stream that begins. */
  get initial(): number {
    return this.initialBytes;
  }

  sendable(stream: SpdyStream): number {
    return this.shown ? stream.sendWindow : Number.POSITIVE_INFINITY;
  }

  /** The peer's settings: they change the windows of the streams there are as well. */
  setInitial(bytes: number, streams: Iterable<SpdyStream>): void {
    const growth = bytes - this.initialBytes;
    this.shown = true;
    this.initialBytes = bytes;
    for (const stream of [...streams]) {
      stream.sendWindow += growth;
      stream.resumeSending();
    }
  }

  /**
   * The peer opens the window of a stream, if there is such a one still.
   * @returns the status to reset it with, when the peer is at fault
   */
  grow(stream: SpdyStream | undefined, bytes: number): number | undefined {
    this.shown = true;
    if (stream === undefined) return undefined;
    stream.sendWindow += bytes;
    if (stream.sendWindow > MAX_WINDOW_BYTES) return ResetStatus.flowControlError;
    stream.resumeSending();
    return undefined;
  }
}
