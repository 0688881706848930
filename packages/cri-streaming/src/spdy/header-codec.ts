import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { SPDY_DICTIONARY } from './dictionary.js';
import { protocolError } from './spdy-error.js';

/** Lower-case names; several values of one name are joined by a NUL. */
export type SpdyHeaders = Readonly<Record<string, string>>;

/** How far back deflate can refer. */
const WINDOW_BYTES = 32 * 1024;
/** Longest block of headers taken, unpacked. Those of Kubernetes have 100 bytes. */
const MAX_BLOCK_BYTES = 64 * 1024;
/** A zlib header (RFC 1950): deflate with a window of 32 KiB, a preset dictionary, and the dictionary's Adler-32. */
const ZLIB_HEADER = Buffer.from('78bbe3c6a7c2', 'hex');

/**
 * One direction's compression of headers. The blocks of a connection are one zlib stream, flushed to a byte after each.
 * All that a flushed deflate stream carries over is the last 32 KiB, so each block is packed and unpacked at once with
 * those as its dictionary: zlib needs no thread, and nothing has to be freed.
 */
abstract class HeaderWindow {
  private window = SPDY_DICTIONARY;

  protected get options() {
    return { dictionary: this.window, finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: MAX_BLOCK_BYTES };
  }

  protected slide(block: Buffer): void {
    this.window = Buffer.concat([this.window, block]).subarray(-WINDOW_BYTES);
  }
}

/** Packs the headers that one side of a connection sends. */
export class HeaderEncoder extends HeaderWindow {
  private begun = false;

  encode(headers: SpdyHeaders): Buffer {
    const block = encodeHeaderBlock(headers);
    const packed = deflateRawSync(block, this.options);
    this.slide(block);
    const first = !this.begun;
    this.begun = true;
    return first ? Buffer.concat([ZLIB_HEADER, packed]) : packed;
  }
}

/** Unpacks the headers that one side of a connection receives. */
export class HeaderDecoder extends HeaderWindow {
  private begun = false;

  /** @throws PodwrightError kind `unavailable` when the block is no such */
  decode(packed: Buffer): SpdyHeaders {
    const rest = this.begun ? packed : packed.subarray(checkZlibHeader(packed));
    this.begun = true;
    let block: Buffer;
    try {
      block = inflateRawSync(rest, this.options);
    } catch (error) {
      throw protocolError('a block of headers cannot be unpacked', error);
    }
    this.slide(block);
    return decodeHeaderBlock(block);
  }
}

/** The length of the zlib header. Its level bits are the packer's own choice. */
function checkZlibHeader(packed: Buffer): number {
  const length = ZLIB_HEADER.length;
  const isZlib = packed.length >= length && packed.readUInt16BE(0) % 31 === 0 && (packed[0] ?? 0) % 16 === 8;
  const hasDictionary = isZlib && packed.subarray(2, length).equals(ZLIB_HEADER.subarray(2));
  if (!hasDictionary)
    throw protocolError('the first block of headers is not packed with the dictionary of SPDY/3');
  return length;
}

/** Headers as SPDY/3 writes them, before packing. */
export function encodeHeaderBlock(headers: SpdyHeaders): Buffer {
  const entries = Object.entries(headers);
  return Buffer.concat([uint32(entries.length), ...entries.flat().flatMap(lengthAndText)]);
}

/** @throws PodwrightError kind `unavailable` */
export function decodeHeaderBlock(block: Buffer): SpdyHeaders {
  const headers = new Map<string, string>();
  let offset = 0;
  const number = () => {
    if (offset + 4 > block.length) throw protocolError('a block of headers is cut short');
    offset += 4;
    return block.readUInt32BE(offset - 4);
  };
  const text = () => {
    const length = number();
    if (offset + length > block.length) throw protocolError('a block of headers is cut short');
    offset += length;
    return block.toString('utf8', offset - length, offset);
  };
  for (let left = number(); left > 0; left -= 1) {
    const name = text().toLowerCase();
    if (headers.has(name)) throw protocolError(`header ${JSON.stringify(name)} comes twice in one block`);
    headers.set(name, text());
  }
  return Object.fromEntries(headers);
}

function lengthAndText(text: string): Buffer[] {
  const bytes = Buffer.from(text, 'utf8');
  return [uint32(bytes.length), bytes];
}

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return buffer;
}
