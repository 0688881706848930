import { constants, createDeflate, createInflate } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SPDY_DICTIONARY } from './dictionary.js';
import { encodeFrame } from './frame-encoder.js';
import { FrameParser } from './frame-parser.js';
import { type Frame, MAX_FRAME_BYTES, ResetStatus, SettingId } from './frames.js';
import { decodeHeaderBlock, encodeHeaderBlock, HeaderDecoder, HeaderEncoder } from './header-codec.js';

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

function parse(...chunks: Buffer[]): Frame[] {
  const parser = new FrameParser(new HeaderDecoder());
  return chunks.flatMap((chunk) => [...parser.push(chunk)]);
}

/** The pieces of each data frame as one. */
function whole(frames: readonly Frame[]): Frame[] {
  const result: Frame[] = [];
  for (const frame of frames) {
    const last = result.at(-1);
    if (frame.type === 'data' && last?.type === 'data' && last.streamId === frame.streamId && !last.fin) {
      result[result.length - 1] = { ...frame, data: Buffer.concat([last.data, frame.data]) };
    } else result.push(frame);
  }
  return result;
}

describe('the dictionary', () => {
  it('is that of SPDY/3', () => {
    expect(SPDY_DICTIONARY.length).toBe(1423);
    let a = 1;
    let b = 0;
    for (const byte of SPDY_DICTIONARY) {
      a = (a + byte) % 65521;
      b = (b + a) % 65521;
    }
    expect((b * 0x10000 + a).toString(16)).toBe('e3c6a7c2');
  });
});

describe('frames as the specification draws them', () => {
  const cases: { frame: Frame; bytes: string }[] = [
    {
      frame: { type: 'data', streamId: 3, fin: false, data: Buffer.from('hello\n') },
      bytes: '00000003 00 000006 68656c6c6f0a',
    },
    { frame: { type: 'data', streamId: 3, fin: true, data: Buffer.alloc(0) }, bytes: '00000003 01 000000' },
    {
      frame: { type: 'rst-stream', streamId: 7, status: ResetStatus.cancel },
      bytes: '8003 0003 00 000008 00000007 00000005',
    },
    {
      frame: {
        type: 'settings',
        clear: false,
        settings: [{ id: SettingId.initialWindowSize, flags: 0, value: 0x40000 }],
      },
      bytes: '8003 0004 00 00000c 00000001 00 000007 00040000',
    },
    {
      frame: { type: 'settings', clear: true, settings: [{ id: 4, flags: 1, value: 100 }] },
      bytes: '8003 0004 01 00000c 00000001 01 000004 00000064',
    },
    { frame: { type: 'ping', id: 2 }, bytes: '8003 0006 00 000004 00000002' },
    {
      frame: { type: 'goaway', lastGoodStreamId: 9, status: 1 },
      bytes: '8003 0007 00 000008 00000009 00000001',
    },
    {
      frame: { type: 'window-update', streamId: 1, delta: 65536 },
      bytes: '8003 0009 00 000008 00000001 00010000',
    },
  ];
  it.each(cases)('$frame.type: $bytes', ({ frame, bytes }) => {
    expect(encodeFrame(frame, new HeaderEncoder())).toEqual(hex(bytes));
    expect(parse(hex(bytes))).toEqual([frame]);
  });

  it('the block of headers: a count, and lengths before names and values', () => {
    const bytes = hex('00000001 0000000a 73747265616d74797065 00000005 6572726f72');
    expect(encodeHeaderBlock({ streamtype: 'error' })).toEqual(bytes);
    expect(decodeHeaderBlock(bytes)).toEqual({ streamtype: 'error' });
  });

  it('a frame of an unknown type is passed over', () => {
    expect(parse(hex('8003 000a 00 000002 abcd 8003 0006 00 000004 00000001'))).toEqual([
      { type: 'ping', id: 1 },
    ]);
  });

  it.each([
    { what: 'another version', bytes: '8002 0006 00 000004 00000001' },
    { what: 'a data frame of no stream', bytes: '00000000 00 000001 61' },
    { what: 'a reset of no stream', bytes: '8003 0003 00 000008 00000000 00000005' },
    { what: 'a reset that is cut short', bytes: '8003 0003 00 000004 00000001' },
    { what: 'a control frame of 16 MB', bytes: '8003 0001 00 ffffff' },
    { what: 'headers that are not packed', bytes: '8003 0002 00 000008 00000001 00000000' },
    { what: 'headers with another dictionary', bytes: '8003 0002 00 00000a 00000001 78bb00000001' },
    { what: 'a broken deflate block', bytes: '8003 0002 00 00000c 00000001 78bbe3c6a7c2ffff' },
    { what: 'settings that are cut short', bytes: '8003 0004 00 000004 00000002' },
  ])('$what is refused', ({ bytes }) => {
    expect(() => parse(hex(bytes))).toThrow(expect.objectContaining({ kind: 'unavailable' }));
  });

  it.each([
    { what: 'cut short', bytes: '00000001 00000003 6162' },
    { what: 'of a wrong count', bytes: '00000002 00000001 61 00000001 62' },
    { what: 'with one name twice', bytes: '00000002 00000001 61 00000001 62 00000001 41 00000001 63' },
  ])('a block of headers $what is refused', ({ bytes }) => {
    expect(() => decodeHeaderBlock(hex(bytes))).toThrow(expect.objectContaining({ kind: 'unavailable' }));
  });
});

