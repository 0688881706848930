import type { Duplex } from 'node:stream';

/**
 * Holds a connection up while any of its streams has more than it should. Meanwhile a server sends pings: while nothing is
 * read, only a write can tell that the peer has gone.
 */
export class ReadHold {
  private readonly holders = new Set<object>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly transport: Duplex,
    private readonly probe?: { readonly intervalMs: number; readonly ping: () => void },
  ) {}

  hold(holder: object): void {
    this.holders.add(holder);
    this.transport.pause();
    if (this.probe) this.timer ??= setInterval(this.probe.ping, this.probe.intervalMs).unref();
  }

  release(holder: object): void {
    if (this.holders.delete(holder) && this.holders.size === 0) this.goOn();
  }

  releaseAll(): void {
    this.holders.clear();
    this.goOn();
  }

  private goOn(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.transport.resume();
  }
}
