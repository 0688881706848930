import type { Readable } from 'node:stream';
import { PodwrightError, type TerminalSize, throwIfAborted } from '@podwright/core';
import { decodeStatus } from '../command-status.js';
import { COMMAND_PROTOCOL_V4, StreamHeader, type StreamType } from '../protocols.js';
import type { SpdyConnection } from '../spdy/spdy-connection.js';
import type { SpdyStream } from '../spdy/spdy-stream.js';
import { hush } from '../stream-ends.js';
import { encodeTerminalSize } from '../terminal-size.js';
import type { RemoteCommand, RemoteCommandOptions } from './remote-command.js';
import { connectSpdy } from './upgrade.js';

/** Longest Status taken. */
const MAX_STATUS_BYTES = 1024 * 1024;

/**
 * Connects to the URL of an exec or attach request, over SPDY/3.1 with version 4 of the remotecommand protocol, which all
 * CRI runtimes speak.
 * @param url good once
 * @param options the same streams as the URL was asked for with; the signal drops the connection at any time
 * @throws PodwrightError as `connectSpdy`, when the streams cannot be opened
 */
export async function remoteExec(url: string, options: RemoteCommandOptions = {}): Promise<RemoteCommand> {
  const connection = await connectSpdy(url, COMMAND_PROTOCOL_V4, options);
  const onAbort = () => connection.destroy();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  void connection.closed.then(() => options.signal?.removeEventListener('abort', onAbort));
  try {
    if (options.signal?.aborted) onAbort();
    return await openCommand(connection, options);
  } catch (error) {
    connection.destroy();
    throwIfAborted(options.signal);
    throw error;
  }
}

async function openCommand(
  connection: SpdyConnection,
  options: RemoteCommandOptions,
): Promise<RemoteCommand> {
  const { stdin = false, stdout = true, tty = false, stderr = !tty } = options;
  const open = async (wanted: boolean, type: StreamType) => {
    if (!wanted) return undefined;
    const stream = await connection.openStream({ [StreamHeader.type]: type });
    // What goes wrong on any of them is told by the exit code's promise.
    hush(stream);
    return stream;
  };
  // One after the other, in the order of Kubernetes' own client.
  const error = await open(true, 'error');
  const input = await open(stdin, 'stdin');
  const output = await open(stdout, 'stdout');
  const errorOutput = await open(stderr && !tty, 'stderr');
  const sizes = await open(tty, 'resize');
  if (error === undefined) throw new PodwrightError('internal', 'There is no error stream.');
  // Nothing comes on these; their ends are to be noticed.
  input?.resume();
  sizes?.resume();
  const outputs = [output, errorOutput].filter((stream) => stream !== undefined);
  const exitCode = waitForExit(connection, error, outputs, options.signal);
  exitCode.catch(() => undefined);
  return {
    ...(input && { stdin: input }),
    ...(output && { stdout: output }),
    ...(errorOutput && { stderr: errorOutput }),
    exitCode,
    resize: (size) => resize(sizes, size),
    close: async () => {
      connection.destroy();
      await connection.closed;
    },
  };
}

async function waitForExit(
  connection: SpdyConnection,
  error: SpdyStream,
  outputs: readonly SpdyStream[],
  signal: AbortSignal | undefined,
): Promise<number> {
  try {
    const text = await readText(error);
    await Promise.all(outputs.map(received));
    const outcome = decodeStatus(text);
    if (outcome.type === 'exited') return outcome.exitCode;
    throw new PodwrightError('command-failed', outcome.message);
  } catch (failure) {
    throwIfAborted(signal);
    throw failure;
  } finally {
    connection.hangUp();
  }
}

async function received(stream: SpdyStream): Promise<void> {
  if (stream.isReceived || stream.destroyed) return;
  await new Promise<void>((resolve) => {
    stream.once('received', resolve);
    stream.once('close', resolve);
  });
}

async function readText(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    if (!Buffer.isBuffer(chunk)) continue;
    chunks.push(chunk);
    length += chunk.length;
    if (length > MAX_STATUS_BYTES) break;
  }
  if (length > 0) return Buffer.concat(chunks).toString('utf8');
  throw new PodwrightError('unavailable', 'The streaming server has not said how the command ended.');
}

async function resize(stream: SpdyStream | undefined, size: TerminalSize): Promise<void> {
  if (stream === undefined) {
    throw new PodwrightError('failed-precondition', 'There is no terminal to resize: ask for it with tty.');
  }
  await new Promise<void>((resolve) => {
    stream.write(encodeTerminalSize(size), () => resolve());
  });
}
