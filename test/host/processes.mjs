// Processes told apart by their id and their start time, so that a reused id is never taken for the old process.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Clock ticks from boot to the start of a process; undefined when it is gone or a zombie. */
export function startTimeOf(pid) {
  const fields = statFieldsOf(pid);
  return fields === undefined || fields[0] === 'Z' ? undefined : fields[19];
}

/** Whether the process `{pid, startTime}` lives. */
export function isAlive(process) {
  return process !== undefined && startTimeOf(process.pid) === process.startTime;
}

/** `{pid, startTime}` of a process, or undefined. */
export function identify(pid) {
  const startTime = startTimeOf(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}

export function commOf(pid) {
  return readText(`/proc/${pid}/comm`)?.trim();
}

export function childrenOf(parent) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(statFieldsOf(name)?.[1]) === parent)
    .map(Number);
}

/** Polls, since the kernel tells nobody but the parent; throws with `what` when the time is over. */
export async function waitUntil(what, timeoutMs, condition) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`${what}: not within ${timeoutMs / 1000} s`);
    await sleep(10);
  }
}

export function killQuietly(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** The fields of /proc/PID/stat after the command's name: state, parent, … (proc(5)). */
function statFieldsOf(pid) {
  const text = readText(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}

export function readText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'ENOTDIR'].includes(error.code)) return undefined;
    throw error;
  }
}
