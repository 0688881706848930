import { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import type { ChannelProtocol } from '../protocols.js';

/** The number of the channel on which version 5 says which channel is half-closed. */
const CLOSE_CHANNEL = 255;
const BASE64_ZERO = 48;
/** What a channel may hold unread before the whole connection is held up: a WebSocket has no other way. */
const HOLD_UP_BYTES = 1024 * 1024;
const NORMAL_CLOSURE = 1000;
/** How often to ping while reading is held up: only a write can tell then that the peer has gone. */
const PROBE_MS = 5_000;

/**
 * A WebSocket whose messages begin with the number of a channel, as Kubernetes uses it; each channel is a stream. Ending
 * a channel half-closes it for our side, of which the peer is not told: the protocols have no word for it from the server.
 */
export class ChannelSocket {
  private readonly channels: Channel[];
  private probeTimer: NodeJS.Timeout | undefined;
  private idleTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly socket: WebSocket,
    private readonly protocol: ChannelProtocol,
    count: number,
    private readonly idleTimeoutMs: number,
  ) {
    this.channels = Array.from({ length: count }, (_, number) => new Channel(this, number));
  }

  /** Begins to read; drops the connection when nothing has come or gone for too long. */
  start(): void {
    this.idleTimer = setTimeout(() => this.socket.terminate(), this.idleTimeoutMs).unref();
    this.socket.on('ping', () => this.idleTimer?.refresh());
    this.socket.on('message', (message: RawData) => this.receive(message));
    this.socket.on('error', () => this.socket.terminate());
    this.socket.on('close', () => {
      clearInterval(this.probeTimer);
      clearTimeout(this.idleTimer);
      for (const channel of this.channels) channel.takeEnd();
    });
  }

  channel(number: number): Channel {
    const channel = this.channels[number];
    if (channel === undefined) throw new RangeError(`There is no channel ${number}.`);
    return channel;
  }

  send(number: number, data: Buffer, sent: () => void): void {
    if (this.socket.readyState !== this.socket.OPEN) {
      sent();
      return;
    }
    const message = this.protocol.binary
      ? Buffer.concat([Buffer.of(number), data])
      : String.fromCharCode(BASE64_ZERO + number) + data.toString('base64');
    this.idleTimer?.refresh();
    // A failure to send is the loss of the socket, which its own events tell.
    this.socket.send(message, () => sent());
  }

  /** Says goodbye once all that was sent has gone out. */
  close(): void {
    this.socket.close(NORMAL_CLOSURE);
  }

  holdUp(): void {
    this.socket.pause();
    this.probeTimer ??= setInterval(() => {
      if (this.socket.readyState === this.socket.OPEN) this.socket.ping();
    }, PROBE_MS).unref();
  }

  /** Goes on unless another channel is still full. */
  goOn(): void {
    if (this.channels.some((channel) => channel.isFull)) return;
    clearInterval(this.probeTimer);
    this.probeTimer = undefined;
    this.socket.resume();
  }

  private receive(message: RawData): void {
    this.idleTimer?.refresh();
    const bytes = toBuffer(message);
    const [first] = bytes;
    if (first === undefined) return;
    const rest = bytes.subarray(1);
    if (!this.protocol.binary) {
      this.channels[first - BASE64_ZERO]?.takeData(Buffer.from(rest.toString('latin1'), 'base64'));
    } else if (first === CLOSE_CHANNEL && this.protocol.version >= 5) {
      this.channels[rest[0] ?? CLOSE_CHANNEL]?.takeEnd();
    } else {
      this.channels[first]?.takeData(rest);
    }
  }
}

/** One channel. */
export class Channel extends Duplex {
  isFull = false;
  private hasEnded = false;

  constructor(
    private readonly owner: ChannelSocket,
    private readonly number: number,
  ) {
    super({ allowHalfOpen: true, readableHighWaterMark: HOLD_UP_BYTES });
  }

  takeData(data: Buffer): void {
    if (this.hasEnded || this.destroyed || data.length === 0) return;
    if (!this.push(data)) {
      this.isFull = true;
      this.owner.holdUp();
    }
  }

  takeEnd(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.push(null);
  }

  override _read(): void {
    this.empty();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.owner.send(this.number, chunk, callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.empty();
    callback(error);
  }

  private empty(): void {
    if (!this.isFull) return;
    this.isFull = false;
    this.owner.goOn();
  }
}

function toBuffer(message: RawData): Buffer {
  if (Buffer.isBuffer(message)) return message;
  return Array.isArray(message) ? Buffer.concat(message) : Buffer.from(message);
}
