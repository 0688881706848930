import { shellQuote } from './shell-quote.js';

const MASK = '***';

/** Replaces every occurrence of every secret; longer ones first, so that one inside another leaves nothing behind. */
export function maskSecrets(text: string, secrets: readonly string[] = []): string {
  return [...secrets]
    .filter((secret) => secret !== '')
    .sort((a, b) => b.length - a.length)
    .reduce((masked, secret) => masked.replaceAll(secret, MASK), text);
}

/** A command line for people: quoted where a shell would need it, cut when very long, secrets masked. */
export function describeCommand(
  command: string,
  args: readonly string[],
  secrets?: readonly string[],
): string {
  const masked = [command, ...args].map((word) => quote(maskSecrets(word, secrets)));
  const line = masked.join(' ');
  return line.length > 2000 ? `${line.slice(0, 2000)}…` : line;
}

function quote(word: string): string {
  return /^[\w%+,./:=@*-]+$/.test(word) ? word : shellQuote(word);
}
