import { PodwrightError } from '@podwright/core';
import { DBusBuffer, Message, marshallMessage, messageToJsFmt } from '../../vendor/dbus-next.mjs';
import { type BusValue, receivedValue } from './bus-value.js';

/** Message types of the D-Bus specification, "Message Format". */
export const MessageType = { methodCall: 1, methodReturn: 2, error: 3, signal: 4 } as const;

/** The flag with which a caller says that it wants no reply. */
export const NO_REPLY_EXPECTED = 1;

/** The flag that keeps the daemon from starting the service that is called. */
export const NO_AUTO_START = 2;

/** A message as it is sent; which fields are required depends on its type. */
export interface OutgoingMessage {
  readonly type: number;
  readonly serial: number;
  readonly flags?: number;
  readonly destination?: string;
  readonly path?: string;
  readonly interface?: string;
  readonly member?: string;
  readonly errorName?: string;
  readonly replySerial?: number;
  readonly signature?: string;
  readonly body?: readonly BusValue[];
}

/** A message as it came. */
export interface IncomingMessage {
  readonly type: number;
  readonly serial: number;
  readonly flags: number;
  readonly sender?: string;
  readonly path?: string;
  readonly interface?: string;
  readonly member?: string;
  readonly errorName?: string;
  readonly replySerial?: number;
  /**
   * Read when it is first asked for: systemd tells far more than anybody wants to know, and the fields above say what a
   * message is about. @throws Error when its bytes are no such values
   */
  readonly body: readonly BusValue[];
}

/** The greatest message of the specification: 128 MiB. */
const MAX_MESSAGE_BYTES = 2 ** 27;
const FIXED_HEADER_BYTES = 16;
const LITTLE_ENDIAN = 'l'.charCodeAt(0);

/** @throws PodwrightError kind `invalid-argument` when a name or a value does not fit the message's signature */
export function encodeMessage(message: OutgoingMessage): Buffer {
  try {
    // A Message is good for one sending only: its body is rewritten on the way.
    const [bytes] = marshallMessage(new Message({ ...message, body: [...(message.body ?? [])] }));
    return bytes;
  } catch (cause) {
    const what = `${message.interface ?? ''}.${message.member ?? message.errorName ?? ''}`;
    throw new PodwrightError(
      'invalid-argument',
      `The D-Bus message ${what} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}. ` +
        `Check the names and that each value fits the signature "${message.signature ?? ''}".`,
      { cause },
    );
  }
}

/** Cuts a stream of bytes into messages, wherever the bytes are split. */
export class MessageReader {
  private chunks: Buffer[] = [];
  private length = 0;
  private needed = FIXED_HEADER_BYTES;

  /** @returns the messages completed by these bytes. @throws Error when they are no D-Bus messages */
  push(chunk: Buffer): IncomingMessage[] {
    this.chunks.push(chunk);
    this.length += chunk.length;
    const messages: IncomingMessage[] = [];
    while (this.length >= this.needed) {
      const bytes = this.joined();
      const size = messageSize(bytes);
      if (bytes.length < size) {
        this.needed = size;
        break;
      }
      messages.push(decodeMessage(bytes.subarray(0, size)));
      this.chunks = [bytes.subarray(size)];
      this.length = bytes.length - size;
      this.needed = FIXED_HEADER_BYTES;
    }
    return messages;
  }

  private joined(): Buffer {
    const [first] = this.chunks;
    const bytes = first !== undefined && this.chunks.length === 1 ? first : Buffer.concat(this.chunks);
    this.chunks = [bytes];
    return bytes;
  }
}

function messageSize(bytes: Buffer): number {
  const read = (offset: number) =>
    bytes[0] === LITTLE_ENDIAN ? bytes.readUInt32LE(offset) : bytes.readUInt32BE(offset);
  const fieldsBytes = Math.ceil(read(12) / 8) * 8;
  const size = FIXED_HEADER_BYTES + fieldsBytes + read(4);
  if (size > MAX_MESSAGE_BYTES) throw new Error(`a message of ${size} bytes: this is no D-Bus peer`);
  return size;
}

/** Names of the header fields by their code, as in the specification's "Header Fields". */
const FIELDS = [
  undefined,
  'path',
  'interface',
  'member',
  'errorName',
  'replySerial',
  'destination',
  'sender',
  'signature',
] as const;

function decodeMessage(bytes: Buffer): IncomingMessage {
  const buffer = new DBusBuffer(bytes, 0, bytes.readUInt8(0), undefined, { ayBuffer: true });
  const [, type, flags, , , serial, rawFields] = buffer.read('yyyyuua(yv)');
  buffer.align(3);
  const fields: Record<string, unknown> = {};
  for (const [code, value] of rawFields as [number, [unknown, [unknown]]][]) {
    const name = FIELDS[code];
    if (name !== undefined) fields[name] = value[1][0];
  }
  const signature = typeof fields['signature'] === 'string' ? fields['signature'] : '';
  let values: readonly BusValue[] | undefined;
  return {
    ...fields,
    type: type as number,
    flags: flags as number,
    serial: serial as number,
    get body() {
      values ??= messageToJsFmt({ signature, body: buffer.read(signature) }).body.map(receivedValue);
      return values;
    },
  };
}