describe('what kubectl 1.28 sends for `exec -i`, recorded', () => {
  const recorded = hex(`
    8003 0001 00000029 00000001 00000000 0000 78f9e3c6a7c2 6260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff
    8003 0001 00000017 00000003 00000000 0000 c22e555c92929907000000ffff
    8003 0001 00000019 00000005 00000000 0000 c22ac5565c92925f5a02000000ffff
    8003 0001 00000015 00000007 00000000 0000 c229975a5404000000ffff
    00000003 00000006 68656c6c6f0a
    00000003 01000000
    8003 0003 00000008 00000007 00000005`);
  const syn = (streamId: number, streamtype: string): Frame => ({
    type: 'syn-stream',
    streamId,
    associatedTo: 0,
    priority: 0,
    fin: false,
    unidirectional: false,
    headers: { streamtype },
  });

  it('is read as the four streams, the input and its end', () => {
    expect(parse(recorded)).toEqual([
      syn(1, 'error'),
      syn(3, 'stdin'),
      syn(5, 'stdout'),
      syn(7, 'stderr'),
      { type: 'data', streamId: 3, fin: false, data: Buffer.from('hello\n') },
      { type: 'data', streamId: 3, fin: true, data: Buffer.alloc(0) },
      { type: 'rst-stream', streamId: 7, status: ResetStatus.cancel },
    ]);
  });

  it('is read byte by byte just so', () => {
    const bytes = Array.from(recorded, (byte) => Buffer.of(byte));
    expect(whole(parse(...bytes))).toEqual(whole(parse(recorded)));
  });
});

