import { setMaxListeners } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { isIPv6, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Logger, messageOf, PodwrightError, systemErrorCode, systemErrorKind } from '@podwright/core';
import { inject, injectable } from 'inversify';
import { createWebSocketStream, type WebSocket } from 'ws';
import {
  type AttachStreamRequest,
  type CommandRequest,
  type ExecStreamRequest,
  type PortForwardStreamRequest,
  type StreamingServer,
  StreamingServerOptions,
} from '../streaming-server.js';
import { acceptWebSocket, refuse, switchToSpdy } from './handshake.js';
import { PendingRequests } from './pending-requests.js';
import type { ServeOptions } from './serve-options.js';
import { serveSpdyCommand } from './spdy-command.js';
import { serveSpdyPortForward } from './spdy-port-forward.js';
import {
  type PendingRequest,
  planUpgrade,
  type Refusal,
  targetOf,
  type UpgradePlan,
} from './upgrade-plan.js';
import { serveWebSocketCommand } from './websocket-command.js';
import { serveWebSocketPortForward } from './websocket-port-forward.js';

const MINUTE_MS = 60_000;
const DEFAULT_IDLE_MS = 4 * 60 * MINUTE_MS;
const DEFAULT_STREAM_CREATION_MS = 30_000;

/** `StreamingServer` on Node's HTTP server. */
@injectable()
export class HttpStreamingServer implements StreamingServer {
  private readonly pending: PendingRequests<PendingRequest>;
  private readonly disposing = new AbortController();
  /** Upgraded connections, which Node's server knows nothing of any more. */
  private readonly sockets = new Set<Duplex>();
  private server: Server | undefined;
  private url: string | undefined;

  constructor(
    @inject(StreamingServerOptions) private readonly options: StreamingServerOptions,
    @inject(Logger) private readonly logger: Logger,
  ) {
    // Every client listens.
    setMaxListeners(0, this.disposing.signal);
    this.pending = new PendingRequests({
      ttlMs: options.urlTtlMs ?? MINUTE_MS,
      max: options.maxPending ?? 1000,
    });
  }

  get baseUrl(): string {
    this.refuseClosed();
    if (this.url !== undefined) return this.url;
    throw new PodwrightError(
      'failed-precondition',
      'The streaming server is not started: call start() first.',
    );
  }

