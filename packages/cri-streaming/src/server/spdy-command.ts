import type { Duplex } from 'node:stream';
import { messageOf, PodwrightError } from '@podwright/core';
import { Deferred } from '../deferred.js';
import { type CommandVersion, STREAM_TYPES, StreamHeader, type StreamType } from '../protocols.js';
import type { SpdyStream } from '../spdy/spdy-stream.js';
import type { AttachStreamRequest, CommandRequest, ExecStreamRequest } from '../streaming-server.js';
import { type CommandChannels, runCommand } from './command-runner.js';
import type { ServeOptions } from './serve-options.js';
import { meetSpdyClient } from './spdy-client.js';

/** How long a client may keep the connection once it has been told how its command ended. */
const LINGER_MS = 60_000;

/** The streams that a client has to open for a request. */
export function expectedStreams(request: CommandRequest, version: CommandVersion): StreamType[] {
  const wanted: Record<StreamType, boolean> = {
    error: true,
    stdin: request.stdin,
    stdout: request.stdout,
    stderr: request.stderr,
    resize: request.tty && version >= 3,
  };
  return STREAM_TYPES.filter((type) => wanted[type]);
}

/** Serves exec or attach on an upgraded connection; resolves when the client has gone. Never fails. */
export async function serveSpdyCommand(
  transport: Duplex,
  request: ExecStreamRequest | AttachStreamRequest,
  version: CommandVersion,
  options: ServeOptions,
): Promise<void> {
  const opened = new Map<StreamType, SpdyStream>();
  const complete = new Deferred<CommandChannels>();
  const expected = expectedStreams(request, version);
  const accept = (type: StreamType | undefined) => type !== undefined && !opened.has(type);
  const { connection, gone } = meetSpdyClient(
    transport,
    {
      accept: (headers) => accept(streamTypeOf(headers[StreamHeader.type])),
      onStream: (stream) => {
        const type = streamTypeOf(stream.headers[StreamHeader.type]);
        if (type !== undefined) opened.set(type, stream);
        const { error, ...others } = Object.fromEntries(opened);
        if (error !== undefined && expected.every((name) => opened.has(name))) {
          complete.resolve({ error, ...others });
        }
      },
    },
    options,
  );
  gone.addEventListener('abort', () => complete.reject(gone.reason), { once: true });
  const timer = setTimeout(() => {
    const streams = expected.join(', ');
    const limit = `${options.streamCreationTimeoutMs} ms`;
    complete.reject(
      new PodwrightError('timeout', `The client has not opened the streams ${streams} within ${limit}.`),
    );
  }, options.streamCreationTimeoutMs).unref();
  try {
    const channels = await complete.promise;
    clearTimeout(timer);
    await runCommand(request, channels, version, gone, options.logger);
    connection.close();
    const linger = setTimeout(() => connection.destroy(), LINGER_MS).unref();
    await connection.closed;
    clearTimeout(linger);
  } catch (error) {
    options.logger.warn('A streaming client was dropped before it ran anything', { error: messageOf(error) });
    connection.destroy();
  } finally {
    clearTimeout(timer);
  }
}

function streamTypeOf(name: string | undefined): StreamType | undefined {
  return STREAM_TYPES.find((type) => type === name);
}
