import { silentLogger } from '@podwright/core';
import { onTestFinished } from 'vitest';
import { HttpStreamingServer } from './server/http-streaming-server.js';
import type { CommandRequest, StreamingServerOptions } from './streaming-server.js';

/** A started server that is disposed of after the test. */
export async function startServer(options: StreamingServerOptions = {}): Promise<HttpStreamingServer> {
  const server = new HttpStreamingServer(options, silentLogger);
  await server.start();
  onTestFinished(async () => await server[Symbol.asyncDispose]());
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
