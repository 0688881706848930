import { constants } from 'node:fs';
import { open, readlink } from 'node:fs/promises';
import { PodwrightError, type TerminalSize } from '@podwright/core';
import type { HostExecutor } from '@podwright/nsenter';
import { readProcessStat } from './process-tree.js';

/** open(2): a handle on the place only; nothing of the device is touched. Node has no name for it. */
const O_PATH = 0o10000000;
/** Majors of UNIX98 pseudo terminals are 136 to 143, with 256 minors each. */
const PTS_MAJOR = 136;

/**
 * Sets the size of the terminal that a process in a container has; its foreground processes get SIGWINCH. crun before
 * 1.9 passes on the signal of its own terminal, but not the size, so the container's terminal is set directly.
 *
 * The terminal's number comes from the kernel, its place from the container, which may have put anything there: the
 * place is pinned, looked at, and only then opened.
 * @param pid the process's PID on the host; of one that has ended: nothing
 * @throws PodwrightError kind `invalid-argument` for a size that no terminal has, `failed-precondition` without terminal
 */
export async function resizeTerminal(executor: HostExecutor, pid: number, size: TerminalSize): Promise<void> {
  checkTerminalSize(size);
  const stat = await readProcessStat(executor, pid);
  if (stat === undefined || stat.state === 'Z') return;
  const major = (stat.terminal >> 8) & 0xfff;
  const minor = (stat.terminal & 0xff) | ((stat.terminal >>> 12) & 0xfff00);
  const noTerminal = (cause?: unknown) =>
    new PodwrightError('failed-precondition', `Process ${pid} has no terminal that could be resized.`, {
      cause,
    });
  if (major < PTS_MAJOR || major > PTS_MAJOR + 7) throw noTerminal();

  const number = (major - PTS_MAJOR) * 256 + minor;
  const path = executor.hostPath(`/proc/${pid}/root/dev/pts/${number}`);
  const place = await open(path, O_PATH | constants.O_NOFOLLOW).catch((error: unknown) => {
    throw noTerminal(error);
  });
  try {
    const found = await place.stat();
    if (!found.isCharacterDevice() || found.rdev !== stat.terminal) throw noTerminal();
    // This process as the host's /proc numbers it.
    const self = await readlink(executor.hostPath('/proc/self'));
    await executor.run({
      command: 'stty',
      args: ['-F', `/proc/${self}/fd/${place.fd}`, ...sttySize(size)],
    });
  } finally {
    await place.close();
  }
}

/** Arguments of stty(1). */
export function sttySize(size: TerminalSize): readonly string[] {
  return ['rows', String(size.rows), 'columns', String(size.columns)];
}

/** @throws PodwrightError kind `invalid-argument` */
export function checkTerminalSize({ rows, columns }: TerminalSize): void {
  const fits = (value: number) => Number.isInteger(value) && value >= 0 && value <= 0xffff;
  if (!fits(rows) || !fits(columns)) {
    throw new PodwrightError(
      'invalid-argument',
      `A terminal cannot have ${rows} rows and ${columns} columns: both are whole numbers up to 65535.`,
    );
  }
}
