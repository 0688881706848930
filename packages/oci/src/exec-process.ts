import type { EnvVar, TerminalSize } from '@podwright/core';
import { parseProcessLimits } from './host-facts.js';
import { checkVariable, checkWords } from './process-settings.js';
import type { ResolvedUser } from './resolve-user.js';
import type { OciProcess, OciRlimit } from './runtime-spec.js';

export interface ExecProcessOptions {
  readonly command: readonly string[];
  readonly tty?: boolean;
  readonly terminalSize?: TerminalSize;
  /** Over the container's own, by name. */
  readonly env?: readonly EnvVar[];
  readonly cwd?: string;
  /** How many files it can have open, where the container's document does not say it. */
  readonly openFiles?: OciRlimit;
  /** Another user than the container's. */
  readonly user?: ResolvedUser;
}

/**
 * A further process of a container: as its first one in capabilities, limits, no_new_privs, user, environment and
 * directory, as far as the options say nothing else. Seccomp and namespaces are the container's in any case.
 * @param first `process` of the container's document
 * @throws PodwrightError kind `invalid-argument` for an empty command, a NUL, or a bad name of a variable
 */
export function buildExecProcess(first: OciProcess, options: ExecProcessOptions): OciProcess {
  checkWords(options.command);
  const env = new Map(first.env.map((entry) => splitVariable(entry)));
  if (options.tty === true && !env.has('TERM')) env.set('TERM', 'xterm');
  if (options.user !== undefined) env.set('HOME', options.user.home);
  for (const { name, value } of options.env ?? []) {
    checkVariable(name, value);
    env.set(name, value);
  }
  const { terminalSize: size, user, openFiles } = options;
  const rlimits = first.rlimits ?? [];
  const isLimited = openFiles === undefined || rlimits.some(({ type }) => type === openFiles.type);
  return {
    ...first,
    ...(!isLimited && { rlimits: [...rlimits, openFiles] }),
    terminal: options.tty === true,
    ...(options.tty === true &&
      size !== undefined && { consoleSize: { height: size.rows, width: size.columns } }),
    ...(user !== undefined && {
      user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
    }),
    args: options.command,
    env: [...env].map(([name, value]) => `${name}=${value}`),
    cwd: options.cwd ?? first.cwd,
  };
}

function splitVariable(entry: string): [string, string] {
  const equals = entry.indexOf('=');
  return [entry.slice(0, equals), entry.slice(equals + 1)];
}

/**
 * The limit of open files that a further process is to have: the container's, and not the caller's, which Node.js raises
 * for itself at its start. The hard one is not raised, as that takes a right that the caller may not have.
 * @param first /proc/PID/limits of the container's first process
 * @param own the caller's
 */
export function openFilesLimit(first: string, own: string): OciRlimit | undefined {
  const [limit, ceiling] = [first, own].map((text) =>
    parseProcessLimits(text).find(({ type }) => type === 'RLIMIT_NOFILE'),
  );
  if (limit === undefined || ceiling === undefined) return undefined;
  const hard = Math.min(limit.hard, ceiling.hard);
  return { type: limit.type, soft: Math.min(limit.soft, hard), hard };
}
