import type { ContainerConfig, Mount } from '@podwright/core';
import type { FileMount } from '../machine/container-files.js';
import type { StoredEntry } from '../store/container-log.js';

const KEPT_BYTES = 4096;
const LOG_BYTES = 2048;
const LOG_LINES = 80;

/** The file in which one attempt of a container says why it ends. */
export class TerminationFile {
  readonly #file = { kind: 'file' as const, data: Buffer.alloc(0) };

  constructor(private readonly config: Pick<ContainerConfig, 'terminationMessage'>) {}

  /** None when a volume takes its place. */
  mounts(others: readonly Mount[]): readonly FileMount[] {
    const path = this.config.terminationMessage?.path;
    if (path === undefined || others.some(({ containerPath }) => containerPath === path)) return [];
    return [{ containerPath: path, node: this.#file, readOnly: false }];
  }

  /** What it said; a container that failed without a word is quoted from its log, if it is to be. */
  message(log: readonly StoredEntry[], attempt: number, exitCode: number): string | undefined {
    const own = this.#file.data.subarray(0, KEPT_BYTES).toString('utf8');
    if (own !== '') return own;
    if (!this.config.terminationMessage?.fallbackToLogs || exitCode === 0) return undefined;
    const lines = log.filter((entry) => entry.attempt === attempt).slice(-LOG_LINES);
    const text = Buffer.concat(
      lines.flatMap(({ line, partial }) => (partial ? [line] : [line, Buffer.from('\n')])),
    );
    return text.subarray(-LOG_BYTES).toString('utf8') || undefined;
  }
}
