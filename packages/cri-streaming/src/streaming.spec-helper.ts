import { silentLogger } from '@podwright/core';
import { HttpStreamingServer } from './server/http-streaming-server.js';
import type { CommandRequest, StreamingServerOptions } from './streaming-server.js';

const started: HttpStreamingServer[] = [];

/** For `afterEach`. */
export async function disposeServers(): Promise<void> {
  await Promise.all(started.splice(0).map((server) => server[Symbol.asyncDispose]()));
}

/** A started server; `disposeServers` ends it. */
export async function startServer(options: StreamingServerOptions = {}): Promise<HttpStreamingServer> {
  const server = new HttpStreamingServer(options, silentLogger);
  await server.start();
  started.push(server);
  return server;
}

export const ALL_STREAMS: CommandRequest = { stdin: true, stdout: true, stderr: true, tty: false };
export const TERMINAL: CommandRequest = { stdin: true, stdout: true, stderr: false, tty: true };
export const OUTPUT_ONLY: CommandRequest = { stdin: false, stdout: true, stderr: true, tty: false };

/** Bytes that tell where they are, so that a loss or a swap shows. */
export function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let index = 0; index < length; index += 4)
    bytes.writeUIntBE(index / 4, index, Math.min(4, length - index));
  return bytes;
}
