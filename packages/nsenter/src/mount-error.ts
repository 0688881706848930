import { type ErrorKind, PodwrightError } from '@podwright/core';
import type { HostResult } from './host-executor.js';
import { describeCommand, maskSecrets } from './secrets.js';

/** Words of mount(8) and umount(8) of util-linux in the C locale, and of mount helpers. */
const KINDS: readonly (readonly [RegExp, ErrorKind])[] = [
  [/target is busy|already mounted/i, 'in-use'],
  [/must be superuser|permission denied|operation not permitted|only root can/i, 'permission-denied'],
  [/unknown filesystem type|not supported by|no such device/i, 'unsupported'],
  [/no space left/i, 'no-space'],
  [/no mount point specified|does not exist|no such file or directory/i, 'not-found'],
  [/not mounted|not a mount ?point|not mount point/i, 'failed-precondition'],
];

/** What mount(8) adds to each message, though it is true of few. */
const DMESG_HINT = /\n?\s*dmesg\(1\) may have more information after failed mount system call\./g;

export interface FailedMountCommand {
  /** What was tried, as `/data could not be unmounted`. */
  readonly what: string;
  readonly path: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly secrets: readonly string[];
}

/** The error of a mount command that ended with an exit code other than 0. */
export function mountError(
  failed: FailedMountCommand,
  { stderr, stdout, exitCode }: HostResult,
): PodwrightError {
  const text = (output: Buffer) => maskSecrets(output.toString('utf8'), failed.secrets).trim();
  const said = text(stderr) || text(stdout);
  const kind = KINDS.find(([pattern]) => pattern.test(said))?.[1] ?? 'command-failed';
  const why =
    said.replace(DMESG_HINT, '') || `${failed.command} said nothing and ended with exit code ${exitCode}.`;
  return new PodwrightError(kind, `${maskSecrets(failed.what, failed.secrets)}: ${why}`, {
    details: {
      path: failed.path,
      command: describeCommand(failed.command, failed.args, failed.secrets),
      exitCode,
      stderr: said,
    },
  });
}
