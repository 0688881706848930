/** A file of a tar archive. */
export interface TarFile {
  readonly path: string;
  readonly data: Buffer;
}

const BLOCK = 512;

/** Regular files of a tar archive (ustar, tar(5)); undefined when it is none. */
export function readTar(archive: Buffer): readonly TarFile[] | undefined {
  const files: TarFile[] = [];
  for (let at = 0; at + BLOCK <= archive.length; ) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) return files;
    const text = (from: number, length: number) =>
      header
        .subarray(from, from + length)
        .toString('utf8')
        .replace(/\0.*$/s, '')
        .trim();
    if (!text(257, 5).startsWith('ustar')) return undefined;
    const size = Number.parseInt(text(124, 12) || '0', 8);
    const type = text(156, 1);
    const prefix = text(345, 155);
    const name = `${prefix === '' ? '' : `${prefix}/`}${text(0, 100)}`;
    if (type === '' || type === '0') {
      files.push({ path: name, data: archive.subarray(at + BLOCK, at + BLOCK + size) });
    }
    at += BLOCK * (1 + Math.ceil(size / BLOCK));
  }
  return archive.length >= BLOCK ? files : undefined;
}

/** A tar archive of regular files; names up to 100 bytes. */
export function writeTar(files: readonly TarFile[]): Buffer {
  const blocks: Buffer[] = [];
  for (const { path, data } of files) {
    const header = Buffer.alloc(BLOCK);
    header.write(path, 0, 100);
    header.write('0000644\0', 100);
    header.write('0000000\0', 108);
    header.write('0000000\0', 116);
    header.write(`${data.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0', 136);
    header.write('        ', 148);
    header.write('0', 156);
    header.write('ustar\0', 257);
    header.write('00', 263);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    blocks.push(header, data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK));
  }
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}
