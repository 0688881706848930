import type { IncomingHttpHeaders } from 'node:http';
import { messageOf } from '@podwright/core';
import {
  ACCEPTED_PROTOCOLS_HEADER,
  type ChannelProtocol,
  COMMAND_CHANNEL_PROTOCOLS,
  COMMAND_PROTOCOLS,
  type CommandVersion,
  namesIn,
  negotiate,
  PORT_FORWARD_CHANNEL_PROTOCOLS,
  PORT_FORWARD_PROTOCOL,
  PORT_FORWARD_TUNNEL_PROTOCOL,
  PROTOCOL_HEADER,
  SPDY_31,
} from '../protocols.js';
import type {
  AttachStreamRequest,
  ExecStreamRequest,
  PortForwardStreamRequest,
} from '../streaming-server.js';
import { portsOf } from './websocket-port-forward.js';

/** A registered request; the kind is part of its URL's path. */
export type PendingRequest =
  | { readonly kind: 'exec'; readonly request: ExecStreamRequest }
  | { readonly kind: 'attach'; readonly request: AttachStreamRequest }
  | { readonly kind: 'portforward'; readonly request: PortForwardStreamRequest };

/** What is looked at of an HTTP request. */
export interface UpgradeRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

/** What a URL of ours names. */
export interface Target {
  readonly kind: string;
  readonly token: string;
  readonly query: URLSearchParams;
}

/** How a client is to be served; `protocol` is what both sides have agreed on. */
export type UpgradePlan =
  | {
      readonly type: 'spdy-command';
      readonly request: ExecStreamRequest | AttachStreamRequest;
      readonly protocol: string;
      readonly version: CommandVersion;
    }
  | {
      readonly type: 'spdy-port-forward';
      readonly request: PortForwardStreamRequest;
      readonly protocol: string;
    }
  | {
      readonly type: 'websocket-command';
      readonly request: ExecStreamRequest | AttachStreamRequest;
      readonly protocol: string;
      readonly channels: ChannelProtocol;
    }
  | {
      readonly type: 'websocket-tunnel';
      readonly request: PortForwardStreamRequest;
      readonly protocol: string;
    }
  | {
      readonly type: 'websocket-port-forward';
      readonly request: PortForwardStreamRequest;
      readonly protocol: string;
      readonly channels: ChannelProtocol;
      readonly ports: readonly number[];
    };

/** An answer over HTTP to a client that cannot be served, with the status that Kubernetes gives. */
export interface Refusal {
  readonly type: 'refusal';
  readonly status: 400 | 403 | 404 | 405;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
}

const PORT_FORWARD_PROTOCOLS: ReadonlyMap<string, unknown> = new Map([[PORT_FORWARD_PROTOCOL, 1]]);
const PORT_FORWARD_WEBSOCKET: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  [PORT_FORWARD_TUNNEL_PROTOCOL, 1],
  ...PORT_FORWARD_CHANNEL_PROTOCOLS,
]);

/** Undefined for a URL that is none of ours. */
export function targetOf(url: string | undefined): Target | undefined {
  if (url === undefined || !URL.canParse(url, 'http://localhost')) return undefined;
  const { pathname, searchParams } = new URL(url, 'http://localhost');
  const [, kind, token] = /^\/(exec|attach|portforward)\/([A-Za-z0-9_-]+)$/.exec(pathname) ?? [];
  if (kind === undefined || token === undefined) return undefined;
  return { kind, token, query: searchParams };
}

/**
 * Decides how to serve a client, or how to refuse it.
 * @param pending what is registered under the URL's token, if anything
 */
export function planUpgrade(
  { method, url, headers }: UpgradeRequest,
  pending: PendingRequest | undefined,
): UpgradePlan | Refusal {
  const target = targetOf(url);
  if (target === undefined) return refuse(404, 'there is no such path');
  if (method !== 'GET' && method !== 'POST') {
    return refuse(405, `method ${method} is not allowed: use GET or POST`, { Allow: 'GET, POST' });
  }
  if (pending === undefined || pending.kind !== target.kind) {
    return refuse(404, 'the URL is unknown: each is good for one client and for a limited time');
  }
  const upgrades = namesIn(headers.upgrade).map((name) => name.toLowerCase());
  if (upgrades.includes('websocket')) return planWebSocket(pending, target, headers);
  if (upgrades.includes(SPDY_31.toLowerCase())) return planSpdy(pending, headers);
  return refuse(400, `unable to upgrade: missing upgrade headers in request (websocket or ${SPDY_31})`);
}

function planSpdy(pending: PendingRequest, headers: IncomingHttpHeaders): UpgradePlan | Refusal {
  const offered = namesIn(headers[PROTOCOL_HEADER.toLowerCase()]);
  if (offered.length === 0) return refuse(400, `unable to upgrade: ${PROTOCOL_HEADER} is required`);
  const spoken = pending.kind === 'portforward' ? PORT_FORWARD_PROTOCOLS : COMMAND_PROTOCOLS;
  const protocol = negotiate(offered, spoken);
  if (protocol === undefined) return noProtocol(offered, spoken);
  if (pending.kind === 'portforward') {
    return { type: 'spdy-port-forward', request: pending.request, protocol };
  }
  const version = COMMAND_PROTOCOLS.get(protocol) ?? 1;
  return { type: 'spdy-command', request: pending.request, protocol, version };
}

function planWebSocket(
  pending: PendingRequest,
  target: Target,
  headers: IncomingHttpHeaders,
): UpgradePlan | Refusal {
  const names = namesIn(headers['sec-websocket-protocol']);
  const offered = names.length > 0 ? names : [''];
  const spoken = pending.kind === 'portforward' ? PORT_FORWARD_WEBSOCKET : COMMAND_CHANNEL_PROTOCOLS;
  const protocol = negotiate(offered, spoken);
  if (protocol === undefined) return noProtocol(offered, spoken);
  if (pending.kind !== 'portforward') {
    const channels = COMMAND_CHANNEL_PROTOCOLS.get(protocol) ?? { binary: true, version: 1 };
    return { type: 'websocket-command', request: pending.request, protocol, channels };
  }
  const { request } = pending;
  const channels = PORT_FORWARD_CHANNEL_PROTOCOLS.get(protocol);
  if (channels === undefined) return { type: 'websocket-tunnel', request, protocol };
  try {
    const ports = portsOf(target.query, request);
    return { type: 'websocket-port-forward', request, protocol, channels, ports };
  } catch (error) {
    return refuse(400, messageOf(error));
  }
}

function noProtocol(offered: readonly string[], spoken: ReadonlyMap<string, unknown>): Refusal {
  const names = [...spoken.keys()].filter((name) => name !== '').join(', ');
  const message = `unable to upgrade: unable to negotiate protocol: client supports ${offered.join(', ')}, server accepts ${names}`;
  return refuse(403, message, { [ACCEPTED_PROTOCOLS_HEADER]: names });
}

function refuse(status: Refusal['status'], message: string, headers: Record<string, string> = {}): Refusal {
  return { type: 'refusal', status, message: `${message}\n`, headers };
}
