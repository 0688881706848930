import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Subject } from 'rxjs';
import { parseBusAddress } from '../src/bus/bus-address.js';
import { authenticate } from '../src/bus/bus-authentication.js';
import { DAEMON } from '../src/bus/bus-connection.js';
import type { BusValue } from '../src/bus/bus-value.js';
import {
  encodeMessage,
  type IncomingMessage,
  MessageReader,
  MessageType,
  type OutgoingMessage,
} from '../src/bus/message-codec.js';

export interface Answer {
  readonly signature?: string;
  readonly body?: readonly BusValue[];
  readonly errorName?: string;
}

/** Another client of a bus, that can do what ours does not: serve methods, send signals, watch everything that comes. */
export class BusPeer {
  private serial = 0;
  uniqueName = '';
  /** Everything that was sent to this peer. */
  readonly received = new Subject<IncomingMessage>();

  private constructor(private readonly socket: Socket) {}

  static async connect(address: string): Promise<BusPeer> {
    const socket = connect(parseBusAddress(address)[0]);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    await authenticate(socket, address);
    const peer = new BusPeer(socket);
    const reader = new MessageReader();
    socket.on('data', (chunk: Buffer) => {
      for (const message of reader.push(chunk)) peer.received.next(message);
    });
    const [name] = await peer.call({ ...DAEMON, member: 'Hello' });
    peer.uniqueName = String(name);
    return peer;
  }

  send(message: Omit<OutgoingMessage, 'serial'>): number {
    this.serial += 1;
    this.socket.write(encodeMessage({ ...message, serial: this.serial }));
    return this.serial;
  }

  call(message: Omit<OutgoingMessage, 'serial' | 'type'>): Promise<readonly BusValue[]> {
    return new Promise((resolve, reject) => {
      let serial = 0;
      const subscription = this.received.subscribe((reply) => {
        if (reply.replySerial !== serial) return;
        subscription.unsubscribe();
        if (reply.type === MessageType.error)
          reject(new Error(`${reply.errorName}: ${String(reply.body[0])}`));
        else resolve(reply.body);
      });
      serial = this.send({ ...message, type: MessageType.methodCall });
    });
  }

  async own(name: string): Promise<void> {
    const [answer] = await this.call({ ...DAEMON, member: 'RequestName', signature: 'su', body: [name, 4] });
    if (answer !== 1) throw new Error(`the name ${name} is taken`);
  }

  async release(name: string): Promise<void> {
    await this.call({ ...DAEMON, member: 'ReleaseName', signature: 's', body: [name] });
  }

  emit(
    path: string,
    from: string,
    member: string,
    signature = '',
    body: readonly BusValue[] = [],
    destination?: string,
  ) {
    this.send({
      type: MessageType.signal,
      path,
      interface: from,
      member,
      signature,
      body,
      ...(destination === undefined ? {} : { destination }),
    });
  }

  /** Answers method calls; an answer of undefined leaves the caller waiting. */
  serve(answer: (call: IncomingMessage) => Answer | undefined): void {
    this.received.subscribe((call) => {
      if (call.type !== MessageType.methodCall || call.sender === undefined) return;
      const reply = answer(call);
      if (reply !== undefined) this.reply(call, reply);
    });
  }

  reply(call: IncomingMessage, answer: Answer): void {
    this.send({
      type: answer.errorName === undefined ? MessageType.methodReturn : MessageType.error,
      destination: call.sender ?? '',
      replySerial: call.serial,
      ...answer,
    });
  }

  end(): void {
    this.socket.destroy();
  }
}
