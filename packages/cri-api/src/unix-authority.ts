import type { Socket } from 'node:net';
import { Duplex, pipeline, Transform, type TransformCallback } from 'node:stream';

const PREFACE_BYTES = 24;
const FRAME_HEADER_BYTES = 9;
const HEADERS = 1;
/** Longest frame that an HTTP/2 peer may send without being told otherwise (RFC 9113, 4.2), which grpc-js does not. */
const MAX_FRAME_BYTES = 16_384;
const PADDED = 0x8;
const PRIORITY = 0x20;
/** Index of `:authority` in the static table of HPACK (RFC 7541, appendix A). */
const AUTHORITY = 1;
const SLASH = 0x2f;
const DASH = 0x2d;

/**
 * A connection from a unix socket, as a gRPC server of Node can take it. Clients of grpc-go before its version 1.57, such
 * as crictl 1.26 and kubelets to 1.28, send the socket's path as `:authority`; a slash is not allowed there, and
 * nghttp2 resets each such call with PROTOCOL_ERROR. Slashes become dashes, in place: the compressed header keeps its
 * length and both ends' compression tables stay the same.
 */
export function withValidAuthority(socket: Socket): Duplex {
  const requests = new AuthorityFilter();
  // Its errors reach the HTTP/2 session through the stream below.
  pipeline(socket, requests, () => {});
  const both = Duplex.from({ readable: requests, writable: socket });
  // The session of a client that broke the protocol waits for this, and would be kept for ever.
  socket.once('close', () => both.destroy());
  return both;
}

/** Passes on what an HTTP/2 client sends, with valid authorities. */
export class AuthorityFilter extends Transform {
  /** Bytes still to pass on untouched: the preface, then the payloads of frames other than HEADERS. */
  #skip = PREFACE_BYTES;
  #held: Buffer = Buffer.alloc(0);

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const whole = this.#walk(bytes);
    this.#held = bytes.subarray(whole);
    done(null, whole === 0 ? undefined : bytes.subarray(0, whole));
  }

  override _flush(done: TransformCallback): void {
    done(null, this.#held);
  }

  /** Corrects the whole frames of `bytes`; returns how many bytes can be passed on. */
  #walk(bytes: Buffer): number {
    let at = 0;
    while (at < bytes.length) {
      const skipped = Math.min(this.#skip, bytes.length - at);
      this.#skip -= skipped;
      at += skipped;
      if (bytes.length - at < FRAME_HEADER_BYTES) return at;
      const length = bytes.readUIntBE(at, 3);
      if (bytes[at + 3] !== HEADERS || length > MAX_FRAME_BYTES) this.#skip = FRAME_HEADER_BYTES + length;
      else if (bytes.length - at < FRAME_HEADER_BYTES + length) return at;
      else {
        correctHeaders(
          bytes.subarray(at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + length),
          bytes[at + 4] ?? 0,
        );
        at += FRAME_HEADER_BYTES + length;
      }
    }
    return at;
  }
}

/** The payload of a HEADERS frame (RFC 9113, 6.2). What follows in CONTINUATION frames is no pseudo-header any more. */
function correctHeaders(payload: Buffer, flags: number): void {
  const padding = flags & PADDED ? 1 : 0;
  const end = payload.length - (padding === 1 ? (payload[0] ?? 0) : 0);
  correctAuthority(payload.subarray(padding + (flags & PRIORITY ? 5 : 0), Math.max(0, end)));
}

/** Changes the authority in a compressed header block (RFC 7541, 6); a block that is cut off or wrong stays as it is. */
export function correctAuthority(block: Buffer): void {
  let at = 0;
  const integer = (prefixBits: number): number => {
    const mask = (1 << prefixBits) - 1;
    let value = (block[at++] ?? 0) & mask;
    if (value < mask) return value;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = block[at++] ?? 0;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return Number.POSITIVE_INFINITY;
  };
  const string = (): { huffman: boolean; bytes: Buffer } => {
    const huffman = (block[at] ?? 0) >= 0x80;
    const length = integer(7);
    const bytes = block.subarray(at, at + length);
    at += length;
    return { huffman, bytes };
  };
  while (at < block.length) {
    const first = block[at] ?? 0;
    if (first >= 0x80) integer(7);
    else if (first >= 0x20 && first < 0x40) integer(5);
    else {
      const name = integer(first >= 0x40 ? 6 : 4);
      if (name === 0) string();
      const value = string();
      if (name !== AUTHORITY || at > block.length) continue;
      if (value.huffman) correctHuffman(value.bytes);
      else for (const [index, byte] of value.bytes.entries()) if (byte === SLASH) value.bytes[index] = DASH;
    }
  }
}

/** Codes of up to 8 bits, which paths consist of (RFC 7541, appendix B): of each length those below this bound. */
const SHORT_CODES = [
  { bits: 5, below: 0x0a },
  { bits: 6, below: 0x2e },
  { bits: 7, below: 0x7c },
  { bits: 8, below: 0xfe },
] as const;
const HUFFMAN_SLASH = 0x18;
const HUFFMAN_DASH = 0x16;

/** Slash and dash have codes of the same length, 6 bits. */
function correctHuffman(bytes: Buffer): void {
  const bit = (at: number) => ((bytes[at >> 3] ?? 0xff) >> (7 - (at & 7))) & 1;
  const code = (at: number, bits: number) => {
    let value = 0;
    for (let i = 0; i < bits; i++) value = (value << 1) | bit(at + i);
    return value;
  };
  for (let at = 0; at < bytes.length * 8; ) {
    const short = SHORT_CODES.find(({ bits, below }) => code(at, bits) < below);
    if (short === undefined) return;
    if (short.bits === 6 && code(at, 6) === HUFFMAN_SLASH) {
      for (let i = 0; i < 6; i++) {
        const mask = 1 << (7 - ((at + i) & 7));
        const index = (at + i) >> 3;
        const old = bytes[index] ?? 0;
        bytes[index] = (HUFFMAN_DASH >> (5 - i)) & 1 ? old | mask : old & ~mask;
      }
    }
    at += short.bits;
  }
}
