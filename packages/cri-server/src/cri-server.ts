import type { Socket } from 'node:net';
import type { DescService } from '@bufbuild/protobuf';
import { type ConnectionInjector, type Server, ServerCredentials } from '@grpc/grpc-js';
import { Logger, messageOf, RuntimeService } from '@podwright/core';
import {
  addService,
  createServer,
  cri,
  type RpcContext,
  type RpcHandlers,
  withValidAuthority,
} from '@podwright/cri-api';
import { StreamingServer } from '@podwright/cri-streaming';
import { inject, injectable } from 'inversify';
import { failureLevel } from './call-failures.js';
import { CriRuntimeService } from './cri-runtime-service.js';
import { CriServerOptions } from './cri-server-options.js';
import { CriImageService } from './images/cri-image-service.js';
import { OrphanSweeper } from './orphan-sweeper.js';
import { UnixListener } from './unix-listener.js';

/**
 * A CRI v1 endpoint on a unix socket, for a kubelet or crictl, in front of a RuntimeService and an ImageService of any
 * backend. The backend's service has to be started before, and is its owner's to dispose of.
 */
@injectable()
export class CriServer {
  private readonly listener: UnixListener;
  private readonly closing = new AbortController();
  private server: Server | undefined;
  private injector: ConnectionInjector | undefined;

  constructor(
    @inject(CriServerOptions) private readonly options: CriServerOptions,
    @inject(RuntimeService) private readonly runtime: RuntimeService,
    @inject(CriRuntimeService) private readonly runtimeService: CriRuntimeService,
    @inject(CriImageService) private readonly imageService: CriImageService,
    @inject(StreamingServer) private readonly streaming: StreamingServer,
    @inject(OrphanSweeper) private readonly sweeper: OrphanSweeper,
    @inject(Logger) private readonly logger: Logger,
  ) {
    this.listener = new UnixListener(options);
  }

  /**
   * Resolves when clients are served.
   * @throws PodwrightError kind `already-exists` (a server answers at the socket), `permission-denied`,
   *   `invalid-argument`, `port-in-use` (the streaming server's)
   */
  async start(): Promise<void> {
    await this.streaming.start();
    const server = createServer();
    this.serve(server, cri.RuntimeService, this.runtimeService);
    this.serve(server, cri.ImageService, this.imageService);
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
    this.server = server;
    this.injector = injector;
    try {
      await this.listener.listen((socket: Socket) => injector.injectConnection(withValidAuthority(socket)));
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
    this.sweeper.start();
    this.logger.info(`CRI v1 of the backend ${this.runtime.type} is served`, {
      socket: this.options.socketFd === undefined ? this.options.socketPath : `fd ${this.options.socketFd}`,
      streaming: this.streaming.baseUrl,
    });
  }

  /**
   * Takes no more calls, lets those under way end for a while, then cancels them and waits until they are undone. Pods
   * run on.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.closing.signal.aborted) return;
    this.closing.abort();
    await this.sweeper.stop();
    await this.listener.stopListening();
    const { server } = this;
    if (server) await this.endCalls(server);
    this.injector?.destroy();
    this.listener.closeConnections();
    await this.runtimeService.settled();
    await this.streaming[Symbol.asyncDispose]();
  }

  /** Resolves when the last call has ended, or was cancelled as its time was over. */
  private async endCalls(server: Server): Promise<void> {
    await new Promise<void>((resolve) => {
      const deadline = setTimeout(() => {
        server.forceShutdown();
        // A client that does not answer, such as one that is paused, would hold its connection for ever. Nor is grpc-js
        // through with one that was dropped for breaking the protocol.
        this.listener.closeConnections();
        resolve();
      }, this.options.shutdownGraceMs);
      server.tryShutdown(() => {
        clearTimeout(deadline);
        resolve();
      });
    });
  }

  private serve<S extends DescService>(server: Server, service: S, handlers: RpcHandlers<S>): void {
    addService(server, service, endingWith(this.closing.signal, service, handlers), (method, error) => {
      this.logger[failureLevel(method, error)](`${method} failed: ${messageOf(error)}`);
    });
  }
}

/** Streams that nobody ends, such as that of events, end with the server; other calls may come to their end. */
function endingWith<S extends DescService>(
  closing: AbortSignal,
  service: S,
  handlers: RpcHandlers<S>,
): RpcHandlers<S> {
  const byName: Record<string, unknown> = handlers;
  const wrapped = service.methods.map((method) => {
    const handler = byName[method.localName] as (request: unknown, context: RpcContext) => unknown;
    const run = handler.bind(handlers);
    if (method.methodKind !== 'server_streaming') return [method.localName, run];
    return [
      method.localName,
      (request: unknown, { signal }: RpcContext) =>
        untilEither(signal, closing, (either) => run(request, { signal: either }) as AsyncIterable<unknown>),
    ];
  });
  return Object.fromEntries(wrapped) as RpcHandlers<S>;
}

/** AbortSignal.any would keep something of each call for as long as the longer-lived signal lives (Node 20). */
async function* untilEither(
  one: AbortSignal,
  other: AbortSignal,
  run: (either: AbortSignal) => AsyncIterable<unknown>,
): AsyncGenerator<unknown> {
  const controller = new AbortController();
  const abort = () => controller.abort();
  for (const signal of [one, other]) {
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
  }
  try {
    yield* run(controller.signal);
  } finally {
    for (const signal of [one, other]) signal.removeEventListener('abort', abort);
  }
}
