import type { Logger } from '@podwright/core';

/** What every way of serving a client takes. */
export interface ServeOptions {
  readonly idleTimeoutMs: number;
  readonly streamCreationTimeoutMs: number;
  readonly logger: Logger;
  /** Fires when the server is disposed of: the client is dropped. */
  readonly signal: AbortSignal;
}