  async start(): Promise<void> {
    this.refuseClosed();
    if (this.server !== undefined) {
      throw new PodwrightError('failed-precondition', 'The streaming server is started already.');
    }
    const { host = '127.0.0.1', port = 0 } = this.options;
    const server = createServer((request, response) => {
      const plan = planUpgrade(request, this.look(request));
      const refusal = plan.type === 'refusal' ? plan : NOT_UPGRADED;
      response.writeHead(refusal.status, { 'Content-Type': 'text/plain', ...refusal.headers });
      response.end(refusal.message);
    });
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.upgrade(request, socket, head);
    });
    this.server = server;
    try {
      await listen(server, host, port);
    } catch (error) {
      this.server = undefined;
      throw error;
    }
    server.on('error', (error) => {
      this.logger.warn('A streaming client was not let in', { error: messageOf(error) });
    });
    const address = server.address();
    const actualPort = typeof address === 'object' ? address?.port : port;
    this.url = `http://${isIPv6(host) ? `[${host}]` : host}:${actualPort}`;
    this.logger.debug('The streaming server listens', { url: this.url });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.disposing.signal.aborted) return;
    this.disposing.abort();
    this.pending.clear();
    const { server } = this;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    server.closeAllConnections();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  exec(request: ExecStreamRequest): string {
    checkStreams(request);
    return this.register({ kind: 'exec', request });
  }

  attach(request: AttachStreamRequest): string {
    checkStreams(request);
    return this.register({ kind: 'attach', request });
  }

  portForward(request: PortForwardStreamRequest): string {
    return this.register({ kind: 'portforward', request });
  }

  private register(request: PendingRequest): string {
    const { baseUrl } = this;
    return `${baseUrl}/${request.kind}/${this.pending.add(request, Date.now())}`;
  }

  private look({ url }: IncomingMessage): PendingRequest | undefined {
    const target = targetOf(url);
    return target === undefined ? undefined : this.pending.look(target.token, Date.now());
  }

  private refuseClosed(): void {
    if (this.disposing.signal.aborted) {
      throw new PodwrightError('closed', 'The streaming server was disposed of.');
    }
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    // Errors of a connection are followed by its close, on which everything here is built.
    socket.on('error', (error) =>
      this.logger.debug('A streaming connection broke', { error: messageOf(error) }),
    );
    const plan = planUpgrade(request, this.look(request));
    if (plan.type === 'refusal') {
      this.logger.debug('A streaming client was refused', {
        status: plan.status,
        reason: plan.message.trim(),
      });
      refuse(socket, plan);
      return;
    }
    const takeUrl = () => {
      const target = targetOf(request.url);
      if (target !== undefined) this.pending.remove(target.token);
    };
    if (socket instanceof Socket) {
      socket.setTimeout(0);
      socket.setNoDelay(true);
      socket.setKeepAlive(true);
    }
    const options: ServeOptions = {
      idleTimeoutMs: this.options.idleTimeoutMs ?? DEFAULT_IDLE_MS,
      streamCreationTimeoutMs: this.options.streamCreationTimeoutMs ?? DEFAULT_STREAM_CREATION_MS,
      logger: this.logger,
      signal: this.disposing.signal,
    };
    const serving = (done: Promise<void>) => {
      done.catch((error: unknown) => {
        this.logger.error('Serving a streaming client has failed', { error: messageOf(error) });
        socket.destroy();
      });
    };
    if (plan.type === 'spdy-command' || plan.type === 'spdy-port-forward') {
      takeUrl();
      switchToSpdy(socket, head, plan.protocol);
      serving(serveSpdy(plan, socket, options));
    } else {
      // Within the callback, which comes at once or not at all: or the first messages are missed.
      acceptWebSocket(request, socket, head, plan.protocol, (webSocket) => {
        takeUrl();
        serving(serveWebSocket(plan, webSocket, options));
      });
    }
  }
}

type SpdyPlan = UpgradePlan & { type: 'spdy-command' | 'spdy-port-forward' };

async function serveSpdy(plan: SpdyPlan, socket: Duplex, options: ServeOptions): Promise<void> {
  if (plan.type === 'spdy-command') await serveSpdyCommand(socket, plan.request, plan.version, options);
  else await serveSpdyPortForward(socket, plan.request, options);
}

async function serveWebSocket(
  plan: Exclude<UpgradePlan, SpdyPlan>,
  socket: WebSocket,
  options: ServeOptions,
): Promise<void> {
  switch (plan.type) {
    case 'websocket-tunnel':
      return await serveSpdyPortForward(createWebSocketStream(socket), plan.request, options);
    case 'websocket-command':
      return await serveWebSocketCommand(socket, plan.request, plan.channels, options);
    case 'websocket-port-forward':
      return await serveWebSocketPortForward(socket, plan.request, plan.ports, plan.channels, options);
  }
}

/** For a request that has all but the upgrade itself, which Node tells from `Connection: Upgrade`. */
const NOT_UPGRADED: Refusal = {
  type: 'refusal',
  status: 400,
  message: 'unable to upgrade: missing upgrade headers in request (Connection: Upgrade)\n',
  headers: {},
};

/** @throws PodwrightError kind `invalid-argument`, as the kubelet's own streaming server has it */
function checkStreams({ stdin, stdout, stderr, tty }: CommandRequest): void {
  if (tty && stderr) {
    throw new PodwrightError(
      'invalid-argument',
      'tty and stderr cannot both be true: with a terminal all output comes as stdout.',
    );
  }
  if (!stdin && !stdout && !stderr) {
    throw new PodwrightError('invalid-argument', 'One of stdin, stdout and stderr must be set.');
  }
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    const kind =
      systemErrorCode(error) === 'EADDRINUSE' ? 'port-in-use' : (systemErrorKind(error) ?? 'unavailable');
    throw new PodwrightError(
      kind,
      `The streaming server cannot listen on ${host}:${port}: ${messageOf(error)}`,
      {
        cause: error,
        details: { host, port },
      },
    );
  }
}
