/** Names of the protocols that Kubernetes speaks over upgraded connections. */

export const SPDY_31 = 'SPDY/3.1';
/** Where a client offers the versions of remotecommand or port-forward that it speaks over SPDY. */
export const PROTOCOL_HEADER = 'X-Stream-Protocol-Version';
export const ACCEPTED_PROTOCOLS_HEADER = 'X-Accepted-Stream-Protocol-Versions';

/**
 * The versions of remotecommand, as they differ here: 1 and 2 have no resize stream, 4 has a Status as JSON on the error
 * stream instead of words, 5 has a half-close of single channels over WebSocket.
 */
export type CommandVersion = 1 | 2 | 3 | 4 | 5;

/** Over SPDY. */
export const COMMAND_PROTOCOLS: ReadonlyMap<string, CommandVersion> = new Map([
  ['v4.channel.k8s.io', 4],
  ['v3.channel.k8s.io', 3],
  ['v2.channel.k8s.io', 2],
  ['channel.k8s.io', 1],
]);

export const COMMAND_PROTOCOL_V4 = 'v4.channel.k8s.io';

export const PORT_FORWARD_PROTOCOL = 'portforward.k8s.io';

/** A WebSocket protocol of numbered channels. */
export interface ChannelProtocol {
  /** Binary messages, or text ones in base64. */
  readonly binary: boolean;
  readonly version: CommandVersion;
}

/** Over WebSocket, for exec and attach. The empty name is that of a client that names none. */
export const COMMAND_CHANNEL_PROTOCOLS: ReadonlyMap<string, ChannelProtocol> = new Map([
  ['v5.channel.k8s.io', { binary: true, version: 5 }],
  ['v4.channel.k8s.io', { binary: true, version: 4 }],
  ['v4.base64.channel.k8s.io', { binary: false, version: 4 }],
  ['channel.k8s.io', { binary: true, version: 1 }],
  ['base64.channel.k8s.io', { binary: false, version: 1 }],
  ['', { binary: true, version: 1 }],
]);

/** Over WebSocket, for port-forward with the ports in the query. */
export const PORT_FORWARD_CHANNEL_PROTOCOLS: ReadonlyMap<string, ChannelProtocol> = new Map([
  ['v4.channel.k8s.io', { binary: true, version: 4 }],
  ['v4.base64.channel.k8s.io', { binary: false, version: 4 }],
  ['', { binary: true, version: 4 }],
]);

/** Over WebSocket: the bytes of a SPDY connection in binary messages (Kubernetes 1.30 and later). */
export const PORT_FORWARD_TUNNEL_PROTOCOL = `${SPDY_31}+${PORT_FORWARD_PROTOCOL}`;

/** What the streams and channels of a command are for; the index is the WebSocket channel. */
export const STREAM_TYPES = ['stdin', 'stdout', 'stderr', 'error', 'resize'] as const;
export type StreamType = (typeof STREAM_TYPES)[number];

/** Headers of a SPDY stream, in lower case as they are sent. */
export const StreamHeader = { type: 'streamtype', port: 'port', requestId: 'requestid' } as const;

/** The client's first choice of those that the server speaks. */
export function negotiate(
  offered: readonly string[],
  spoken: ReadonlyMap<string, unknown>,
): string | undefined {
  return offered.find((name) => spoken.has(name));
}

/** The names in a header that may come several times and hold several names each. */
export function namesIn(header: string | readonly string[] | undefined): string[] {
  const lines = typeof header === 'string' ? [header] : (header ?? []);
  return lines
    .flatMap((line) => line.split(','))
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** A port as a header or a query names it; undefined for what is none. */
export function parsePort(text: string | undefined): number | undefined {
  if (text === undefined || !/^[0-9]{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= 1 && port <= 65535 ? port : undefined;
}
