import { PassThrough, type Readable, type Writable } from 'node:stream';

/** What is kept of an output that nobody reads; with more the command waits. */
const BUFFER_BYTES = 256 * 1024;

/**
 * An output as a session's caller has it. It takes what comes without being read, up to its buffer: how a command ended is
 * known when its outputs have come in full, and not every caller reads all of them.
 * @param isLeft whether the caller has closed the connection himself: then the output just ends
 */
export function sessionOutput(source: Readable, isLeft: () => boolean): Readable {
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
