import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A registry on loopback that passes everything on to another, but for one blob, which it sends only when released. */
export class StallingProxy {
  /** Resolves when somebody has asked for that blob. */
  readonly stalled: Promise<void>;
  /** Resolves when whoever asked for it has hung up. */
  readonly hungUp: Promise<void>;
  readonly #server: Server;
  #digest: string | undefined;
  readonly #released = deferred();

  private constructor(target: string) {
    const stalled = deferred();
    const hungUp = deferred();
    this.stalled = stalled.promise;
    this.hungUp = hungUp.promise;
    const [host, port] = target.split(':');
    this.#server = createServer((incoming, answer) => {
      const pass = () => {
        const outgoing = request(
          { host, port, path: incoming.url, method: incoming.method, headers: incoming.headers },
          (response) => {
            answer.writeHead(response.statusCode ?? 502, response.headers);
            response.pipe(answer);
          },
        );
        outgoing.on('error', () => answer.destroy());
        incoming.pipe(outgoing);
      };
      if (this.#digest === undefined || !incoming.url?.endsWith(`/blobs/${this.#digest}`)) {
        pass();
        return;
      }
      answer.on('close', () => {
        if (!answer.writableFinished) hungUp.resolve();
      });
      stalled.resolve();
      void this.#released.promise.then(pass);
    });
  }

  /** @param target `host:port` of a registry without TLS */
  static async listen(target: string): Promise<StallingProxy> {
    const proxy = new StallingProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stall(digest: string): void {
    this.#digest = digest;
  }

  release(): void {
    this.#released.resolve();
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
