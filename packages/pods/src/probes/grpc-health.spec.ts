import { createServer } from 'node:http2';
import { type AddressInfo, connect, type Server } from 'node:net';
import { promisify } from 'node:util';
import { Server as GrpcServer, ServerCredentials, type sendUnaryData, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkGrpcHealth, decodeResponse, encodeRequest } from './grpc-health.js';

let server: { close(): void } | undefined;

afterEach(() => server?.close());

/** A health server that answers with this message and status, and notes what it is asked. */
async function healthServer(answer: Buffer, grpcStatus: string) {
  const asked: { path: string | undefined; body: Buffer }[] = [];
  const http2 = createServer();
  http2.on('stream', (stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      asked.push({ path: headers[':path'], body: Buffer.concat(chunks) });
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': grpcStatus }));
      stream.end(answer);
    });
  });
  const port = await listening(http2);
  return { asked, port };
}

async function listening(it: {
  listen: Server['listen'];
  address: Server['address'];
  close(): unknown;
}): Promise<number> {
  server = { close: () => void it.close() };
  await new Promise<void>((resolve) => it.listen(0, '127.0.0.1', resolve));
  return (it.address() as AddressInfo).port;
}

function check(port: number, service = '', signal = new AbortController().signal) {
  return checkGrpcHealth(connect(port, '127.0.0.1'), `127.0.0.1:${port}`, service, signal);
}

const frame = (...message: number[]) => Buffer.from([0, 0, 0, 0, message.length, ...message]);

describe('checkGrpcHealth', () => {
  it('asks for a service by the protocol, and reads the answer', async () => {
    const { asked, port } = await healthServer(frame(0x08, 1), '0');
    expect(await check(port, 'db')).toEqual({ grpcStatus: 0, grpcMessage: '', serving: 'SERVING' });
    expect(asked).toEqual([{ path: '/grpc.health.v1.Health/Check', body: frame(0x0a, 2, 0x64, 0x62) }]);
  });

  it('tells other states and statuses', async () => {
    const { port } = await healthServer(frame(0x08, 2), '0');
    expect((await check(port)).serving).toBe('NOT_SERVING');
    server?.close();
    const second = await healthServer(Buffer.alloc(0), '12');
    expect((await check(second.port)).grpcStatus).toBe(12);
  });

  it('fails when nobody speaks HTTP/2 there, and when it is cancelled', async () => {
    const { createServer: createPlain } = await import('node:net');
    const port = await listening(createPlain((socket) => socket.end('hello\r\n')));
    await expect(check(port)).rejects.toThrow();
    server?.close();
    const silent = await listening(createPlain(() => undefined));
    await expect(check(silent, '', AbortSignal.timeout(50))).rejects.toThrow();
  });
});

describe('checkGrpcHealth of a server of grpc-js', () => {
  /** Of the service that a probe asks for; others are not known to it. */
  const states: ReadonlyMap<string, number> = new Map([
    ['', 1],
    ['db', 2],
  ]);

  beforeEach(async () => {
    const same = (bytes: Buffer) => bytes;
    const method = { requestStream: false, responseStream: false } as const;
    const codec = {
      ...{ requestSerialize: same, requestDeserialize: same },
      ...{ responseSerialize: same, responseDeserialize: same },
    };
    const grpc = new GrpcServer();
    grpc.addService(
      { Check: { path: '/grpc.health.v1.Health/Check', ...method, ...codec } },
      {
        Check: ({ request }: { request: Buffer }, done: sendUnaryData<Buffer>) => {
          const state = states.get(request.subarray(2).toString());
          if (state === undefined) done({ code: status.NOT_FOUND, details: 'unknown service' });
          else done(null, Buffer.from([0x08, state]));
        },
      },
    );
    const address = '127.0.0.1:0';
    port = await promisify(grpc.bindAsync.bind(grpc))(address, ServerCredentials.createInsecure());
    server = { close: () => grpc.forceShutdown() };
  });

  let port: number;

  it.each([
    ['', { grpcStatus: 0, serving: 'SERVING' }],
    ['db', { grpcStatus: 0, serving: 'NOT_SERVING' }],
    ['other', { grpcStatus: 5, grpcMessage: 'unknown service' }],
  ])('%j', async (service, expected) => expect(await check(port, service)).toMatchObject(expected));
});

describe('the messages', () => {
  it('are encoded as protobuf', () => {
    expect(encodeRequest('')).toEqual(frame());
    const long = encodeRequest('x'.repeat(300));
    expect([...long.subarray(0, 8)]).toEqual([0, 0, 0, 0x01, 0x2f, 0x0a, 0xac, 0x02]);
    expect(decodeResponse(frame())).toBe('UNKNOWN');
    expect(decodeResponse(frame(0x08, 3))).toBe('SERVICE_UNKNOWN');
    expect(decodeResponse(frame(0x08, 9))).toBe('UNKNOWN');
  });
});
