import { PassThrough, type Readable, type Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

/** What is kept of an output that nobody reads; with more the command waits, or a runtime drops the connection at its end. */
const BUFFER_BYTES = 4 * 1024 * 1024;
const REST_LOOK_MS = 5;

/**
 * An output as a session's caller has it. It takes what comes without being read, up to its buffer: how a command ended is
 * known when its outputs have come in full, and not every caller reads all of them.
 * @param isLeft whether the caller has closed the connection himself: then the output just ends
 */
export function sessionOutput(source: Readable, isLeft: () => boolean): PassThrough {
  const output = new PassThrough({ highWaterMark: BUFFER_BYTES });
  source.pipe(output);
  source.once('error', (error) => {
    if (isLeft()) output.end();
    else output.destroy(error);
  });
  source.once('close', () => output.end());
  // Whoever does not read it does not hear of its failure either; the end of the session tells.
  output.on('error', () => undefined);
  return output;
}

/**
 * The standard input of a container as an attached client has it.
 * @param endsWithIt whether its end is that of the container's own input (`stdinOnce`). Otherwise it is not sent: the input
 *   stays open for the next client, and runtimes take the end for the client's leaving.
 */
export function sessionInput(target: Writable, endsWithIt: boolean): Writable {
  const input = new PassThrough();
  input.pipe(target, { end: endsWithIt });
  target.once('error', (error) => input.destroy(error));
  target.once('close', () => input.destroy());
  input.on('error', () => undefined);
  return input;
}

/** Resolves when whoever reads an output has had all of it; at once when nobody does. */
export async function givenInFull(output: PassThrough): Promise<void> {
  // Of what is read in pieces nothing but the length of the rest tells that it is empty.
  while (isRead(output) && !output.destroyed && !(output.writableFinished && output.readableLength === 0)) {
    await delay(REST_LOOK_MS);
  }
}

function isRead(output: PassThrough): boolean {
  return output.readableFlowing === true || output.listenerCount('readable') > 0;
}
