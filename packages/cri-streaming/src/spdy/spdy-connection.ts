import type { Duplex } from 'node:stream';
import { PodwrightError } from '@podwright/core';
import { AwaitedReplies } from './awaited-replies.js';
import { encodeFrame } from './frame-encoder.js';
import { FrameParser } from './frame-parser.js';
import { type Frame, GoAwayStatus, ResetStatus, SettingId } from './frames.js';
import { HeaderDecoder, HeaderEncoder, type SpdyHeaders } from './header-codec.js';
import { PeerWindow } from './peer-window.js';
import { ReadHold } from './read-hold.js';
import { connectionLost, protocolError, streamReset } from './spdy-error.js';
import { RECEIVE_WINDOW_BYTES, SpdyStream, type SpdyStreamHost } from './spdy-stream.js';

export interface SpdyConnectionOptions {
  /** A client opens streams of odd ids, a server of even ones. */
  readonly role: 'client' | 'server';
  /** Whether to take a stream that the peer opens; otherwise it is refused. Default: none is taken. */
  readonly accept?: (headers: SpdyHeaders) => boolean;
  /** A stream of the peer's that was taken; its reply is on the way. */
  readonly onStream?: (stream: SpdyStream) => void;
  /** Drop the connection when no frame has come or gone for so long, in milliseconds. Absent: never. */
  readonly idleTimeoutMs?: number;
  /** How often a server pings while reading is held up, to notice a client that has gone, in milliseconds; default 5 s. */
  readonly probeIntervalMs?: number;
}

const MAX_STREAMS = 4096;
/** What may wait to be sent when a control frame is added: data waits for its turn, answers do not. */
const MAX_UNSENT_BYTES = 64 * 1024 * 1024;
const DEFAULT_PROBE_MS = 5_000;
/** How long a peer may take to hang up once both sides are through. */
const HANG_UP_MS = 10_000;

/**
 * Many streams over one connection, by SPDY/3.1.
 *
 * Windows: it announces its own and opens them as its streams are read. It holds to the peer's once the peer has shown
 * that it has any, by a SETTINGS or a WINDOW_UPDATE frame; moby/spdystream, which is what Kubernetes, containerd and
 * CRI-O use, sends neither and passes over both. When such a peer sends more than a stream's reader takes, the whole
 * connection is held up, as there is no other way to stop it. The window of the whole session of draft 3.1 is not used.
 *
 * A client writes nothing in answer to what such a server sends: containerd closes the connection when a command has
 * ended, and if its kernel has something unread then it resets the connection and drops what it has not sent yet.
 */
export class SpdyConnection implements SpdyStreamHost {
  /** Resolves when the connection is gone for good. */
  readonly closed: Promise<void>;

  private readonly encoder = new HeaderEncoder();
  private readonly parser = new FrameParser(new HeaderDecoder());
  private readonly streams = new Map<number, SpdyStream>();
  private readonly replies = new AwaitedReplies();
  private readonly window = new PeerWindow();
  private readonly readHold: ReadHold;
  private nextStreamId: number;
  private lastRemoteId = 0;
  private nextPingId: number;
  private goneAway = false;
  private gone = false;
  private idleTimer: NodeJS.Timeout | undefined;
  private hangUpTimer: NodeJS.Timeout | undefined;
  private setClosed: () => void = () => undefined;

  constructor(
    private readonly transport: Duplex,
    private readonly options: SpdyConnectionOptions,
  ) {
    this.nextStreamId = options.role === 'client' ? 1 : 2;
    this.nextPingId = this.nextStreamId;
    const probe = { intervalMs: options.probeIntervalMs ?? DEFAULT_PROBE_MS, ping: () => this.ping() };
    this.readHold = options.role === 'server' ? new ReadHold(transport, probe) : new ReadHold(transport);
    this.closed = new Promise((resolve) => {
      this.setClosed = resolve;
    });
  }

  /** Begins to read, and announces the window. */
  start(): void {
    const { transport } = this;
    transport.on('error', (error) => this.lose(error));
    transport.on('close', () => {
      this.lose(undefined);
      this.clearTimers();
      this.setClosed();
    });
    transport.on('end', () => {
      this.lose(undefined);
      this.endTransport();
    });
    transport.on('data', (chunk: Buffer) => this.receive(chunk));
    const { idleTimeoutMs } = this.options;
    if (idleTimeoutMs !== undefined) {
      this.idleTimer = setTimeout(() => {
        this.drop(
          new PodwrightError('timeout', `Nothing has moved on the connection for ${idleTimeoutMs} ms.`),
        );
      }, idleTimeoutMs).unref();
    }
    const settings = [
      { id: SettingId.initialWindowSize, flags: 0, value: RECEIVE_WINDOW_BYTES },
      { id: SettingId.maxConcurrentStreams, flags: 0, value: MAX_STREAMS },
    ];
    this.send({ type: 'settings', clear: false, settings });
  }

