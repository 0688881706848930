/** Field values in the order in which they are written. */
export type Fields = readonly (readonly [name: string, value: string | Buffer])[];

/** The Journal Export Format of one entry, as journalctl writes it. */
export function exportOf(fields: Fields): Buffer {
  const parts = fields.flatMap(([name, value]) => {
    const bytes = Buffer.from(value);
    if (isText(bytes)) return [Buffer.from(`${name}=`), bytes, Buffer.from('\n')];
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(bytes.length));
    return [Buffer.from(`${name}\n`), length, bytes, Buffer.from('\n')];
  });
  return Buffer.concat([...parts, Buffer.from('\n')]);
}

/** Entry number `index` with a cursor as journald makes it. */
export function entryOf(index: number, message: string | Buffer, more: Fields = []): Buffer {
  const time = timeOf(index);
  return exportOf([
    ['__CURSOR', cursorOf(index)],
    ['__REALTIME_TIMESTAMP', String(time)],
    ['__MONOTONIC_TIMESTAMP', String(1_000_000 + index)],
    ['_BOOT_ID', '2b5c3bdb53294ea89a8c64d2d7f0775e'],
    ['MESSAGE', message],
    ...more,
  ]);
}

export function timeOf(index: number): number {
  return 1_795_310_007_000_000 + index;
}

export function cursorOf(index: number): string {
  return `s=008f17732c9147d1940610d95be62a68;i=${index.toString(16)};b=2b5c;m=${(1_000_000 + index).toString(16)};t=${timeOf(index).toString(16)};x=${index.toString(16)}`;
}

/** journalctl writes a value as text when it is UTF-8 without control characters other than a tabulator. */
function isText(bytes: Buffer): boolean {
  return (
    bytes.every((byte) => byte >= 0x20 || byte === 0x09) && bytes.equals(Buffer.from(bytes.toString('utf8')))
  );
}
