import { type ClientHttp2Session, connect } from 'node:http2';
import type { Duplex } from 'node:stream';

/** Answer of a gRPC server to a health check, see grpc/health/v1/health.proto. */
export interface GrpcHealth {
  /** Number of the gRPC status, 0 for OK. */
  readonly grpcStatus: number;
  readonly grpcMessage: string;
  /** Name of the enum ServingStatus; only with status 0. */
  readonly serving: ServingStatus;
}

const SERVING_STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const;
export type ServingStatus = (typeof SERVING_STATUSES)[number];

/**
 * Calls grpc.health.v1.Health/Check over a connection of its own, by the gRPC protocol over HTTP/2 without TLS.
 * @param service name of the service that is asked for; empty: the server as a whole
 * @throws Error when the other side speaks no gRPC, or the signal fires
 */
export async function checkGrpcHealth(
  connection: Duplex,
  authority: string,
  service: string,
  signal: AbortSignal,
): Promise<GrpcHealth> {
  const session = connect(`http://${authority}`, { createConnection: () => connection });
  try {
    return await call(session, encodeRequest(service), signal);
  } finally {
    session.destroy();
    connection.destroy();
  }
}

function call(session: ClientHttp2Session, body: Buffer, signal: AbortSignal): Promise<GrpcHealth> {
  return new Promise((resolve, reject) => {
    session.on('error', reject);
    session.on('close', () => reject(new Error('the connection was closed without an answer')));
    const stream = session.request(
      {
        ':method': 'POST',
        ':path': '/grpc.health.v1.Health/Check',
        'content-type': 'application/grpc',
        te: 'trailers',
        'user-agent': 'podwright-probe/1',
      },
      { signal },
    );
    const chunks: Buffer[] = [];
    let headers: Readonly<Record<string, unknown>> = {};
    stream.on('response', (received) => {
      headers = { ...headers, ...received };
    });
    stream.on('trailers', (received) => {
      headers = { ...headers, ...received };
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('end', () => {
      const grpcStatus = Number(headers['grpc-status'] ?? Number.NaN);
      if (!Number.isInteger(grpcStatus)) {
        reject(new Error(`it answered with HTTP status ${String(headers[':status'])} and no gRPC status`));
        return;
      }
      const grpcMessage = percentDecoded(String(headers['grpc-message'] ?? ''));
      resolve({ grpcStatus, grpcMessage, serving: decodeResponse(Buffer.concat(chunks)) });
    });
    stream.end(body);
  });
}

/** As `grpc-message` is written (grpc/doc/PROTOCOL-HTTP2.md); what is no such text is told as it is. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A gRPC message is framed by a byte for compression and four of its length; field 1 of the request is the name. */
export function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service, 'utf8');
  const message = name.length === 0 ? name : Buffer.concat([Buffer.of(0x0a), varint(name.length), name]);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  return Buffer.concat([frame, message]);
}

/** Field 1 of the answer is the status, a number; an absent field is 0. */
export function decodeResponse(framed: Buffer): ServingStatus {
  const message = framed.subarray(5);
  return SERVING_STATUSES[message[0] === 0x08 ? (message[1] ?? 0) : 0] ?? 'UNKNOWN';
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}
