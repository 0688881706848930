import fc from 'fast-check';
import { EMPTY, map, NEVER, of, timer } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { encodeTerminalSize, firstTerminalSize, TerminalSizeParser } from './terminal-size.js';

describe('sizes of a terminal', () => {
  it('are Go’s TerminalSize as JSON', () => {
    expect(JSON.parse(encodeTerminalSize({ columns: 80, rows: 24 }))).toEqual({ Width: 80, Height: 24 });
  });

  it('are read in pieces of any size', () => {
    const size = fc.record({
      columns: fc.integer({ min: 1, max: 65535 }),
      rows: fc.integer({ min: 1, max: 65535 }),
    });
    fc.assert(
      fc.property(fc.array(size), fc.integer({ min: 1, max: 40 }), (sizes, step) => {
        const text = sizes.map(encodeTerminalSize).join('');
        const parser = new TerminalSizeParser();
        const read = [];
        for (let at = 0; at < text.length; at += step) read.push(...parser.push(text.slice(at, at + step)));
        expect(read).toEqual(sizes);
      }),
    );
  });

  it.each([
    '{"Width":0,"Height":0}',
    '{"Width":-1,"Height":5}',
    '{"Width":70000,"Height":5}',
    'x}',
    '{"Width":"9"}',
  ])('%s is passed over, and what follows is read', (text) => {
    expect(new TerminalSizeParser().push(`${text}{"Width":1,"Height":2}`)).toEqual([{ columns: 1, rows: 2 }]);
  });

  it('a command begins with the first one, which may come a moment later, or without any', async () => {
    const size = { columns: 80, rows: 24 };
    expect(await firstTerminalSize(of(size))).toEqual(size);
    expect(await firstTerminalSize(timer(10).pipe(map(() => size)))).toEqual(size);
    expect(await firstTerminalSize(EMPTY)).toBeUndefined();
    expect(await firstTerminalSize(NEVER)).toBeUndefined();
  });
});
