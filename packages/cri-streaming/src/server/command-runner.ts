import type { Duplex, Readable, Writable } from 'node:stream';
import { type Logger, messageOf, type TerminalSize } from '@podwright/core';
import { type Observable, ReplaySubject } from 'rxjs';
import { type CommandOutcome, encodeStatus, encodeStatusText } from '../command-status.js';
import type { CommandVersion } from '../protocols.js';
import { endAndFlush, hush } from '../stream-ends.js';
import type { AttachStreamRequest, CommandStreams, ExecStreamRequest } from '../streaming-server.js';
import { TerminalSizeParser } from '../terminal-size.js';

/** A client's streams for a command, whatever carries them. */
export interface CommandChannels {
  readonly stdin?: Duplex;
  readonly stdout?: Duplex;
  readonly stderr?: Duplex;
  readonly error: Duplex;
  readonly resize?: Duplex;
}

/**
 * Runs a request's command with the client's streams; then ends the output, and only when that has gone out says on the
 * error stream how it ended. Never fails.
 * @param signal fires when the client has gone
 */
export async function runCommand(
  request: ExecStreamRequest | AttachStreamRequest,
  channels: CommandChannels,
  version: CommandVersion,
  signal: AbortSignal,
  logger: Logger,
): Promise<void> {
  for (const channel of Object.values(channels)) hush(channel);
  const outcome = await run(request, streamsOf(request, channels, signal));
  if (outcome.type === 'failed') {
    logger.warn('A streamed command has failed', { error: outcome.message, clientGone: signal.aborted });
  }
  // What the client still sends is read and dropped, so that its end or its loss is noticed.
  const { stdin, stdout, stderr, error } = channels;
  stdin?.unpipe();
  stdin?.resume();
  await Promise.all([stdout, stderr].map((stream) => stream && endAndFlush(stream)));
  await endAndFlush(error, version >= 4 ? encodeStatus(outcome) : encodeStatusText(outcome));
  await Promise.all([stdin, channels.resize].map((stream) => stream && endAndFlush(stream)));
}

async function run(
  request: ExecStreamRequest | AttachStreamRequest,
  streams: CommandStreams,
): Promise<CommandOutcome> {
  try {
    const exitCode = await request.run(streams);
    return { type: 'exited', exitCode: exitCode ?? 0 };
  } catch (error) {
    return { type: 'failed', message: messageOf(error) };
  }
}

/** Only what was asked for is given; a client may have opened more. */
function streamsOf(
  request: ExecStreamRequest | AttachStreamRequest,
  channels: CommandChannels,
  signal: AbortSignal,
): CommandStreams {
  const readable = (name: 'stdin'): Readable | undefined => {
    const channel = channels[name];
    if (request[name]) return channel;
    channel?.resume();
    return undefined;
  };
  const writable = (name: 'stdout' | 'stderr'): Writable | undefined => {
    const channel = channels[name];
    // The client does not send on it, and the end of its half has to be noticed.
    channel?.resume();
    return request[name] ? channel : undefined;
  };
  channels.error.resume();
  const stdin = readable('stdin');
  const stdout = writable('stdout');
  const stderr = writable('stderr');
  return {
    ...(stdin !== undefined && { stdin }),
    ...(stdout !== undefined && { stdout }),
    ...(stderr !== undefined && { stderr }),
    resize: sizesOf(channels.resize),
    signal,
  };
}

function sizesOf(channel: Readable | undefined): Observable<TerminalSize> {
  const sizes = new ReplaySubject<TerminalSize>(1);
  if (channel === undefined) {
    sizes.complete();
    return sizes;
  }
  const parser = new TerminalSizeParser();
  channel.on('data', (chunk: Buffer) => {
    for (const size of parser.push(chunk.toString('utf8'))) sizes.next(size);
  });
  channel.on('close', () => sizes.complete());
  channel.on('end', () => sizes.complete());
  return sizes;
}
