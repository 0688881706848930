import type { Readable } from 'node:stream';

// Lines that socat 1.7 writes with `-d -d`.
export const SOCAT_CONNECTED = /starting data transfer loop/;
/** The other side has sent all it had. */
export const SOCAT_END_SEEN = /socket 2 .*is at EOF/;
/** A read or a write failed: the connection was reset. */
export const SOCAT_BROKEN = /socket \d to socket \d is in error/;
const LOST = /^(?:read|write|recv|send)\(.*: /;

/** What socat says with `-d -d`: errors, and the few steps of a connection. */
export class SocatLog {
  readonly ended: Promise<void>;
  #text = '';
  #waiting: { readonly pattern: RegExp; readonly found: () => void }[] = [];

  constructor(stderr: Readable) {
    stderr.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('utf8');
      const met = this.#waiting.filter(({ pattern }) => pattern.test(this.#text));
      this.#waiting = this.#waiting.filter((each) => !met.includes(each));
      for (const { found } of met) found();
    });
    this.ended = new Promise((resolve) => {
      stderr.once('close', resolve);
    });
  }

  /** Resolves when a line has come that fits; never when none comes. */
  until(pattern: RegExp): Promise<true> {
    return new Promise((resolve) => {
      const found = () => resolve(true);
      if (pattern.test(this.#text)) found();
      else this.#waiting.push({ pattern, found });
    });
  }

  /** Errors, and the warnings that tell of a lost connection, without times and process numbers. */
  get errors(): string {
    return this.#text
      .split('\n')
      .map((line) => /^[\d/: .]+socat\[\d+\] (\w) (.*)$/.exec(line) ?? [line, 'E', line])
      .filter(([, severity = '', text = '']) => text !== '' && ('EF'.includes(severity) || LOST.test(text)))
      .map(([, , text]) => text)
      .join('; ');
  }
}
