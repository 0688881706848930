import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, createServer as createNetServer, type Server as NetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials, type Server, ServerCredentials } from '@grpc/grpc-js';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addService, createServer, cri, withValidAuthority } from './index.js';
import { serviceDefinition } from './service-definition.js';
import { AuthorityFilter, correctAuthority } from './unix-authority.js';

const literal = (first: number, value: string) => [first, value.length, ...Buffer.from(value)];

/** Header blocks as RFC 7541 has them, before and after. */
const BLOCKS: readonly { what: string; block: readonly number[]; becomes: readonly number[] }[] = [
  { what: 'a plain text, to be indexed', block: literal(0x41, '/run/x'), becomes: literal(0x41, '-run-x') },
  { what: 'a plain text, not indexed', block: literal(0x01, '/run/x'), becomes: literal(0x01, '-run-x') },
  { what: 'never indexed', block: literal(0x11, '/a'), becomes: literal(0x11, '-a') },
  { what: 'a path is left alone', block: literal(0x44, '/run/x'), becomes: literal(0x44, '/run/x') },
  {
    what: 'after indexed fields',
    block: [0x83, 0x86, ...literal(0x41, '/a')],
    becomes: [0x83, 0x86, ...literal(0x41, '-a')],
  },
  {
    what: 'after a size update',
    block: [0x3f, 0xe1, 0x1f, ...literal(0x41, '/a')],
    becomes: [0x3f, 0xe1, 0x1f, ...literal(0x41, '-a')],
  },
  { what: 'a new name and value', block: [0x40, 1, 0x61, 1, 0x2f], becomes: [0x40, 1, 0x61, 1, 0x2f] },
  // `/` is 011000 and `-` is 010110; both are padded with ones.
  { what: 'a compressed text', block: [0x41, 0x81, 0b01100011], becomes: [0x41, 0x81, 0b01011011] },
  { what: 'a block that is cut off', block: [0x41, 9, 0x2f], becomes: [0x41, 9, 0x2f] },
];

describe('the authority in a header block', () => {
  it.each(BLOCKS)('$what', ({ block, becomes }) => {
    const bytes = Buffer.from(block);
    correctAuthority(bytes);
    expect([...bytes]).toEqual(becomes);
  });
});

describe('a connection', () => {
  const frame = (type: number, payload: readonly number[]) =>
    Buffer.from([0, 0, payload.length, type, 4, 0, 0, 0, 1, ...payload]);
  const sent = Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(4, []),
    frame(1, literal(0x41, '/run/a')),
    frame(0, literal(0x41, '/data')),
    frame(1, literal(0x41, '/run/b')),
  ]);
  const passed = Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(4, []),
    frame(1, literal(0x41, '-run-a')),
    frame(0, literal(0x41, '/data')),
    frame(1, literal(0x41, '-run-b')),
  ]);

  it('holds back no headers that are longer than HTTP/2 allows them to be', () => {
    const filter = new AuthorityFilter();
    const tooLong = Buffer.concat([sent, Buffer.from([0xff, 0xff, 0xff, 1, 4, 0, 0, 0, 1, 0x41])]);
    filter.write(tooLong);
    expect(filter.read()).toHaveLength(tooLong.length);
  });

  it('has valid authorities however its bytes arrive', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(sent.length), { maxLength: 12 }), async (cuts) => {
        const filter = new AuthorityFilter();
        const bounds = [0, ...cuts.sort((a, b) => a - b), sent.length];
        for (const [index, to] of bounds.slice(1).entries())
          filter.write(Buffer.from(sent.subarray(bounds[index], to)));
        filter.end();
        const chunks: Buffer[] = [];
        for await (const chunk of filter) chunks.push(chunk);
        expect(Buffer.concat(chunks).equals(passed)).toBe(true);
      }),
    );
  });
});

describe('a call whose authority is a path', () => {
  let directory: string;
  let rpc: Server;
  let listener: NetServer;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'authority-'));
    rpc = createServer();
    addService(rpc, cri.ImageService, {
      imageFsInfo: async () => ({ imageFilesystems: [{ timestamp: 7n }] }),
      listImages: () => Promise.reject(new Error('not used here')),
      imageStatus: () => Promise.reject(new Error('not used here')),
      pullImage: () => Promise.reject(new Error('not used here')),
      removeImage: () => Promise.reject(new Error('not used here')),
      async *streamImages() {},
    });
    const injector = rpc.createConnectionInjector(ServerCredentials.createInsecure());
    listener = createNetServer((socket) => injector.injectConnection(withValidAuthority(socket)));
    await new Promise<void>((resolve) => listener.listen(join(directory, 's'), resolve));
  });

  afterEach(async () => {
    listener.close();
    rpc.forceShutdown();
    await rm(directory, { recursive: true });
  });

  it('is not waited for when the client broke the protocol and has gone', async () => {
    const socket = createConnection(join(directory, 's'));
    const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    const settingsOfAStream = Buffer.from([0, 0, 5, 4, 4, 0, 0, 0, 1, 1, 2, 3, 4, 5]);
    socket.write(Buffer.concat([preface, Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]), settingsOfAStream]));
    await new Promise<void>((resolve) => socket.once('data', () => resolve()));
    const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.destroy();
    await gone;
    await new Promise<void>((resolve) => rpc.tryShutdown(() => resolve()));
  });

  it.each(['/run/podwright/cri.sock', 'localhost', '/a'])('%s', async (authority) => {
    const client = new Client(`unix://${join(directory, 's')}`, credentials.createInsecure(), {
      'grpc.default_authority': authority,
    });
    const method = serviceDefinition(cri.ImageService)['imageFsInfo'];
    if (!method) throw new Error('no such method');
    const response = await new Promise<unknown>((resolve, reject) =>
      client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        {},
        (error, value) => (error ? reject(error) : resolve(value)),
      ),
    );
    client.close();
    expect(response).toMatchObject({ imageFilesystems: [{ timestamp: 7n }] });
  });
});
