import { open } from 'node:fs/promises';
import { type LogEntry, type Mount, systemErrorCode } from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { inject, injectable } from 'inversify';
import { BackendLayout, BackendLayoutToken } from './backend-layout.js';
import { LogFile } from './log-file.js';
import { LogTail, parseLogLine } from './log-line.js';
import type { ContainerRecord } from './records.js';

/** What is kept of a container's own words, in bytes, and of its log; as in the kubelet. */
const KEPT_BYTES = 4096;
const LOG_BYTES = 2048;
const LOG_LINES = 80;

type Asked = Pick<ContainerRecord, 'key' | 'config' | 'logPath'>;

/** The files in which containers say why they end. The CRI has none: as with the kubelet it is a file of ours, mounted. */
@injectable()
export class TerminationMessages {
  constructor(@inject(BackendLayoutToken) private readonly layout: BackendLayout) {}

  /** The file as a mount, made for any user of the container to write to; none when a volume takes its place. */
  async prepare({ key, config }: Asked): Promise<readonly Mount[]> {
    const { terminationMessage, mounts } = config;
    if (
      !terminationMessage ||
      mounts.some(({ containerPath }) => containerPath === terminationMessage.path)
    ) {
      return [];
    }
    const path = this.layout.container(key).message;
    await using file = await open(path, 'w', 0o666);
    // Whatever the umask.
    await file.chmod(0o666);
    return [{ hostPath: path, containerPath: terminationMessage.path }];
  }

  /** What a container that has ended has said; the runtime's own words where it could not run. */
  async read(record: Asked, status: cri.ContainerStatus): Promise<string | undefined> {
    if (status.state !== cri.ContainerState.CONTAINER_EXITED) return undefined;
    const { terminationMessage } = record.config;
    const own = terminationMessage && (await head(this.layout.container(record.key).message));
    if (own) return own;
    if (terminationMessage?.fallbackToLogs === true && status.exitCode !== 0) {
      const quoted = await this.endOfLog(record.logPath);
      if (quoted !== '') return quoted;
    }
    return status.message === '' ? undefined : status.message;
  }

  private async endOfLog(path: string): Promise<string> {
    const file = new LogFile(path);
    try {
      const last = new LogTail<Pick<LogEntry, 'stream' | 'partial' | 'line'>>(LOG_LINES);
      for await (const { raw } of file.lines()) {
        const line = parseLogLine(raw);
        if (line) last.push({ ...line, line: Buffer.from(line.line) });
      }
      const parts = last
        .entries()
        .flatMap(({ line, partial }) => (partial ? [line] : [line, Buffer.from('\n')]));
      return Buffer.concat(parts).subarray(-LOG_BYTES).toString('utf8');
    } finally {
      await file.close();
    }
  }
}

async function head(path: string): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(KEPT_BYTES), 0, KEPT_BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return '';
    throw error;
  }
}
