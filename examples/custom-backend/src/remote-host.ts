import { connect, type Socket } from 'node:net';
import {
  type ImageService,
  PodwrightError,
  type RuntimeService,
  throwIfAborted,
  type VolumeProvider,
} from '@podwright/core';
import { inject, injectable, type ServiceIdentifier } from 'inversify';
import { Channel, fromWire, type Message } from './channel.js';

/** What the far side serves. */
export interface FarServices {
  readonly runtime: RuntimeService;
  readonly images: ImageService;
  readonly volumes: VolumeProvider;
}

export type FarName = keyof FarServices;

/** Methods of a service that answer once. */
export type AsyncMethod<S> = {
  [K in keyof S & string]: S[K] extends (...args: never[]) => Promise<unknown> ? K : never;
}[keyof S & string];
type ArgsOf<F> = F extends (...args: infer A) => unknown ? A : never;
type ResultOf<F> = F extends (...args: never[]) => Promise<infer R> ? R : never;

/** Path of the Unix socket at which the far side listens. */
export type SocketPath = string;
export const SocketPath: ServiceIdentifier<SocketPath> = Symbol.for('podwright-backend-remote.SocketPath');

/** Calls to the far side, each over a connection of its own. */
@injectable()
export class RemoteHost {
  readonly #open = new Set<Channel>();
  #isClosed = false;

  constructor(@inject(SocketPath) private readonly path: SocketPath) {}

  /** Calls a method that answers once. @throws what the far side throws, and kind `unavailable`, `cancelled`, `closed` */
  async call<S extends FarName, M extends AsyncMethod<FarServices[S]>>(
    service: S,
    method: M,
    ...args: ArgsOf<FarServices[S][M]>
  ): Promise<ResultOf<FarServices[S][M]>> {
    const { channel, value } = await this.begin(service, method, args);
    channel.close();
    return value as ResultOf<FarServices[S][M]>;
  }

  /**
   * Calls a method that answers with a row of things, and takes them one by one.
   * @param hooks `onReady`: the far side has begun; `until`: fires when no more are wanted
   */
  async *items(
    service: FarName,
    method: string,
    args: readonly unknown[],
    hooks: { readonly onReady?: () => void; readonly until?: AbortSignal } = {},
  ): AsyncGenerator<unknown, undefined> {
    const { channel } = await this.begin(service, method, args);
    const close = () => channel.close();
    hooks.until?.addEventListener('abort', close);
    hooks.onReady?.();
    try {
      for await (const message of channel.messages) {
        if (message.type === 'item') yield message.value;
        else if (message.type === 'error') throw this.#failure(message, args);
        else if (message.type === 'end') return undefined;
      }
      if (!hooks.until?.aborted) throw this.#lost();
    } finally {
      hooks.until?.removeEventListener('abort', close);
      channel.close();
    }
    return undefined;
  }

  /** Sends a call and waits for its first answer; the channel stays open for what else belongs to the call. */
  async begin(
    service: FarName,
    method: string,
    args: readonly unknown[],
  ): Promise<{ channel: Channel; value: unknown }> {
    const { signal, signalAt, plain } = withoutSignal(args);
    if (this.#isClosed) throw closed();
    throwIfAborted(signal);
    const channel = await this.#connect();
    try {
      // It may have fired in the meantime; from the call on, the far side is told.
      throwIfAborted(signal);
      const abort = () => void channel.send({ type: 'abort' }).catch(() => undefined);
      channel.onClose(() => signal?.removeEventListener('abort', abort));
      const at = signalAt === undefined ? {} : { signalAt };
      const sent = channel.send({ type: 'call', service, method, args: plain, ...at });
      signal?.addEventListener('abort', abort);
      await sent;
      const { value: message } = await channel.messages.next();
      if (message?.type === 'result') return { channel, value: message.value };
      throw message?.type === 'error' ? this.#failure(message, args) : this.#lost();
    } catch (error) {
      channel.close();
      throw error;
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const channel of this.#open) channel.close();
  }

  async #connect(): Promise<Channel> {
    const socket = await new Promise<Socket>((resolve, reject) => {
      const connecting = connect({ path: this.path, allowHalfOpen: true }, () => resolve(connecting));
      connecting.once('error', (error) => reject(this.#lost(error)));
    });
    const channel = new Channel(socket);
    this.#open.add(channel);
    channel.onClose(() => this.#open.delete(channel));
    return channel;
  }

  #failure(message: Message & { readonly type: 'error' }, args: readonly unknown[]): Error {
    // Whoever cancels may give a reason of its own, which the far side has not seen.
    if (message.error.kind === 'cancelled') throwIfAborted(withoutSignal(args).signal);
    return fromWire(message.error);
  }

  #lost(cause?: unknown): PodwrightError {
    if (this.#isClosed) return closed();
    return new PodwrightError(
      'unavailable',
      `The far side at ${this.path} does not answer. Start it, or correct backendOptions.socket.`,
      { cause, details: { path: this.path } },
    );
  }
}

function closed(): PodwrightError {
  return new PodwrightError('closed', 'This runtime was disposed of. Create another one.');
}

/** A signal cannot travel: it is taken out here, told by a message, and made anew on the far side. */
function withoutSignal(args: readonly unknown[]) {
  const signalAt = args.findIndex((arg) => signalOf(arg) !== undefined);
  if (signalAt < 0) return { plain: args };
  const plain = args.map((arg, index) =>
    index === signalAt ? { ...(arg as object), signal: undefined } : arg,
  );
  return { signal: signalOf(args[signalAt]), signalAt, plain };
}

function signalOf(arg: unknown): AbortSignal | undefined {
  const found = typeof arg === 'object' && arg !== null && 'signal' in arg ? arg.signal : undefined;
  return found instanceof AbortSignal ? found : undefined;
}
