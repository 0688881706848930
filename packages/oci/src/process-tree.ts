import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, PodwrightError, SystemClock } from '@podwright/core';
import type { HostExecutor } from '@podwright/nsenter';

/** Time that processes have to end after SIGKILL, in milliseconds. */
const END_WITHIN_MS = 5000;
/** Between two looks at processes that have been killed, in milliseconds; each pause is twice the one before. */
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 200;

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
 * @throws PodwrightError kind `timeout` when some are still there after five seconds, `details.pids` says which
 */
export async function killProcessTree(
  executor: HostExecutor,
  root: number,
  clock: Clock = new SystemClock(),
): Promise<void> {
  const session = (await readProcessStat(executor, root))?.session;
  const giveUpAtMs = clock.nowMs() + END_WITHIN_MS;
  const killed = new Set<number>();
  let pauseMs = FIRST_PAUSE_MS;
  // Anew after each round, since a process may have forked while it was looked for.
  for (;;) {
    const pids = await findProcesses(executor, root, session);
    if (pids.length === 0) return;
    if (clock.nowMs() >= giveUpAtMs) throw unkillable(pids);
    if (pids.every((pid) => killed.has(pid))) {
      await clock.sleep(pauseMs);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
    await executor.run({
      command: 'sh',
      args: ['-c', 'kill -KILL "$@"', 'kill', ...pids.map(String)],
      okExitCodes: 'any',
    });
    for (const pid of pids) killed.add(pid);
  }
}

async function findProcesses(
  executor: HostExecutor,
  root: number,
  session: number | undefined,
): Promise<readonly number[]> {
  const names = (await readdir(executor.hostPath('/proc'))).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(names.map((name) => readProcessStat(executor, name)));
  return processesOf(
    root,
    session,
    stats.filter((stat) => stat !== undefined),
  );
}

function unkillable(pids: readonly number[]): PodwrightError {
  return new PodwrightError(
    'timeout',
    `Processes are still there ${END_WITHIN_MS / 1000} s after SIGKILL: ${pids.join(', ')}. They wait in the kernel, mostly for a network file system or a device (state D in ps), and end when it answers or is gone.`,
    { details: { pids } },
  );
}
