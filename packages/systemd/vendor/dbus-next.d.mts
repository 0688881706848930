// What bundle-dbus-next.mjs exports, as far as this package uses it.

/** A type of a signature and its children, as dbus-next parses it. */
export interface SignatureTree {
  readonly type: string;
  readonly child: readonly SignatureTree[];
}

export class DBusBuffer {
  constructor(
    buffer: Buffer,
    startPos: number,
    endian: number,
    fds: undefined,
    options: { ayBuffer: boolean },
  );
  read(signature: string): unknown[];
  align(power: number): void;
}

export class Variant {
  constructor(signature: string, value: unknown);
  readonly signature: string;
  readonly value: unknown;
}

export interface MessageFields {
  type?: number;
  serial?: number;
  flags?: number;
  path?: string;
  interface?: string;
  member?: string;
  errorName?: string;
  replySerial?: number;
  destination?: string;
  sender?: string;
  signature?: string;
  body?: unknown[];
}

/** Checks the names and required fields of a message. */
export class Message {
  constructor(fields: MessageFields);
}

/** @returns the bytes and the file descriptors to pass */
export function marshallMessage(message: Message): [Buffer, unknown[]];

/** Turns a decoded body into plain values, in place. */
export function messageToJsFmt(message: { signature: string; body: unknown[] }): { body: unknown[] };
