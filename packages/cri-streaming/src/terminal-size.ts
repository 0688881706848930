import type { TerminalSize } from '@podwright/core';
import { firstValueFrom, type Observable, of, timeout } from 'rxjs';

/** How long a command with a terminal waits for the size of the client's, in milliseconds. */
const FIRST_SIZE_MS = 200;

/**
 * The size with which a client's terminal begins. Clients send it as soon as they are connected, but nothing says when it has
 * come: a command that is started at once may still see none.
 * @param sizes of `CommandStreams`
 * @returns undefined when none comes within a fifth of a second: not every client has a terminal itself
 */
export async function firstTerminalSize(sizes: Observable<TerminalSize>): Promise<TerminalSize | undefined> {
  const orNone = timeout<TerminalSize, Observable<undefined>>({
    first: FIRST_SIZE_MS,
    with: () => of(undefined),
  });
  return await firstValueFrom(sizes.pipe(orNone), { defaultValue: undefined });
}

/** As the resize stream carries it: Go's TerminalSize as JSON, one after the other. */
export function encodeTerminalSize({ columns, rows }: TerminalSize): string {
  return `${JSON.stringify({ Width: columns, Height: rows })}\n`;
}

/** Longest text kept in wait for the end of a size. */
const MAX_REST = 1024;

/** Takes the resize stream in pieces of any size, and answers with the sizes complete so far. */
export class TerminalSizeParser {
  private rest = '';

  /** What cannot be read is passed over, as a size is never worth the session; so is 0, by which clients say nothing. */
  push(text: string): TerminalSize[] {
    this.rest += text;
    const objects = this.rest.split('}');
    this.rest = (objects.pop() ?? '').slice(-MAX_REST);
    return objects.flatMap((object) => parse(`${object}}`));
  }
}

function parse(text: string): TerminalSize[] {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return [];
    const { Width: columns, Height: rows } = value as { Width?: unknown; Height?: unknown };
    return isSize(columns) && isSize(rows) ? [{ columns, rows }] : [];
  } catch {
    return [];
  }
}

function isSize(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65535;
}
