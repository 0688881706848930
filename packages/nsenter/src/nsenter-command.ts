import { PodwrightError } from '@podwright/core';

export type NamespaceKind = 'cgroup' | 'ipc' | 'mount' | 'net' | 'pid' | 'user' | 'uts';

/** Flag of nsenter(1) and name below /proc/PID/ns of each. In this order nsenter's users list them. */
const NAMESPACES: Readonly<Record<NamespaceKind, { readonly flag: string; readonly file: string }>> = {
  user: { flag: 'user', file: 'user' },
  cgroup: { flag: 'cgroup', file: 'cgroup' },
  ipc: { flag: 'ipc', file: 'ipc' },
  uts: { flag: 'uts', file: 'uts' },
  net: { flag: 'net', file: 'net' },
  pid: { flag: 'pid', file: 'pid' },
  mount: { flag: 'mount', file: 'mnt' },
};

/** Files to enter, each by a path as the command sees it: pinned ones, or those of a process. */
export interface NsenterTarget {
  readonly namespaces: Readonly<Partial<Record<NamespaceKind, string>>>;
  /** Directory that becomes the root. */
  readonly root?: string;
  /** Directory that becomes the working directory; it is opened before any namespace is entered. */
  readonly cwd?: string;
}

/** What to enter of a process. */
export interface ProcessTarget {
  readonly namespaces: readonly NamespaceKind[];
  /** Also its root and working directory. */
  readonly root?: boolean;
}

/**
 * The target of a process by the directory of /proc that stands for it. Use `PinnedProcess.procPath`: of a bare
 * `/proc/PID` nobody knows whose it is when nsenter opens it.
 */
export function processTarget(procPath: string, { namespaces, root = false }: ProcessTarget): NsenterTarget {
  return {
    namespaces: Object.fromEntries(
      namespaces.map((kind) => [kind, `${procPath}/ns/${NAMESPACES[kind].file}`]),
    ),
    ...(root ? { root: `${procPath}/root`, cwd: `${procPath}/cwd` } : {}),
  };
}

/**
 * The command line that runs `argv` inside. It keeps the caller's user, capabilities and cgroup.
 * @throws PodwrightError kind `invalid-argument` when there is nothing to enter or to run
 */
export function nsenterCommand(
  target: NsenterTarget,
  argv: readonly string[],
): { readonly command: 'nsenter'; readonly args: readonly string[] } {
  const flags = Object.entries(NAMESPACES).flatMap(([kind, { flag }]) => {
    const path = target.namespaces[kind as NamespaceKind];
    return path === undefined ? [] : [`--${flag}=${path}`];
  });
  if (target.root !== undefined) flags.push(`--root=${target.root}`);
  if (target.cwd !== undefined) flags.push(`--wd=${target.cwd}`);
  if (flags.length === 0 || argv.length === 0) {
    throw new PodwrightError(
      'invalid-argument',
      'nsenter needs a namespace to enter and a command to run there.',
    );
  }
  return { command: 'nsenter', args: [...flags, '--', ...argv] };
}
