import type { LogEntry } from '@podwright/core';
import type { FileTree, RegularNode } from '../machine/file-tree.js';

/** A container's log on the simulated host, as the kubelet reads it: each line as `TIMESTAMP STREAM P|F TEXT`. */
export class LogFile {
  #node: RegularNode | undefined;

  constructor(
    private readonly files: FileTree,
    private readonly path: string,
  ) {}

  /** Goes on in the file of its name, which is made when it is not there, as is its directory. @throws FileError */
  open(): void {
    this.files.makeDirectory(this.path.slice(0, this.path.lastIndexOf('/')));
    this.#node = this.files.openForWriting(this.path);
  }

  append({ timestampUs, stream, line, partial }: LogEntry): void {
    if (!this.#node) return;
    const head = `${rfc3339(timestampUs)} ${stream} ${partial ? 'P' : 'F'} `;
    this.#node.data = Buffer.concat([this.#node.data, Buffer.from(head), line, Buffer.from('\n')]);
  }
}

/** With nanoseconds, as Go's RFC3339Nano. */
function rfc3339(timestampUs: number): string {
  const seconds = new Date(timestampUs / 1000).toISOString().slice(0, -'.000Z'.length);
  return `${seconds}.${String(timestampUs % 1_000_000).padStart(6, '0')}000Z`;
}
