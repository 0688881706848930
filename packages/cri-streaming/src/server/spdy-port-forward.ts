import type { Duplex } from 'node:stream';
import { PodwrightError } from '@podwright/core';
import { parsePort, StreamHeader } from '../protocols.js';
import type { SpdyHeaders } from '../spdy/header-codec.js';
import type { SpdyStream } from '../spdy/spdy-stream.js';
import { endAndFlush, hush } from '../stream-ends.js';
import type { PortForwardStreamRequest } from '../streaming-server.js';
import { forwardPort } from './port-forwarder.js';
import type { ServeOptions } from './serve-options.js';
import { meetSpdyClient } from './spdy-client.js';

type Kind = 'data' | 'error';

interface HalfPair {
  readonly streams: Map<Kind, SpdyStream>;
  readonly timer: NodeJS.Timeout;
}

/**
 * Which pair a stream belongs to. Clients before Kubernetes 1.1 name none; theirs open the error stream first and the
 * data stream next, so that their ids are two apart.
 */
export function pairKey(headers: SpdyHeaders, streamId: number): string {
  const requestId = headers[StreamHeader.requestId];
  if (requestId !== undefined && requestId !== '') return `request ${requestId}`;
  return `stream ${headers[StreamHeader.type] === 'data' ? streamId - 2 : streamId}`;
}

/** Serves port-forward on an upgraded connection or a tunnel; resolves when the client has gone. Never fails. */
export async function serveSpdyPortForward(
  transport: Duplex,
  request: PortForwardStreamRequest,
  options: ServeOptions,
): Promise<void> {
  const pairs = new Map<string, HalfPair>();
  const { connection, gone } = meetSpdyClient(
    transport,
    {
      accept: (headers) => portOf(headers) !== undefined && kindOf(headers) !== undefined,
      onStream: (stream) => takeStream(stream),
    },
    options,
  );

  const takeStream = (stream: SpdyStream) => {
    const key = pairKey(stream.headers, stream.id);
    const kind = kindOf(stream.headers);
    const port = portOf(stream.headers);
    if (kind === undefined || port === undefined) return;
    const pair = pairs.get(key) ?? beginPair(key);
    if (pair.streams.has(kind)) {
      stream.destroy();
      return;
    }
    pair.streams.set(kind, stream);
    const data = pair.streams.get('data');
    const error = pair.streams.get('error');
    if (data === undefined || error === undefined) return;
    clearTimeout(pair.timer);
    pairs.delete(key);
    void forwardPort(request, port, { data, error }, dropped(data, gone), options.logger);
  };

  const beginPair = (key: string): HalfPair => {
    const timer = setTimeout(() => {
      pairs.delete(key);
      const text = `${key}: its second stream did not come within ${options.streamCreationTimeoutMs} ms`;
      options.logger.warn('A forwarded connection was dropped', { error: text });
      void giveUp(pair, text);
    }, options.streamCreationTimeoutMs).unref();
    const pair: HalfPair = { streams: new Map(), timer };
    pairs.set(key, pair);
    return pair;
  };

  await connection.closed;
  for (const { timer } of pairs.values()) clearTimeout(timer);
}

async function giveUp(pair: HalfPair, text: string): Promise<void> {
  const error = pair.streams.get('error');
  if (error !== undefined) {
    hush(error);
    error.resume();
    await endAndFlush(error, text);
  }
  for (const stream of pair.streams.values()) stream.destroy();
}

/** Fires when the client resets the stream, or has gone. */
function dropped(stream: SpdyStream, gone: AbortSignal): AbortSignal {
  const controller = new AbortController();
  const abort = () => {
    controller.abort(new PodwrightError('cancelled', 'The client has dropped the forwarded connection.'));
  };
  stream.once('cut', abort);
  stream.once('close', () => gone.removeEventListener('abort', abort));
  gone.addEventListener('abort', abort, { once: true });
  return controller.signal;
}

function portOf(headers: SpdyHeaders): number | undefined {
  return parsePort(headers[StreamHeader.port]);
}

function kindOf(headers: SpdyHeaders): Kind | undefined {
  const type = headers[StreamHeader.type];
  return type === 'data' || type === 'error' ? type : undefined;
}
