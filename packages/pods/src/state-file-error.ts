import { type ErrorKind, messageOf, PodwrightError, systemErrorCode } from '@podwright/core';

/** Told with the user, because the wrong one is the usual reason: most backends need root. */
const NO_RIGHT = `Run the agent as root (it runs as user ${process.geteuid?.() ?? 'unknown'}), give it the right to write there, or choose another stateDir.`;

const KINDS: Readonly<Record<string, readonly [ErrorKind, string]>> = {
  ENOSPC: ['no-space', 'Make room on its file system.'],
  EDQUOT: ['no-space', 'Raise the quota, or make room.'],
  EACCES: ['permission-denied', NO_RIGHT],
  EPERM: ['permission-denied', NO_RIGHT],
  EROFS: ['permission-denied', 'Its file system is read-only: choose another stateDir.'],
  ENOTDIR: ['invalid-argument', 'A part of the path is no directory: choose another stateDir.'],
  EEXIST: ['invalid-argument', 'A part of the path is no directory: choose another stateDir.'],
};

/** What a failed call of the file system means for whoever runs the agent. */
export function stateFileError(what: string, path: string, error: unknown): PodwrightError {
  const code = systemErrorCode(error);
  const [kind, advice] = KINDS[code] ?? ['internal', ''];
  return new PodwrightError(kind, `${what} ${path} failed: ${messageOf(error)}. ${advice}`.trimEnd(), {
    cause: error,
    details: { path, code },
  });
}
