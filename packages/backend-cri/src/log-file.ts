import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { systemErrorCode } from '@podwright/core';

const CHUNK_BYTES = 256 * 1024;
const LINE_FEED = 0x0a;

/** A line as it stands in a file, without its line feed, and where the next one begins. */
export interface RawLine {
  readonly raw: Buffer;
  readonly inode: number;
  readonly end: number;
}

/** A place in a log: of the file's inode, so that it is found again after the file was renamed. */
export interface LogPlace {
  readonly inode: number;
  readonly offset: number;
}

export function formatCursor({ inode, offset }: LogPlace): string {
  return `${inode}:${offset}`;
}

export function parseCursor(cursor: string): LogPlace | undefined {
  const match = /^(\d+):(\d+)$/.exec(cursor);
  return match ? { inode: Number(match[1]), offset: Number(match[2]) } : undefined;
}

/** Reads a log file that grows, is renamed, made anew or cut while it is read. */
export class LogFile {
  private file: FileHandle | undefined;
  private inode = 0;
  private offset = 0;

  constructor(private readonly path: string) {}

  /** Goes to a place if its file is still there, under whatever name beside the path; otherwise to the beginning. */
  async seek({ inode, offset }: LogPlace): Promise<void> {
    const folder = dirname(this.path);
    const names = (await ifThere(readdir(folder))) ?? [];
    for (const name of names.filter((each) => each.startsWith(basename(this.path)))) {
      if ((await ifThere(stat(join(folder, name))))?.ino !== inode) continue;
      await this.open(join(folder, name));
      this.offset = offset;
      return;
    }
  }

  /** The lines that are there now, whole ones only, up to the end of the last file of the name. */
  async *lines(): AsyncGenerator<RawLine> {
    for (;;) {
      if (!this.file) await this.open(this.path);
      if (!this.file) return;
      // Before its end is read: what is written into it later than this is no longer written into it.
      const next = (await ifThere(stat(this.path)))?.ino;
      yield* this.rest();
      if (next === undefined || next === this.inode) return;
      await this.close();
    }
  }

  async close(): Promise<void> {
    const { file } = this;
    this.file = undefined;
    this.offset = 0;
    await file?.close();
  }

  private async *rest(): AsyncGenerator<RawLine> {
    const { file } = this;
    if (!file) return;
    const { size } = await file.stat();
    // Cut to nothing by whoever keeps logs small.
    if (size < this.offset) this.offset = 0;
    let pending = Buffer.alloc(0);
    let at = this.offset;
    for (;;) {
      const buffer = Buffer.alloc(CHUNK_BYTES);
      const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      pending = Buffer.concat([pending, buffer.subarray(0, bytesRead)]);
      let begin = 0;
      for (let end = pending.indexOf(LINE_FEED); end >= 0; end = pending.indexOf(LINE_FEED, begin)) {
        this.offset += end + 1 - begin;
        yield { raw: pending.subarray(begin, end), inode: this.inode, end: this.offset };
        begin = end + 1;
      }
      pending = pending.subarray(begin);
    }
  }

  private async open(path: string): Promise<void> {
    await this.close();
    const file = await ifThere(open(path, 'r'));
    if (!file) return;
    this.file = file;
    this.inode = (await file.stat()).ino;
  }
}

async function ifThere<T>(done: Promise<T>): Promise<T | undefined> {
  try {
    return await done;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
