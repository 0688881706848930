import { connect, type Socket } from 'node:net';
import { messageOf, PodwrightError } from '@podwright/core';
import type { BusEndpoint } from './bus-address.js';
import { authenticate } from './bus-authentication.js';
import { busError, unavailable } from './bus-error.js';
import type { BusValue } from './bus-value.js';
import {
  encodeMessage,
  type IncomingMessage,
  MessageReader,
  MessageType,
  NO_AUTO_START,
  NO_REPLY_EXPECTED,
} from './message-codec.js';
import type { BusCall, BusSignal } from './systemd-bus.js';

interface PendingCall {
  resolve(body: readonly BusValue[]): void;
  reject(error: PodwrightError): void;
  readonly what: string;
}

export interface ConnectionOptions {
  readonly endpoint: BusEndpoint;
  /** The endpoint for messages to people. */
  readonly address: string;
  /** For connecting, authenticating and the first call together. */
  readonly connectTimeoutMs: number;
  /** For calls without a time of their own. */
  readonly callTimeoutMs: number;
  readonly onSignal: (signal: BusSignal) => void;
}

/**
 * A system bus allows 128 unanswered calls for each client (max_replies_per_connection in dbus-daemon(1)) and refuses more.
 * The rest is for calls that were given up here and that the daemon still counts.
 */
const MAX_IN_FLIGHT = 96;

/** One connection to a bus daemon, from connecting to its end. It never comes back: `ReconnectingBus` makes the next. */
export class BusConnection {
  /** By serial: calls without an answer, sent or not. */
  private readonly pending = new Map<number, PendingCall>();
  private readonly unsent: { readonly serial: number; readonly bytes: Buffer }[] = [];
  private readonly inFlight = new Set<number>();
  private lastSerial = 0;
  private failure: PodwrightError | undefined;
  /** Settles with the reason when the connection has ended. Never rejects. */
  readonly ended: Promise<PodwrightError>;

