// Just enough of the tar format (POSIX ustar) to write a layer of an image.

const BLOCK = 512;
const TYPES = { file: '0', hardlink: '1', symlink: '2', directory: '5' };

/**
 * One archive of all the entries, the same bytes for the same entries.
 * @param entries `{path, type?, mode?, uid?, gid?, content?, target?}`; type: file (default), hardlink, symlink or
 *   directory; paths without a leading slash, at most 100 bytes
 */
export function writeTar(entries) {
  const parts = entries.flatMap((entry) => {
    const content = Buffer.from(entry.content ?? '');
    return [header(entry, content.length), content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

function header({ path, type = 'file', mode, uid = 0, gid = 0, target = '' }, size) {
  for (const text of [path, target]) {
    if (Buffer.byteLength(text) > 100) throw new Error(`longer than 100 bytes: ${text}`);
  }
  const block = Buffer.alloc(BLOCK);
  const octal = (value, length) => `${value.toString(8).padStart(length - 1, '0')}\0`;
  block.write(path, 0);
  block.write(octal(mode ?? (type === 'directory' ? 0o755 : 0o644), 8), 100);
  block.write(octal(uid, 8), 108);
  block.write(octal(gid, 8), 116);
  block.write(octal(size, 12), 124);
  block.write(octal(1_700_000_000, 12), 136);
  block.write(' '.repeat(8), 148);
  block.write(TYPES[type], 156);
  block.write(target, 157);
  block.write('ustar\x0000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
