import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostExecutor } from '@podwright/nsenter';

/** One line of /proc/PID/stat, the fields that matter here. */
export interface ProcessStat {
  readonly pid: number;
  /** `Z` for one that has ended and was not waited for. */
  readonly state: string;
  readonly parent: number;
  readonly session: number;
  /** Device number of the controlling terminal; 0: none. */
  readonly terminal: number;
}

/** Reads /proc/PID/stat (proc(5)); the program's name in it may contain anything. */
export function parseProcessStat(text: string): ProcessStat | undefined {
  const [, pid] = /^(\d+) \(/.exec(text) ?? [];
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state = '', parent, , session, terminal] = fields;
  if (pid === undefined || terminal === undefined) return undefined;
  return {
    pid: Number(pid),
    state,
    parent: Number(parent),
    session: Number(session),
    terminal: Number(terminal),
  };
}

/**
 * A process, its descendants, and all of its session and of those that they lead: children that lost their parent are
 * still in those.
 * @param session of the process; it may have lost its leader, as with crun, which makes it in a process between
 */
export function processesOf(
  root: number,
  session: number | undefined,
  all: readonly ProcessStat[],
): readonly number[] {
  const members = new Set<number>([root]);
  for (let size = 0; size !== members.size; ) {
    size = members.size;
    for (const stat of all) {
      if (members.has(stat.parent) || members.has(stat.session) || stat.session === session) {
        members.add(stat.pid);
      }
    }
  }
  return all.filter(({ pid, state }) => members.has(pid) && state !== 'Z').map(({ pid }) => pid);
}

/** @returns undefined when there is no such process any more */
export async function readProcessStat(
  executor: HostExecutor,
  pid: number | string,
): Promise<ProcessStat | undefined> {
  try {
    return parseProcessStat(await readFile(executor.hostPath(join('/proc', String(pid), 'stat')), 'latin1'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

/**
 * Sends SIGKILL to what `processesOf` finds, until none is left.
 * @param root a process that is in a session of its own, as all are that a `HostExecutor` or an OCI runtime starts
 */
export async function killProcessTree(executor: HostExecutor, root: number): Promise<void> {
  const session = (await readProcessStat(executor, root))?.session;
  // Anew after each round, since a process may have forked while it was looked for.
  for (;;) {
    const names = (await readdir(executor.hostPath('/proc'))).filter((name) => /^\d+$/.test(name));
    const stats = await Promise.all(names.map((name) => readProcessStat(executor, name)));
    const pids = processesOf(
      root,
      session,
      stats.filter((stat) => stat !== undefined),
    );
    if (pids.length === 0) return;
    await executor.run({
      command: 'sh',
      args: ['-c', 'kill -KILL "$@"', 'kill', ...pids.map(String)],
      okExitCodes: 'any',
    });
  }
}
