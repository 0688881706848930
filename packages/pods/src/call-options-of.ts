import type { CallOptions } from '@podwright/core';

/** Only the signal: further options of a call are not those of the calls it is made of. */
export function callOptionsOf({ signal }: CallOptions): CallOptions {
  return signal ? { signal } : {};
}
