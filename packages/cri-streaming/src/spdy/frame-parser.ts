import {
  ControlType,
  FLAG_CLEAR_SETTINGS,
  FLAG_FIN,
  FLAG_UNIDIRECTIONAL,
  type Frame,
  ID_MASK,
  SPDY_VERSION,
} from './frames.js';
import type { HeaderDecoder } from './header-codec.js';
import { protocolError } from './spdy-error.js';

const HEADER_BYTES = 8;
/** Longest control frame taken; those of Kubernetes have 200 bytes. */
const MAX_CONTROL_BYTES = 64 * 1024;
const EMPTY = Buffer.alloc(0);

interface DataInProgress {
  readonly streamId: number;
  readonly fin: boolean;
  left: number;
}

interface ControlInProgress {
  readonly type: number;
  readonly flags: number;
  readonly length: number;
}

/**
 * Takes the bytes of a connection as they come, in pieces of any size. A data frame is given on piece by piece, the last
 * one with its `fin`: frames may be 16 MiB long, and nobody has to keep them.
 */
export class FrameParser {
  private chunks: Buffer[] = [];
  private available = 0;
  private data: DataInProgress | undefined;
  private control: ControlInProgress | undefined;

  /** @param headers unpacks the headers of what is received on this connection */
  constructor(private readonly headers: HeaderDecoder) {}

  /** @throws PodwrightError kind `unavailable`; the parser cannot go on then */
  *push(chunk: Buffer): Generator<Frame> {
    if (chunk.length === 0) return;
    this.chunks.push(chunk);
    this.available += chunk.length;
    for (;;) {
      if (this.data !== undefined) {
        if (this.available === 0) return;
        yield this.takeData(this.data);
      } else if (this.control !== undefined) {
        if (this.available < this.control.length) return;
        const { type, flags, length } = this.control;
        this.control = undefined;
        const frame = this.parseControl(type, flags, this.take(length));
        if (frame !== undefined) yield frame;
      } else {
        if (this.available < HEADER_BYTES) return;
        const empty = this.takeHeader();
        if (empty !== undefined) yield empty;
      }
    }
  }

  /** Begins a frame; answers with it when it is a data frame without data. */
  private takeHeader(): Frame | undefined {
    const header = this.take(HEADER_BYTES);
    const first = header.readUInt32BE(0);
    const flags = header.readUInt8(4);
    const length = header.readUIntBE(5, 3);
    if (first < 0x80000000) {
      if (first === 0) throw protocolError('a data frame has no stream id');
      const fin = (flags & FLAG_FIN) !== 0;
      if (length === 0) return { type: 'data', streamId: first, fin, data: EMPTY };
      this.data = { streamId: first, fin, left: length };
      return undefined;
    }
    const version = (first >>> 16) & 0x7fff;
    if (version !== SPDY_VERSION) throw protocolError(`a frame is of version ${version} instead of 3`);
    if (length > MAX_CONTROL_BYTES) throw protocolError(`a control frame of ${length} bytes is too long`);
    this.control = { type: first & 0xffff, flags, length };
    return undefined;
  }

  private takeData(progress: DataInProgress): Frame {
    const [head = EMPTY] = this.chunks;
    const data = this.take(Math.min(head.length, progress.left));
    progress.left -= data.length;
    const last = progress.left === 0;
    if (last) this.data = undefined;
    return { type: 'data', streamId: progress.streamId, fin: last && progress.fin, data };
  }

  /** A control frame; undefined for one of an unknown type, which is to be passed over (draft 3.1, 2.2.1). */
  private parseControl(type: number, flags: number, payload: Buffer): Frame | undefined {
    const fin = (flags & FLAG_FIN) !== 0;
    const word = (index: number) => {
      if (payload.length < (index + 1) * 4)
        throw protocolError(`a control frame of type ${type} is cut short`);
      return payload.readUInt32BE(index * 4);
    };
    switch (type) {
      case ControlType['syn-stream']: {
        const associatedTo = word(1) & ID_MASK;
        const priority = (payload[8] ?? 0) >>> 5;
        const headers = this.headers.decode(payload.subarray(10));
        const unidirectional = (flags & FLAG_UNIDIRECTIONAL) !== 0;
        const streamId = streamIdOf(word(0));
        return { type: 'syn-stream', streamId, associatedTo, priority, fin, unidirectional, headers };
      }
      case ControlType['syn-reply']:
      case ControlType.headers: {
        const name = type === ControlType.headers ? 'headers' : 'syn-reply';
        const streamId = streamIdOf(word(0));
        return { type: name, streamId, fin, headers: this.headers.decode(payload.subarray(4)) };
      }
      case ControlType['rst-stream']:
        return { type: 'rst-stream', streamId: streamIdOf(word(0)), status: word(1) };
      case ControlType.settings: {
        const settings = Array.from({ length: Math.min(word(0), MAX_CONTROL_BYTES) }, (_, index) => {
          const key = word(1 + index * 2);
          return { id: key & 0xffffff, flags: key >>> 24, value: word(2 + index * 2) };
        });
        return { type: 'settings', clear: (flags & FLAG_CLEAR_SETTINGS) !== 0, settings };
      }
      case ControlType.ping:
        return { type: 'ping', id: word(0) };
      case ControlType.goaway:
        return { type: 'goaway', lastGoodStreamId: word(0) & ID_MASK, status: word(1) };
      case ControlType['window-update']:
        return { type: 'window-update', streamId: word(0) & ID_MASK, delta: word(1) & ID_MASK };
      default:
        return undefined;
    }
  }

  private take(length: number): Buffer {
    this.available -= length;
    const [head] = this.chunks;
    if (head !== undefined && head.length > length) {
      this.chunks[0] = head.subarray(length);
      return head.subarray(0, length);
    }
    const taken: Buffer[] = [];
    let left = length;
    while (left > 0) {
      const next = this.chunks.shift() ?? EMPTY;
      taken.push(next.subarray(0, left));
      if (next.length > left) this.chunks.unshift(next.subarray(left));
      left -= Math.min(next.length, left);
    }
    return taken.length === 1 && taken[0] !== undefined ? taken[0] : Buffer.concat(taken);
  }
}

function streamIdOf(word: number): number {
  const id = word & ID_MASK;
  if (id === 0) throw protocolError('a control frame has no stream id');
  return id;
}
