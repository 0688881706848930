import { PodwrightError } from '@podwright/core';

/** As podman and docker have it. */
export const DEFAULT_DETACH_KEYS = 'ctrl-p,ctrl-q';

const CONTROL = /^ctrl-([a-z@[\\\]^_])$/;

/**
 * Bytes of a sequence of keys such as `ctrl-p,ctrl-q` or `ctrl-a,d`; none for an empty text, which turns detaching off.
 * @throws PodwrightError kind `invalid-argument`
 */
export function parseDetachKeys(text: string): readonly number[] {
  if (text === '') return [];
  return text.split(',').map((key) => {
    const control = CONTROL.exec(key)?.[1];
    // A terminal sends control with a key as that key's lowest five bits (ASCII).
    if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f;
    if (/^[\x21-\x7e]$/.test(key)) return key.charCodeAt(0);
    throw new PodwrightError(
      'invalid-argument',
      `"${key}" is no key to detach with: write one character, or ctrl- and one of a to z, @, [, \\, ], ^, _; divide keys by commas.`,
    );
  });
}

/** What a piece of input comes to. */
export interface Scanned {
  /** What goes on to the container: what may still become the sequence is kept back. */
  readonly passed: Buffer;
  /** The sequence is complete; what came after it is dropped. */
  readonly detached: boolean;
}

/** Looks for a sequence of keys in input that comes in pieces of any size. */
export class DetachKeys {
  /** How many keys of the sequence the last bytes were. */
  private matched = 0;

  constructor(private readonly keys: readonly number[]) {}

  scan(input: Uint8Array): Scanned {
    const passed: number[] = [];
    for (const byte of input) {
      if (this.keys.length === 0) passed.push(byte);
      else {
        const held = [...this.keys.slice(0, this.matched), byte];
        this.matched = this.longestBeginning(held);
        if (this.matched === this.keys.length) {
          this.matched = 0;
          return { passed: Buffer.from(passed), detached: true };
        }
        passed.push(...held.slice(0, held.length - this.matched));
      }
    }
    return { passed: Buffer.from(passed), detached: false };
  }

  /** What was kept back, at the end of the input. */
  rest(): Buffer {
    const rest = Buffer.from(this.keys.slice(0, this.matched));
    this.matched = 0;
    return rest;
  }

  /** Length of the longest end of `bytes` with which the sequence begins. */
  private longestBeginning(bytes: readonly number[]): number {
    for (let length = bytes.length; length > 0; length--) {
      const end = bytes.slice(bytes.length - length);
      if (end.every((byte, index) => byte === this.keys[index])) return length;
    }
    return 0;
  }
}
