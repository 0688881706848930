import { type CallOptions, Clock, messageOf, PodwrightError, throwIfAborted } from '@podwright/core';
import { cri, openChannel, type RpcChannel, type RpcClient, type RpcOptions } from '@podwright/cri-api';
import { inject, injectable } from 'inversify';
import { CriBackendOptions } from './backend-options.js';
import { type CallOfRuntime, runtimeError } from './runtime-errors.js';

/** In the words of containerd. */
const STARTING = /is in (starting|removing) state|already in removing state/;
/** How long such a state is waited for, and how often it is looked at, in milliseconds. */
const SETTLE_MS = 30_000;
const SETTLE_LOOK_MS = 50;

interface CallSettings extends CallOptions {
  /** Which errors it has. Default `other`. */
  readonly kind?: CallOfRuntime;
  /** Default: `callTimeoutMs`. */
  readonly timeoutMs?: number;
}

interface Clients {
  readonly runtime: RpcClient<typeof cri.RuntimeService>;
  readonly images: RpcClient<typeof cri.ImageService>;
}

/** The connection to the runtime's socket. It comes back by itself when the runtime does. */
@injectable()
export class CriConnection {
  private channel: (RpcChannel & { readonly clients: Clients }) | undefined;
  private closed = false;

  constructor(
    @inject(CriBackendOptions) private readonly options: CriBackendOptions,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Calls the runtime.
   * @param what the call in words when it fails, such as `The container 1f3c… was not started`
   * @throws PodwrightError kind `closed`, `unavailable`, `timeout`, `cancelled` or what the call says
   */
  async call<T>(
    what: string,
    action: (clients: Clients, options: RpcOptions) => Promise<T>,
    { signal, kind, timeoutMs = this.options.callTimeoutMs }: CallSettings = {},
  ): Promise<T> {
    const { clients } = this.open();
    throwIfAborted(signal);
    try {
      return await action(clients, { timeoutMs, ...(signal ? { signal } : {}) });
    } catch (error) {
      this.throwIfClosed();
      throwIfAborted(signal);
      throw runtimeError(error, what, kind);
    }
  }

  /** Calls the runtime and goes on where what was named is not there. */
  async callIfThere<T>(
    what: string,
    action: (clients: Clients, options: RpcOptions) => Promise<T>,
    settings: CallSettings = {},
  ): Promise<T | undefined> {
    try {
      return await this.call(what, action, settings);
    } catch (error) {
      if (PodwrightError.is(error, 'not-found')) return undefined;
      throw error;
    }
  }

  /** As `callIfThere`, for what the runtime refuses while it is still starting it: then it is tried again for a while. */
  async callWhenSettled<T>(
    what: string,
    action: (clients: Clients, options: RpcOptions) => Promise<T>,
    settings: CallSettings = {},
  ): Promise<T | undefined> {
    for (let waitedMs = 0; ; waitedMs += SETTLE_LOOK_MS) {
      try {
        return await this.callIfThere(what, action, settings);
      } catch (error) {
        if (waitedMs >= SETTLE_MS || !STARTING.test(messageOf(error))) throw error;
        await this.clock.sleep(SETTLE_LOOK_MS, settings.signal);
      }
    }
  }

  /** What a container event says is looked up by whoever hears of it; ends when the runtime goes away. */
  events(signal: AbortSignal): AsyncIterable<cri.ContainerEventResponse> {
    return this.open().clients.runtime.getContainerEvents({}, { signal });
  }

  /** @throws PodwrightError kind `unavailable` when nobody answers there in time */
  async waitForReady(): Promise<void> {
    const { address, connectTimeoutMs } = this.options;
    try {
      await this.open().waitForReady(connectTimeoutMs);
    } catch (cause) {
      throw new PodwrightError(
        'unavailable',
        `No container runtime answers at ${address}: start it, or correct backendOptions.address.`,
        { cause, details: { address } },
      );
    }
  }

  throwIfClosed(): void {
    if (this.closed) {
      throw new PodwrightError('closed', 'The runtime was disposed of: make a new one.');
    }
  }

  close(): void {
    this.closed = true;
    this.channel?.close();
    this.channel = undefined;
  }

  private open() {
    this.throwIfClosed();
    if (this.channel) return this.channel;
    const channel = openChannel(this.options.address);
    const clients = {
      runtime: channel.service(cri.RuntimeService),
      images: channel.service(cri.ImageService),
    };
    this.channel = { ...channel, clients };
    return this.channel;
  }
}
