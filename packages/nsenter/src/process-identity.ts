import { type FileHandle, open, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { PodwrightError, systemErrorCode } from '@podwright/core';
import type { HostExecutor } from './host-executor.js';

/** One process of this boot: a PID is given to another process later, the pair is not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: start after boot, in clock ticks. */
  readonly startTimeTicks: number;
}

export interface ProcessStat extends ProcessIdentity {
  readonly comm: string;
  /** One letter, see proc(5): `Z` and `X` have ended. */
  readonly state: string;
  readonly parentPid: number;
}

/** What a process has to be besides itself. */
export interface ProcessExpectation {
  /** It is in the cgroup of this unit, or below it. */
  readonly unit?: string;
}

/** A process that is held on to: its `procPath` never leads to another one, also when the PID is used again. */
export interface PinnedProcess extends AsyncDisposable {
  readonly identity: ProcessIdentity;
  /** Directory of /proc of this very process, for commands on the host, while this object is not disposed of. */
  readonly procPath: string;
}

/**
 * Parses /proc/PID/stat. The program's name stands there as it is, with blanks and parentheses.
 * @throws PodwrightError kind `internal`
 */
export function parseProcStat(text: string): ProcessStat {
  const nameEnd = text.lastIndexOf(')');
  const nameStart = text.indexOf('(');
  const rest = text
    .slice(nameEnd + 2)
    .trim()
    .split(' ');
  const [pid, parentPid, startTimeTicks] = [text.slice(0, nameStart), rest[1], rest[19]].map(Number);
  const state = rest[0];
  if (
    !pid ||
    parentPid === undefined ||
    !state ||
    startTimeTicks === undefined ||
    Number.isNaN(startTimeTicks)
  ) {
    throw new PodwrightError('internal', `This is no /proc/PID/stat: ${text.slice(0, 200)}`);
  }
  return { pid, comm: text.slice(nameStart + 1, nameEnd), state, parentPid, startTimeTicks };
}

/** Whether /proc/PID/cgroup tells of a process in a unit's cgroup or below: in the unified or in systemd's own hierarchy. */
export function isInUnit(cgroupFile: string, unit: string): boolean {
  return cgroupFile
    .split('\n')
    .map((line) => /^(?:0::|\d+:name=systemd:)(.*)$/.exec(line)?.[1])
    .some((path) => path?.split('/').includes(unit) === true);
}

/** Who has a PID of the host now; undefined when nobody has it, or one that has ended. */
export async function readProcessIdentity(
  executor: HostExecutor,
  pid: number,
): Promise<ProcessIdentity | undefined> {
  const stat = await readStat(executor.hostPath(`/proc/${pid}`));
  return stat === undefined ? undefined : { pid, startTimeTicks: stat.startTimeTicks };
}

/**
 * Checks that a PID is still the process it was, and holds on to it: what is entered by `procPath` after this call is
 * that process or nothing.
 * @throws PodwrightError kind `failed-precondition` when it has ended, when the PID is another process's by now, or
 *   when it is not in the unit; `permission-denied`
 */
export async function pinProcess(
  executor: HostExecutor,
  identity: ProcessIdentity,
  expected: ProcessExpectation = {},
): Promise<PinnedProcess> {
  const { pid } = identity;
  // An open directory of /proc belongs to the process, not to the number: after its end nothing is found in it.
  const directory = await openProc(executor.hostPath(`/proc/${pid}`), pid);
  try {
    const own = await readlink(executor.hostPath('/proc/self'));
    await verify(`/proc/self/fd/${directory.fd}`, identity, expected);
    return {
      identity,
      procPath: `/proc/${own}/fd/${directory.fd}`,
      [Symbol.asyncDispose]: () => directory.close(),
    };
  } catch (error) {
    await directory.close();
    throw error;
  }
}

/**
 * As `pinProcess`, for who only wants to know it now.
 * @throws PodwrightError as `pinProcess`
 */
export async function verifyProcess(
  executor: HostExecutor,
  identity: ProcessIdentity,
  expected: ProcessExpectation = {},
): Promise<void> {
  const pinned = await pinProcess(executor, identity, expected);
  await pinned[Symbol.asyncDispose]();
}

async function verify(
  procPath: string,
  identity: ProcessIdentity,
  expected: ProcessExpectation,
): Promise<void> {
  const { pid, startTimeTicks } = identity;
  const details = { ...identity, ...expected };
  const stat = await readStat(procPath);
  if (stat === undefined) throw ended(pid, details);
  if (stat.startTimeTicks !== startTimeTicks) {
    const message = `Process ${pid} has ended; ${stat.comm} has its number now.`;
    throw new PodwrightError('failed-precondition', message, { details });
  }
  if (expected.unit === undefined) return;
  const cgroup = await readFile(join(procPath, 'cgroup'), 'utf8').catch((error: unknown) => {
    throw isGone(error) ? ended(pid, details) : error;
  });
  if (!isInUnit(cgroup, expected.unit)) {
    const message = `Process ${pid} (${stat.comm}) is not in ${expected.unit}.`;
    throw new PodwrightError('failed-precondition', message, { details: { ...details, cgroup } });
  }
}

async function openProc(path: string, pid: number): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    if (isGone(cause)) throw ended(pid, { pid });
    throw new PodwrightError('permission-denied', `Process ${pid} cannot be looked at: ${String(cause)}.`, {
      cause,
    });
  }
}

async function readStat(procPath: string): Promise<ProcessStat | undefined> {
  try {
    const stat = parseProcStat(await readFile(join(procPath, 'stat'), 'utf8'));
    return stat.state === 'Z' || stat.state === 'X' ? undefined : stat;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function ended(pid: number, details: Readonly<Record<string, unknown>>): PodwrightError {
  return new PodwrightError('failed-precondition', `Process ${pid} has ended.`, { details });
}

function isGone(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === 'ENOENT' || code === 'ESRCH';
}