describe('the packing of headers', () => {
  const blocks = Array.from({ length: 2000 }, (_, index) => ({
    streamtype: index % 2 === 0 ? 'error' : 'data',
    port: String(8000 + (index % 7)),
    requestid: String(index >> 1),
    filler: `${index}`.repeat(index % 50),
  }));

  it('is one zlib stream to a peer that unpacks it so', async () => {
    const encoder = new HeaderEncoder();
    const inflate = createInflate({ dictionary: SPDY_DICTIONARY, finishFlush: constants.Z_SYNC_FLUSH });
    const unpacked: Buffer[] = [];
    inflate.on('data', (chunk: Buffer) => unpacked.push(chunk));
    for (const block of blocks) {
      await new Promise<void>((resolve, reject) => {
        inflate.write(encoder.encode(block), (error) => (error ? reject(error) : resolve()));
      });
    }
    const expected = Buffer.concat(blocks.map((block) => encodeHeaderBlock(block)));
    expect(expected.length).toBeGreaterThan(3 * 32 * 1024);
    expect(Buffer.concat(unpacked).equals(expected)).toBe(true);
  });

  it('is read from a peer that packs one zlib stream, of each level', async () => {
    for (const level of [0, 1, 6, 9]) {
      const deflate = createDeflate({ dictionary: SPDY_DICTIONARY, level });
      const decoder = new HeaderDecoder();
      let packed: Buffer[] = [];
      deflate.on('data', (chunk: Buffer) => packed.push(chunk));
      for (const block of blocks.slice(0, 700)) {
        packed = [];
        deflate.write(encodeHeaderBlock(block));
        await new Promise<void>((resolve) => {
          deflate.flush(constants.Z_SYNC_FLUSH, resolve);
        });
        expect(decoder.decode(Buffer.concat(packed))).toEqual(block);
      }
    }
  });

  it('refuses a block that unpacks to more than 64 KiB', () => {
    const encoder = new HeaderEncoder();
    const bomb = encoder.encode({ bomb: 'a'.repeat(100_000) });
    expect(bomb.length).toBeLessThan(1000);
    expect(() => new HeaderDecoder().decode(bomb)).toThrow(expect.objectContaining({ kind: 'unavailable' }));
  });
});

describe('any frames, split anywhere', () => {
  const streamId = fc.integer({ min: 1, max: 0x7fffffff });
  const uint32 = fc.integer({ min: 0, max: 0xffffffff });
  const headers = fc.dictionary(
    fc.string({ minLength: 1, maxLength: 12 }).map((name) => name.toLowerCase()),
    fc.string({ maxLength: 60, unit: 'grapheme' }),
    { maxKeys: 6, noNullPrototype: true },
  );
  const frame: fc.Arbitrary<Frame> = fc.oneof(
    fc.record({
      type: fc.constant('data' as const),
      streamId,
      fin: fc.boolean(),
      data: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    }),
    fc.record({
      type: fc.constant('syn-stream' as const),
      streamId,
      associatedTo: fc.integer({ min: 0, max: 0x7fffffff }),
      priority: fc.integer({ min: 0, max: 7 }),
      fin: fc.boolean(),
      unidirectional: fc.boolean(),
      headers,
    }),
    fc.record({
      type: fc.constantFrom('syn-reply' as const, 'headers' as const),
      streamId,
      fin: fc.boolean(),
      headers,
    }),
    fc.record({ type: fc.constant('rst-stream' as const), streamId, status: uint32 }),
    fc.record({
      type: fc.constant('settings' as const),
      clear: fc.boolean(),
      settings: fc.array(
        fc.record({
          id: fc.integer({ min: 0, max: MAX_FRAME_BYTES }),
          flags: fc.integer({ min: 0, max: 255 }),
          value: uint32,
        }),
        { maxLength: 4 },
      ),
    }),
    fc.record({ type: fc.constant('ping' as const), id: uint32 }),
    fc.record({
      type: fc.constant('goaway' as const),
      lastGoodStreamId: fc.integer({ min: 0, max: 0x7fffffff }),
      status: uint32,
    }),
    fc.record({
      type: fc.constant('window-update' as const),
      streamId: fc.integer({ min: 0, max: 0x7fffffff }),
      delta: fc.integer({ min: 0, max: 0x7fffffff }),
    }),
  );

  it('are read as they were written', () => {
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 12 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (frames, cuts) => {
          const encoder = new HeaderEncoder();
          const bytes = Buffer.concat(frames.map((each) => encodeFrame(each, encoder)));
          const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort(
            (a, b) => a - b,
          );
          const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
          expect(whole(parse(...chunks))).toEqual(whole(frames));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('any bytes either are frames or are refused in the same way', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          parse(Buffer.from(bytes));
        } catch (error) {
          expect(error).toMatchObject({ kind: 'unavailable' });
        }
      }),
    );
  });
});