  /**
   * Opens a stream and resolves to it when the peer has taken it: moby/spdystream throws away data that comes earlier.
   * @throws PodwrightError kind `unavailable` when the peer refuses it or the connection is lost, `closed`, `cancelled`
   */
  async openStream(headers: SpdyHeaders, options: { signal?: AbortSignal } = {}): Promise<SpdyStream> {
    if (this.gone || this.goneAway) {
      throw new PodwrightError(
        'closed',
        'The connection takes no more streams: one of its ends has closed it.',
      );
    }
    const id = this.nextStreamId;
    this.nextStreamId += 2;
    const stream = this.addStream(id, headers, { local: false, remote: false });
    // Until it is replied to nobody else holds it; the errors it gives then go to the caller of this method.
    const ignore = () => undefined;
    stream.on('error', ignore);
    this.send({
      type: 'syn-stream',
      streamId: id,
      associatedTo: 0,
      priority: 0,
      fin: false,
      unidirectional: false,
      headers,
    });
    try {
      await this.replies.wait(id, options.signal);
    } catch (error) {
      stream.destroy();
      throw error;
    }
    stream.off('error', ignore);
    return stream;
  }

  /** Takes and opens no more streams; hangs up when those there are have ended. */
  close(): void {
    if (this.gone) return;
    if (!this.goneAway) {
      this.goneAway = true;
      this.send({ type: 'goaway', lastGoodStreamId: this.lastRemoteId, status: GoAwayStatus.ok });
    }
    this.endWhenDone();
  }

  /** Ends the connection. What has come in full can still be read; other streams are reset. */
  hangUp(): void {
    if (!this.gone) {
      for (const stream of [...this.streams.values()]) {
        if (stream.isReceived) stream.end();
        else stream.destroy();
      }
      this.close();
    }
    this.endTransport();
  }

  /** Drops the connection and all its streams at once. */
  destroy(error?: Error): void {
    this.lose(error);
    this.transport.destroy();
  }

  sendData(stream: SpdyStream, data: Buffer, fin: boolean, sent: (error?: Error | null) => void): void {
    this.send({ type: 'data', streamId: stream.id, fin, data }, sent);
  }

  get tellsWindows(): boolean {
    return this.options.role === 'server' || this.window.isShown;
  }

  sendWindowUpdate(stream: SpdyStream, delta: number): void {
    this.send({ type: 'window-update', streamId: stream.id, delta });
  }

  sendReset(stream: SpdyStream, status: number): void {
    this.send({ type: 'rst-stream', streamId: stream.id, status });
  }

  sendable(stream: SpdyStream): number {
    return this.window.sendable(stream);
  }

  strain(stream: SpdyStream): void {
    this.readHold.hold(stream);
  }

  ease(stream: SpdyStream): void {
    this.readHold.release(stream);
  }

  release(stream: SpdyStream): void {
    this.streams.delete(stream.id);
    if (this.goneAway) this.endWhenDone();
  }

  private ping(): void {
    this.send({ type: 'ping', id: this.nextPingId });
    this.nextPingId = this.nextPingId > 0x7ffffffd ? this.nextPingId % 2 || 2 : this.nextPingId + 2;
  }

  private receive(chunk: Buffer): void {
    try {
      for (const frame of this.parser.push(chunk)) {
        if (this.gone) return;
        this.idleTimer?.refresh();
        this.handle(frame);
      }
    } catch (error) {
      this.send({ type: 'goaway', lastGoodStreamId: this.lastRemoteId, status: GoAwayStatus.protocolError });
      this.drop(error);
    }
  }

