import {
  ControlType,
  FLAG_CLEAR_SETTINGS,
  FLAG_FIN,
  FLAG_UNIDIRECTIONAL,
  type Frame,
  SPDY_VERSION,
} from './frames.js';
import type { HeaderEncoder } from './header-codec.js';

/**
 * The bytes of a frame.
 * @param headers packs the headers of what is sent on this connection: frames must be sent in the order of these calls
 */
export function encodeFrame(frame: Frame, headers: HeaderEncoder): Buffer {
  switch (frame.type) {
    case 'data':
      return Buffer.concat([
        words(frame.streamId, flagsAndLength(fin(frame), frame.data.length)),
        frame.data,
      ]);
    case 'syn-stream': {
      const ids = words(frame.streamId, frame.associatedTo);
      const flags = fin(frame) | (frame.unidirectional ? FLAG_UNIDIRECTIONAL : 0);
      const priority = Buffer.from([frame.priority << 5, 0]);
      return control(frame.type, flags, ids, priority, headers.encode(frame.headers));
    }
    case 'syn-reply':
    case 'headers':
      return control(frame.type, fin(frame), words(frame.streamId), headers.encode(frame.headers));
    case 'rst-stream':
      return control(frame.type, 0, words(frame.streamId, frame.status));
    case 'settings': {
      const entries = frame.settings.flatMap(({ id, flags, value }) => [flagsAndLength(flags, id), value]);
      return control(
        frame.type,
        frame.clear ? FLAG_CLEAR_SETTINGS : 0,
        words(frame.settings.length, ...entries),
      );
    }
    case 'ping':
      return control(frame.type, 0, words(frame.id));
    case 'goaway':
      return control(frame.type, 0, words(frame.lastGoodStreamId, frame.status));
    case 'window-update':
      return control(frame.type, 0, words(frame.streamId, frame.delta));
  }
}

function control(type: keyof typeof ControlType, flags: number, ...payload: Buffer[]): Buffer {
  const length = payload.reduce((sum, { length }) => sum + length, 0);
  const kind = 0x80000000 + SPDY_VERSION * 0x10000 + ControlType[type];
  return Buffer.concat([words(kind, flagsAndLength(flags, length)), ...payload]);
}

/** Eight bits and 24. */
function flagsAndLength(flags: number, length: number): number {
  return flags * 0x1000000 + length;
}

function fin(frame: { readonly fin: boolean }): number {
  return frame.fin ? FLAG_FIN : 0;
}

function words(...values: number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => {
    buffer.writeUInt32BE(value, index * 4);
  });
  return buffer;
}
