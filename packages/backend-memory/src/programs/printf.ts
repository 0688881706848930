const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
  '\\': '\\',
  '"': '"',
};

/** What printf(1) writes: the format is used again while arguments are left. */
export function formatPrintf(format: string, args: readonly string[]): Buffer {
  const output: Buffer[] = [];
  let left = args;
  do {
    const before = left.length;
    const pass = formatOnce(format, left);
    output.push(pass.output);
    left = pass.left;
    if (left.length === before) break;
  } while (left.length > 0);
  return Buffer.concat(output);
}

function formatOnce(format: string, args: readonly string[]): { output: Buffer; left: readonly string[] } {
  const output: Buffer[] = [];
  let next = 0;
  // A directive, an escape, or the text up to the next of them.
  for (const [piece] of format.matchAll(
    /%[-0 +#]*\d*(?:\.\d+)?[sdiuxXobc%]|\\[0-7]{1,3}|\\.|[^%\\]+|[\s\S]/g,
  )) {
    const directive = /^%([-0 +#]*)(\d*)(?:\.(\d+))?([sdiuxXobc%])$/.exec(piece);
    if (!directive) output.push(bytesOf(piece));
    else if (directive[4] === '%') output.push(Buffer.from('%'));
    else
      output.push(
        convert(directive[1] ?? '', directive[2] ?? '', directive[3], directive[4] ?? 's', args[next++]),
      );
  }
  return { output: Buffer.concat(output), left: args.slice(next) };
}

function convert(
  flags: string,
  width: string,
  precision: string | undefined,
  type: string,
  arg = '',
): Buffer {
  let value: Buffer;
  if (type === 's')
    value = Buffer.from(arg).subarray(0, precision === undefined ? undefined : Number(precision));
  else if (type === 'b') value = unescapeAll(arg);
  else if (type === 'c') value = Buffer.from(arg).subarray(0, 1);
  else value = Buffer.from(formatNumber(Number.parseInt(arg, 10) || 0, type));
  const missing = Number(width || '0') - value.length;
  if (missing <= 0) return value;
  if (flags.includes('-')) return Buffer.concat([value, Buffer.alloc(missing, ' ')]);
  return Buffer.concat([Buffer.alloc(missing, flags.includes('0') && type !== 's' ? '0' : ' '), value]);
}

function formatNumber(value: number, type: string): string {
  if (type === 'x') return value.toString(16);
  if (type === 'X') return value.toString(16).toUpperCase();
  return type === 'o' ? value.toString(8) : String(value);
}

function unescapeAll(text: string): Buffer {
  const pieces = text.match(/\\0?[0-7]{1,3}|\\.|[^\\]+|[\s\S]/g) ?? [];
  return Buffer.concat(pieces.map(bytesOf));
}

function bytesOf(piece: string): Buffer {
  const octal = /^\\([0-7]{1,4})$/.exec(piece)?.[1];
  if (octal !== undefined) return Buffer.from([Number.parseInt(octal, 8) & 0xff]);
  if (piece.startsWith('\\') && piece.length === 2) return Buffer.from(ESCAPES[piece[1] ?? ''] ?? piece);
  return Buffer.from(piece);
}
