import type { Duplex, Readable, Writable } from 'node:stream';
import type { TerminalSize } from '@podwright/core';
import type { ServiceIdentifier } from 'inversify';
import type { Observable } from 'rxjs';

/** What a client has connected for a command or an attachment: only what the request asked for. */
export interface CommandStreams {
  /** Ends when the client half-closes it. */
  readonly stdin?: Readable;
  readonly stdout?: Writable;
  /** Absent with a terminal. */
  readonly stderr?: Writable;
  /** Sizes of the client's terminal; the last one is given again to whoever subscribes. Completes with the client. */
  readonly resize: Observable<TerminalSize>;
  /** Fires when the client has gone, or when the server is disposed of. */
  readonly signal: AbortSignal;
}

/** Which streams there are, as in the CRI's ExecRequest and AttachRequest. */
export interface CommandRequest {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

export interface ExecStreamRequest extends CommandRequest {
  /**
   * Runs the command once the client has connected, and resolves to its exit code. The output streams are ended by the
   * server afterwards, if they are not yet. An error is told to the client by its message.
   */
  readonly run: (streams: CommandStreams) => Promise<number>;
}

export interface AttachStreamRequest extends CommandRequest {
  /** Serves the client until the container has ended or the client has gone. Otherwise as that of exec. */
  readonly run: (streams: CommandStreams) => Promise<void>;
}

export interface PortForwardStreamRequest {
  /** Ports of a client that speaks the old WebSocket protocol and names none in its query. Others name each port. */
  readonly ports?: readonly number[];
  /**
   * Serves one connection of the client to a port; called for each. The stream is ended by the server afterwards, if
   * it is not yet. An error is told to the client by its message.
   * @param stream end it to half-close; ends when the client half-closes
   * @param signal fires when the client has dropped this connection
   */
  readonly run: (port: number, stream: Duplex, signal: AbortSignal) => Promise<void>;
}

/**
 * An HTTP server for the streams of exec, attach and port-forward: a request is registered first, and its client then
 * comes to the URL, over SPDY/3.1 or a WebSocket. A URL is good once and for a limited time, and cannot be guessed.
 */
export interface StreamingServer {
  /** Where it listens, e.g. `http://127.0.0.1:40123`. @throws PodwrightError kind `failed-precondition` before `start()` */
  readonly baseUrl: string;

  /** @throws PodwrightError kind `port-in-use`, `permission-denied` or `unavailable` */
  start(): Promise<void>;
  /** Drops all clients; the signals of what they run fire. URLs not used yet are void. */
  [Symbol.asyncDispose](): Promise<void>;

  /**
   * @returns the URL for the client
   * @throws PodwrightError kind `invalid-argument` (no stream asked for, or stderr with a terminal), `unavailable` (too
   *   many requests whose client has not come yet), `failed-precondition` (not started), `closed`
   */
  exec(request: ExecStreamRequest): string;
  /** As `exec`. */
  attach(request: AttachStreamRequest): string;
  /** As `exec`. */
  portForward(request: PortForwardStreamRequest): string;
}

export const StreamingServer: ServiceIdentifier<StreamingServer> = Symbol.for(
  'podwright.cri-streaming.StreamingServer',
);

export interface StreamingServerOptions {
  /** Address to listen on; default `127.0.0.1`. The streams are neither encrypted nor authorized beyond the URL. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** How long a URL is good for, in milliseconds; default one minute, as the kubelet's. */
  readonly urlTtlMs?: number;
  /** How many requests may wait for their client; default 1000, as the kubelet's. */
  readonly maxPending?: number;
  /** A connection on which nothing has moved for so long is dropped, in milliseconds; default 4 hours. */
  readonly idleTimeoutMs?: number;
  /** How long a client may take to open its streams once connected, in milliseconds; default 30 s. */
  readonly streamCreationTimeoutMs?: number;
}

export const StreamingServerOptions: ServiceIdentifier<StreamingServerOptions> = Symbol.for(
  'podwright.cri-streaming.StreamingServerOptions',
);
