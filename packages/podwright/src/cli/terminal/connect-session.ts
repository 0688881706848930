import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { PodwrightError, type TerminalSize } from '@podwright/core';
import type { CliContext } from '../cli-context.js';
import { DEFAULT_DETACH_KEYS, DetachKeys, parseDetachKeys } from './detach-keys.js';

/** A command that runs, or a client that is attached. */
export interface CliSession {
  readonly stdin?: Writable;
  readonly stdout: Readable;
  readonly stderr?: Readable;
  resize(size: TerminalSize): Promise<void>;
}

export interface ConnectOptions<End> {
  /** The other side has a terminal; this one is raw meanwhile, if it is one. */
  readonly tty: boolean;
  /** Settles when the session has ended, after its output. */
  readonly ended: Promise<End>;
  /** As in `--detach-keys`; only what a person types is looked at. */
  readonly detachKeys?: string;
  /** Leaves when the keys were typed. */
  readonly leave: () => Promise<void>;
}

export function detachKeysFlag(): [flags: string, description: string] {
  return ['--detach-keys <keys>', `what to type to leave, of a terminal (default: ${DEFAULT_DETACH_KEYS})`];
}

/** @throws PodwrightError kind `invalid-argument` when both flags are given and nobody sits at a terminal */
export function checkTerminal(context: CliContext, { stdin, tty }: { stdin: boolean; tty: boolean }): void {
  if (!tty || !stdin || context.stdin.isTTY === true) return;
  throw new PodwrightError(
    'invalid-argument',
    'The flags -i and -t together need a terminal as standard input: leave -t out for a pipe or a file.',
  );
}

/** @throws PodwrightError kind `invalid-argument` for keys that are none, and where nobody types any */
export function checkDetachKeys(
  keys: string | undefined,
  { typed, needs }: { readonly typed: boolean; readonly needs: string },
): void {
  if (keys === undefined) return;
  parseDetachKeys(keys);
  if (!typed) throw new PodwrightError('invalid-argument', `The flag --detach-keys ${needs}.`);
}

/** Connects a session with the terminal or the pipes of this process, until it has ended. */
export async function connectSession<End>(
  context: CliContext,
  session: CliSession,
  { tty, ended, detachKeys = DEFAULT_DETACH_KEYS, leave }: ConnectOptions<End>,
): Promise<End> {
  const { stdin, stdout, stderr } = context;
  const undo: (() => void)[] = [];
  try {
    const raw = tty && stdin.isTTY === true;
    if (session.stdin && raw) {
      undo.push(makeRaw(context));
      undo.push(scanInput(context, session.stdin, new DetachKeys(parseDetachKeys(detachKeys)), leave));
    } else if (session.stdin) {
      undo.push(pipeInput(context, session.stdin));
    }
    if (tty) undo.push(followSize(context, session));
    const [end] = await Promise.all([
      ended,
      pipeline(session.stdout, stdout, { end: false }),
      session.stderr && pipeline(session.stderr, stderr, { end: false }),
    ]);
    return end;
  } finally {
    for (const step of undo.reverse()) step();
    stdin.pause();
  }
}

export function sizeOf({ stdout }: CliContext): TerminalSize | undefined {
  const { columns, rows } = stdout;
  return columns !== undefined && rows !== undefined && columns > 0 && rows > 0
    ? { columns, rows }
    : undefined;
}

/** @returns puts the terminal back as it was; it is done too when this process ends in any other way */
function makeRaw({ stdin }: CliContext): () => void {
  const restore = () => {
    process.off('exit', restore);
    stdin.setRawMode?.(false);
  };
  process.once('exit', restore);
  stdin.setRawMode?.(true);
  return restore;
}

function pipeInput({ stdin }: CliContext, input: Writable): () => void {
  // The other side may end before it has read everything.
  input.on('error', () => stdin.unpipe(input));
  stdin.pipe(input);
  return () => stdin.unpipe(input);
}

function scanInput(
  { stdin }: CliContext,
  input: Writable,
  keys: DetachKeys,
  leave: () => Promise<void>,
): () => void {
  const onData = (chunk: Buffer) => {
    const { passed, detached } = keys.scan(chunk);
    const room = passed.length === 0 || input.write(passed);
    if (detached) {
      stop();
      // Its end is that of the session, which is waited for.
      void leave().catch((error: unknown) => input.destroy(error instanceof Error ? error : undefined));
    } else if (!room) {
      stdin.pause();
      input.once('drain', () => stdin.resume());
    }
  };
  const onEnd = () => input.end(keys.rest());
  const stop = () => {
    stdin.off('data', onData);
    stdin.off('end', onEnd);
  };
  // The other side may end before it has read everything.
  input.on('error', stop);
  stdin.on('data', onData);
  stdin.on('end', onEnd);
  return stop;
}

function followSize(context: CliContext, session: CliSession): () => void {
  const onResize = () => {
    const size = sizeOf(context);
    // It may have ended meanwhile; a size is nothing worth failing for.
    if (size) void session.resize(size).catch(() => undefined);
  };
  context.stdout.on('resize', onResize);
  return () => context.stdout.off('resize', onResize);
}
