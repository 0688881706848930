import { createWriteStream } from 'node:fs';
import { open, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type CallOptions, messageOf, PodwrightError, systemErrorKind } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import type { WorkDir } from './work-dirs.js';

/** Programs that take a compression off, by the bytes with which such a file begins (file(1)'s magic). */
const PROGRAMS: readonly (readonly [magic: string, program: string])[] = [
  ['1f8b', 'gzip'],
  ['425a68', 'bzip2'],
  ['fd377a585a00', 'xz'],
  ['28b52ffd', 'zstd'],
];
const STDERR_LIMIT = 4096;

/**
 * Archives without compression, which skopeo 1.9 does not take off, and under paths without a colon, which it would
 * take for the path's end.
 */
@injectable()
export class PlainArchives {
  constructor(@inject(HostExecutor) private readonly executor: HostExecutor) {}

  /**
   * @param path of the archive on the host, compressed by gzip, bzip2, xz or zstd, or not at all
   * @param work where the plain archive is put, or a link to one that is plain already
   * @returns its path
   * @throws PodwrightError kind `invalid-argument` (damaged), `no-space`, `missing-requirement` (the program is not
   *   on the host), `cancelled`
   */
  async archive(path: string, work: WorkDir, options: CallOptions = {}): Promise<string> {
    const plain = join(work.path, 'archive.tar');
    const program = await this.#program(path);
    if (program === undefined) await symlink(path, this.executor.hostPath(plain));
    else await this.#decompress(program, path, plain, options);
    return plain;
  }

  async #program(path: string): Promise<string | undefined> {
    const file = await open(this.executor.hostPath(path));
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(6), 0, 6, 0);
      const start = buffer.toString('hex', 0, bytesRead);
      return PROGRAMS.find(([magic]) => start.startsWith(magic))?.[1];
    } finally {
      await file.close();
    }
  }

  async #decompress(program: string, path: string, plain: string, { signal }: CallOptions): Promise<void> {
    const process = await this.executor.start({
      command: program,
      args: ['--decompress', '--stdout', '--', path],
      ...(signal && { signal }),
    });
    process.stdin.end();
    let said = '';
    process.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      said = `${said}${chunk}`.slice(-STDERR_LIMIT);
    });
    const target = this.executor.hostPath(plain);
    const written = await pipeline(process.stdout, createWriteStream(target), {
      ...(signal && { signal }),
    }).then(
      () => undefined,
      (error: unknown) => error ?? new Error('the output ended early'),
    );
    // A full disk leaves the program waiting for a reader.
    if (written !== undefined) process.kill('SIGKILL');
    const { exitCode } = await process.exited;
    if (written === undefined && exitCode === 0) return;
    await rm(target, { force: true });
    if (signal?.aborted) {
      throw new PodwrightError('cancelled', `Loading ${path} was cancelled.`, { cause: signal.reason });
    }
    throw new PodwrightError(
      systemErrorKind(written) ?? 'invalid-argument',
      `${path} cannot be decompressed: ${written === undefined ? said.trim() : messageOf(written)}.`,
      { cause: written, details: { exitCode, stderr: said.trim() } },
    );
  }
}
