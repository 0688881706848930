import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeMessage, MessageReader, MessageType } from './message-codec.js';

const call = (serial: number, text: string) =>
  encodeMessage({
    type: MessageType.methodCall,
    serial,
    path: '/',
    member: 'M',
    signature: 's',
    body: [text],
  });

describe('messages', () => {
  it('are whole, wherever the bytes are split', () => {
    const bytes = Buffer.concat([call(1, 'one'), call(2, ''), call(3, 'x'.repeat(1_000))]);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
        const reader = new MessageReader();
        const edges = [0, ...cuts.sort((left, right) => left - right), bytes.length];
        const messages = edges.flatMap((edge, index) =>
          reader.push(bytes.subarray(edge, edges[index + 1] ?? bytes.length)),
        );
        expect(messages.map(({ serial, body }) => [serial, body])).toEqual([
          [1, ['one']],
          [2, ['']],
          [3, ['x'.repeat(1_000)]],
        ]);
      }),
    );
  });

  it('that claim more than the specification allows are refused before they are collected', () => {
    const header = Buffer.alloc(16);
    header.write('l');
    header.writeUInt32LE(2 ** 31, 4);
    expect(() => new MessageReader().push(header)).toThrow(/no D-Bus peer/);
  });
});

it('the codec is what the bundler makes of the installed dbus-next', async () => {
  const script = fileURLToPath(new URL('../../scripts/bundle-dbus-next.mjs', import.meta.url));
  await promisify(execFile)(process.execPath, [script, '--check']);
});
