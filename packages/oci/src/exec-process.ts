import type { EnvVar, TerminalSize } from '@podwright/core';
import { checkVariable, checkWords } from './process-settings.js';
import type { ResolvedUser } from './resolve-user.js';
import type { OciProcess } from './runtime-spec.js';

export interface ExecProcessOptions {
  readonly command: readonly string[];
  readonly tty?: boolean;
  readonly terminalSize?: TerminalSize;
  /** Over the container's own, by name. */
  readonly env?: readonly EnvVar[];
  readonly cwd?: string;
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
  const { terminalSize: size, user } = options;
  return {
    ...first,
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
