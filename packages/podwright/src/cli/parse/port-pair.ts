import { parsePort } from './parse-numbers.js';

/** A port here and one in the pod; 0 here: a free one. */
export interface PortPair {
  readonly local: number;
  readonly remote: number;
}

/** `LOCAL:REMOTE`, `PORT` for the same one twice, `:REMOTE` for a free one here. */
export function parsePortPair(text: string): PortPair {
  const at = text.indexOf(':');
  if (at < 0) return { local: parsePort(text), remote: parsePort(text) };
  const remote = parsePort(text.slice(at + 1));
  return { local: at === 0 ? 0 : parsePort(text.slice(0, at)), remote };
}