  private handle(frame: Frame): void {
    switch (frame.type) {
      case 'data': {
        const stream = this.streams.get(frame.streamId);
        if (stream !== undefined) stream.takeData(frame.data, frame.fin);
        else if (!this.wasOpen(frame.streamId)) this.refuse(frame.streamId, ResetStatus.invalidStream);
        break;
      }
      case 'syn-stream':
        this.takeStream(frame);
        break;
      case 'syn-reply':
        this.replies.take(frame.streamId);
        if (frame.fin) this.streams.get(frame.streamId)?.takeData(Buffer.alloc(0), true);
        break;
      case 'headers':
        if (frame.fin) this.streams.get(frame.streamId)?.takeData(Buffer.alloc(0), true);
        break;
      case 'rst-stream':
        this.replies.refuse(frame.streamId, streamReset(frame.status));
        this.streams.get(frame.streamId)?.takeReset(frame.status);
        break;
      case 'settings': {
        const window = frame.settings.find(({ id }) => id === SettingId.initialWindowSize)?.value;
        if (window !== undefined) this.window.setInitial(window, this.streams.values());
        break;
      }
      case 'window-update': {
        const stream = this.streams.get(frame.streamId);
        const fault = this.window.grow(stream, frame.delta);
        if (fault === undefined) break;
        this.refuse(frame.streamId, fault);
        stream?.takeReset(fault);
        break;
      }
      case 'ping':
        if (frame.id % 2 !== this.nextPingId % 2) this.send(frame);
        break;
      case 'goaway':
        this.goneAway = true;
        this.replies.refuseAbove(frame.lastGoodStreamId, connectionLost(undefined));
        this.endWhenDone();
        break;
    }
  }

  private takeStream(frame: Frame & { type: 'syn-stream' }): void {
    const { streamId, headers, fin } = frame;
    const isTheirs = streamId % 2 !== this.nextStreamId % 2;
    if (!isTheirs || streamId <= this.lastRemoteId) {
      this.refuse(streamId, ResetStatus.protocolError);
      return;
    }
    this.lastRemoteId = streamId;
    const accepted =
      !this.goneAway && this.streams.size < MAX_STREAMS && this.options.accept?.(headers) === true;
    if (!accepted) {
      this.refuse(streamId, ResetStatus.refusedStream);
      return;
    }
    this.send({ type: 'syn-reply', streamId, fin: frame.unidirectional, headers: {} });
    this.options.onStream?.(this.addStream(streamId, headers, { local: frame.unidirectional, remote: fin }));
  }

  private addStream(
    id: number,
    headers: SpdyHeaders,
    ended: { local: boolean; remote: boolean },
  ): SpdyStream {
    const stream = new SpdyStream(this, id, headers, this.window.initial, ended);
    this.streams.set(id, stream);
    return stream;
  }

  private refuse(streamId: number, status: number): void {
    this.send({ type: 'rst-stream', streamId, status });
  }

  private wasOpen(streamId: number): boolean {
    const isOurs = streamId % 2 === this.nextStreamId % 2;
    return isOurs ? streamId < this.nextStreamId : streamId <= this.lastRemoteId;
  }

  private send(frame: Frame, sent?: (error?: Error | null) => void): void {
    if (this.gone || !this.transport.writable) {
      sent?.();
      return;
    }
    if (frame.type === 'data') this.idleTimer?.refresh();
    else if (this.transport.writableLength > MAX_UNSENT_BYTES) {
      this.destroy(protocolError('it asks for answers and does not read them'));
      return;
    }
    this.transport.write(encodeFrame(frame, this.encoder), () => sent?.());
  }

  /** The client hangs up: moby/spdystream drops what it has not worked off yet when the connection ends. */
  private endWhenDone(): void {
    if (this.streams.size > 0 || this.hangUpTimer !== undefined) return;
    if (this.options.role === 'client') this.endTransport();
    else this.hangUpTimer = setTimeout(() => this.endTransport(), HANG_UP_MS).unref();
  }

  /** Ends the connection once what was said has gone out, and breaks it when that takes too long. */
  private endTransport(): void {
    this.transport.end();
    clearTimeout(this.hangUpTimer);
    this.hangUpTimer = setTimeout(() => this.transport.destroy(), HANG_UP_MS).unref();
  }

  private drop(error: unknown): void {
    this.lose(error);
    this.endTransport();
  }

  /** No frame comes or goes from here on. */
  private lose(cause: unknown): void {
    if (this.gone) return;
    this.gone = true;
    this.goneAway = true;
    this.clearTimers();
    this.readHold.releaseAll();
    this.replies.refuseAbove(0, connectionLost(cause));
    for (const stream of [...this.streams.values()]) stream.takeLoss(cause);
  }

  private clearTimers(): void {
    clearTimeout(this.idleTimer);
    clearTimeout(this.hangUpTimer);
  }
}
