import type { SpdyHeaders } from './header-codec.js';

/** Of a RST_STREAM frame. */
export const ResetStatus = {
  protocolError: 1,
  invalidStream: 2,
  refusedStream: 3,
  unsupportedVersion: 4,
  cancel: 5,
  internalError: 6,
  flowControlError: 7,
} as const;

/** Of a GOAWAY frame. */
export const GoAwayStatus = { ok: 0, protocolError: 1, internalError: 2 } as const;

/** Of an entry of a SETTINGS frame. */
export const SettingId = { maxConcurrentStreams: 4, initialWindowSize: 7 } as const;

export interface Setting {
  readonly id: number;
  readonly flags: number;
  readonly value: number;
}

/** A frame of SPDY/3.1 (protocol draft 3.1, 2.2). `fin`: nothing follows on that stream from its sender. */
export type Frame =
  | { readonly type: 'data'; readonly streamId: number; readonly fin: boolean; readonly data: Buffer }
  | {
      readonly type: 'syn-stream';
      readonly streamId: number;
      readonly associatedTo: number;
      /** 0 is the highest, 7 the lowest. */
      readonly priority: number;
      readonly fin: boolean;
      /** The receiver may not send on it. */
      readonly unidirectional: boolean;
      readonly headers: SpdyHeaders;
    }
  | {
      readonly type: 'syn-reply' | 'headers';
      readonly streamId: number;
      readonly fin: boolean;
      readonly headers: SpdyHeaders;
    }
  | { readonly type: 'rst-stream'; readonly streamId: number; readonly status: number }
  | { readonly type: 'settings'; readonly clear: boolean; readonly settings: readonly Setting[] }
  | { readonly type: 'ping'; readonly id: number }
  | { readonly type: 'goaway'; readonly lastGoodStreamId: number; readonly status: number }
  | { readonly type: 'window-update'; readonly streamId: number; readonly delta: number };

/** Numbers of the control frames. */
export const ControlType = {
  'syn-stream': 1,
  'syn-reply': 2,
  'rst-stream': 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  headers: 8,
  'window-update': 9,
} as const;

export const SPDY_VERSION = 3;
export const FLAG_FIN = 0x01;
export const FLAG_UNIDIRECTIONAL = 0x02;
export const FLAG_CLEAR_SETTINGS = 0x01;
/** Of stream ids, pings excepted: the highest bit is reserved. */
export const ID_MASK = 0x7fffffff;
export const MAX_FRAME_BYTES = 0xffffff;
