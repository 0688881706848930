import type { Duplex, Readable, Writable } from 'node:stream';
import type { AttachSession, ExecSession } from '@podwright/core';
import { hush, readableDone, writableDone } from './stream-ends.js';
import type { CommandStreams } from './streaming-server.js';

/**
 * Connects a backend's running command to a client's streams; for `ExecStreamRequest.run`. A client that goes kills it.
 * @returns the exit code, after all output has gone to the client
 */
export async function serveExecSession(session: ExecSession, streams: CommandStreams): Promise<number> {
  const done = connect(session, streams, () => session.kill());
  const [exitCode] = await Promise.all([session.exitCode, done.output]).finally(done.stop);
  return exitCode;
}

/**
 * Connects a client to a container's first process; for `AttachStreamRequest.run`. A client that goes is detached, and
 * the container runs on.
 */
export async function serveAttachSession(session: AttachSession, streams: CommandStreams): Promise<void> {
  const done = connect(session, streams, () => session.detach());
  await Promise.all([session.ended, done.output]).finally(done.stop);
}

/**
 * Connects a forwarded connection to the one in the pod, each half-close included; for `PortForwardStreamRequest.run`.
 * @param connection to the pod, from `RuntimeService.portForward`
 * @throws whatever the connection to the pod fails with
 */
export async function serveConnection(
  connection: Duplex,
  stream: Duplex,
  signal: AbortSignal,
): Promise<void> {
  const onAbort = () => connection.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const failed = new Promise<void>((resolve, reject) => {
    connection.on('error', (error) => {
      // What the client still sends to one that has said all it had to say is of no use to anybody.
      if (connection.readableEnded) resolve();
      else reject(error);
    });
  });
  hush(stream);
  try {
    connection.pipe(stream);
    stream.pipe(connection);
    await Promise.race([failed, Promise.all([readableDone(connection), writableDone(connection)])]);
    // All of it has to be on its way before the caller ends the stream.
    if (!signal.aborted) await writableDone(stream);
  } finally {
    signal.removeEventListener('abort', onAbort);
    connection.destroy();
  }
}

interface Session {
  readonly stdin?: Writable;
  readonly stdout: Readable;
  readonly stderr?: Readable;
  resize(size: { readonly columns: number; readonly rows: number }): Promise<void>;
}

/** @param leave what to do when the client goes */
function connect(
  session: Session,
  streams: CommandStreams,
  leave: () => Promise<void>,
): { output: Promise<unknown>; stop: () => void } {
  const { stdin, stdout, stderr } = session;
  if (stdin !== undefined) {
    // A command may close its input before it has read all of it.
    hush(stdin);
    if (streams.stdin === undefined) stdin.end();
    else streams.stdin.pipe(stdin);
    void writableDone(stdin).then(() => {
      streams.stdin?.unpipe(stdin);
      streams.stdin?.resume();
    });
  }
  const output = Promise.all([drain(stdout, streams.stdout), stderr && drain(stderr, streams.stderr)]);
  let settings = 0;
  const sizes = streams.resize.subscribe((size) => {
    settings += 1;
    // The input that the client has sent after a size waits until it is set: it may ask for it.
    if (stdin !== undefined) streams.stdin?.unpipe(stdin);
    // A size that cannot be set is not worth the session; without a terminal there is nothing to set.
    const set = session.resize(size).catch(() => undefined);
    void set.then(() => {
      settings -= 1;
      if (settings === 0 && stdin?.writable && !sizes.closed) streams.stdin?.pipe(stdin);
    });
  });
  const onAbort = () => {
    // The session's own promise tells how it ended.
    leave().catch(() => undefined);
  };
  streams.signal.addEventListener('abort', onAbort, { once: true });
  if (streams.signal.aborted) onAbort();
  return {
    output,
    stop: () => {
      sizes.unsubscribe();
      streams.signal.removeEventListener('abort', onAbort);
      if (stdin !== undefined) streams.stdin?.unpipe(stdin);
    },
  };
}

/** Resolves when the source has ended; goes on reading when the client takes no more. */
async function drain(source: Readable, target: Writable | undefined): Promise<void> {
  if (target === undefined) source.resume();
  else {
    source.pipe(target, { end: false });
    void writableDone(target).then(() => source.resume());
  }
  await readableDone(source);
}