  private constructor(
    private readonly socket: Socket,
    private readonly options: ConnectionOptions,
  ) {
    const reader = new MessageReader();
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const message of reader.push(chunk)) this.receive(message);
      } catch (cause) {
        this.failUnreadable(cause);
      }
    });
    socket.on('error', (cause) => {
      this.fail(PodwrightError.is(cause) ? cause : unavailable(options.address, messageOf(cause), cause));
    });
    this.ended = new Promise((resolve) => {
      socket.on('close', () => {
        this.fail(unavailable(options.address, 'the daemon closed the connection'));
        resolve(this.failure ?? unavailable(options.address, 'it ended'));
      });
    });
  }

  /** @throws PodwrightError kind `unavailable`, `permission-denied` */
  static async open(options: ConnectionOptions): Promise<BusConnection> {
    const socket = connect(options.endpoint);
    // Errors are told by whichever step they end; one between two steps must not be nobody's.
    socket.on('error', () => undefined);
    const { address, connectTimeoutMs } = options;
    const timer = setTimeout(() => {
      socket.destroy(
        unavailable(
          address,
          `no answer within ${connectTimeoutMs} ms. The daemon hangs, or it cannot tell who this process is, as it ` +
            'happens across user namespaces',
        ),
      );
    }, connectTimeoutMs);
    try {
      await connected(socket, address);
      await authenticate(socket, address);
      const connection = new BusConnection(socket, options);
      await connection.call({ ...DAEMON, member: 'Hello', timeoutMs: connectTimeoutMs });
      return connection;
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * @param onReply called with the reply before any later message is looked at; a promise settles after them
   */
  call(call: BusCall, onReply?: (body: readonly BusValue[]) => void): Promise<readonly BusValue[]> {
    const what = `${call.interface}.${call.member}`;
    return new Promise((resolve, reject) => {
      if (call.signal?.aborted) throw cancelled(what, call.signal);
      if (this.failure !== undefined) throw this.failure;
      this.lastSerial += 1;
      const serial = this.lastSerial;
      const bytes = encodeMessage({
        type: MessageType.methodCall,
        serial,
        flags: call.autoStart === true ? 0 : NO_AUTO_START,
        destination: call.destination,
        path: call.path,
        interface: call.interface,
        member: call.member,
        signature: call.signature ?? '',
        body: call.body ?? [],
      });
      const timeoutMs = call.timeoutMs ?? this.options.callTimeoutMs;
      const timer = setTimeout(() => {
        this.pending
          .get(serial)
          ?.reject(
            new PodwrightError(
              'timeout',
              `${what} had no answer from ${call.destination} within ${timeoutMs} ms. It may still take effect.`,
              { details: { timeoutMs } },
            ),
          );
      }, timeoutMs);
      const { signal } = call;
      const onAbort = () => this.pending.get(serial)?.reject(cancelled(what, signal));
      const settle = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        this.pending.delete(serial);
        if (this.inFlight.delete(serial)) this.sendNext();
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.pending.set(serial, {
        what,
        resolve: (body) => {
          settle();
          onReply?.(body);
          resolve(body);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      this.unsent.push({ serial, bytes });
      this.sendNext();
    });
  }

  private sendNext(): void {
    while (this.failure === undefined && this.inFlight.size < MAX_IN_FLIGHT) {
      const next = this.unsent.shift();
      if (next === undefined) return;
      if (!this.pending.has(next.serial)) continue;
      this.inFlight.add(next.serial);
      this.socket.write(next.bytes);
    }
  }

  /** Ends it; what is pending fails with `reason`. */
  async close(reason: PodwrightError): Promise<void> {
    this.fail(reason);
    await this.ended;
  }

  private fail(error: PodwrightError): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    for (const call of [...this.pending.values()]) call.reject(error);
    this.socket.destroy();
  }

  private receive(message: IncomingMessage): void {
    switch (message.type) {
      case MessageType.methodReturn:
        this.pending.get(message.replySerial ?? 0)?.resolve(message.body);
        return;
      case MessageType.error: {
        const call = this.pending.get(message.replySerial ?? 0);
        const [text] = message.body;
        call?.reject(busError(call.what, message.errorName ?? '', typeof text === 'string' ? text : ''));
        return;
      }
      case MessageType.signal:
        if (
          message.sender !== undefined &&
          message.path !== undefined &&
          message.interface !== undefined &&
          message.member !== undefined
        ) {
          const { sender, path, interface: from, member } = message;
          const read = () => this.bodyOf(message);
          this.options.onSignal({
            sender,
            path,
            interface: from,
            member,
            get body() {
              return read();
            },
          });
        }
        return;
      default:
        this.refuse(message);
    }
  }

  /** Of a signal, for whoever looks at it: what cannot be read ends the connection, and is no error of theirs. */
  private bodyOf(message: IncomingMessage): readonly BusValue[] {
    if (this.failure !== undefined) return [];
    try {
      return message.body;
    } catch (cause) {
      this.failUnreadable(cause);
      return [];
    }
  }

  private failUnreadable(cause: unknown): void {
    this.fail(unavailable(this.options.address, `it sent what cannot be read (${messageOf(cause)})`, cause));
  }

  /** This connection serves no methods; the specification asks for an answer all the same. */
  private refuse(message: IncomingMessage): void {
    if (message.type !== MessageType.methodCall || (message.flags & NO_REPLY_EXPECTED) !== 0) return;
    if (message.sender === undefined) return;
    this.lastSerial += 1;
    const reply = { serial: this.lastSerial, destination: message.sender, replySerial: message.serial };
    const isPing = message.interface === 'org.freedesktop.DBus.Peer' && message.member === 'Ping';
    this.socket.write(
      encodeMessage(
        isPing
          ? { ...reply, type: MessageType.methodReturn }
          : {
              ...reply,
              type: MessageType.error,
              errorName: 'org.freedesktop.DBus.Error.UnknownMethod',
              signature: 's',
              body: ['This client has no methods.'],
            },
      ),
    );
  }
}

/** The bus daemon itself, as part of a call. */
export const DAEMON = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
} as const;

function connected(socket: Socket, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (cause: NodeJS.ErrnoException) => {
      if (PodwrightError.is(cause)) reject(cause);
      else if (cause.code === 'EACCES' || cause.code === 'EPERM') {
        reject(
          new PodwrightError(
            'permission-denied',
            `The D-Bus system bus at ${address} refused this user: ${cause.message}. Run as root.`,
            { cause },
          ),
        );
      } else reject(unavailable(address, cause.message, cause));
    };
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.off('error', onError);
      resolve();
    });
  });
}

function cancelled(what: string, signal: AbortSignal | undefined): PodwrightError {
  return new PodwrightError('cancelled', `${what} was cancelled by its caller. It may still take effect.`, {
    cause: signal?.reason,
  });
}
