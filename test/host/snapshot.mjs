// What is there on a machine (units, mounts, namespaces, processes, interfaces), and what was left when two such
// snapshots are compared. The demo proves with it that nothing stays behind.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { readText, startTimeOf } from './processes.mjs';
import { isSystemdMachine } from './requirements.mjs';

/** The lists of a snapshot, and what one of each is called. */
const KINDS = {
  units: 'unit',
  mounts: 'mount',
  namespaces: 'namespace',
  processes: 'process',
  interfaces: 'interface',
};

/**
 * What is there now; in each list a text stands for the same thing in every snapshot.
 * @param only units, mounts and processes (their cgroup or command) have to match it, and namespaces to be held by such
 *   a process or mount: for machines on which others work too. Interfaces are always all.
 * @returns `{units, mounts, namespaces, processes, interfaces}`
 */
export function takeSnapshot(only = /^/) {
  const mounts = parseMounts(readFileSync('/proc/self/mountinfo', 'utf8')).filter(({ text }) =>
    only.test(text),
  );
  const processes = listProcesses().filter(({ text }) => only.test(text));
  return {
    units: isSystemdMachine() ? listUnits().filter((name) => only.test(name)) : [],
    mounts: mounts.map(({ text }) => text),
    namespaces: [
      ...new Set([...mounts.flatMap(({ namespace }) => namespace ?? []), ...processes.flatMap(namespacesOf)]),
    ],
    processes: processes.map(({ text }) => text),
    interfaces: parseInterfaces(readFileSync('/proc/self/net/dev', 'utf8')),
  };
}

/** What `after` has beyond `before`, as lines for people; a thing that is there more often counts as well. */
export function leftovers(before, after) {
  return Object.entries(KINDS).flatMap(([kind, name]) => {
    const counts = new Map();
    for (const each of before[kind]) counts.set(each, (counts.get(each) ?? 0) + 1);
    return after[kind]
      .filter((each) => {
        const count = counts.get(each) ?? 0;
        counts.set(each, count - 1);
        return count <= 0;
      })
      .map((each) => `${name} ${each}`);
  });
}

/** The leftovers that are still there after `timeoutMs`: the kernel and systemd take a moment to end things. */
export async function lastingLeftovers(before, { only, timeoutMs }) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const left = leftovers(before, takeSnapshot(only));
    if (left.length === 0 || Date.now() > end) return left;
    await sleep(50);
  }
}

/** The mounts of a mountinfo file (proc(5)); a pinned namespace shows as a mount of type nsfs. */
export function parseMounts(text) {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [left, right] = line.split(' - ');
      const [, , , root, target] = left.split(' ');
      const [type, source] = right.split(' ');
      return {
        text: `${target} (${type} from ${type === 'nsfs' ? root : source})`,
        namespace: type === 'nsfs' ? root : undefined,
      };
    });
}

/** The names in /proc/net/dev. */
export function parseInterfaces(text) {
  return text
    .split('\n')
    .filter((line) => line.includes(':'))
    .map((line) => line.split(':')[0].trim());
}

/** Units that are active, starting, ending or failed. */
function listUnits() {
  const result = spawnSync('systemctl', ['list-units', '--all', '--plain', '--no-legend', '--full'], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.status !== 0) throw new Error(`systemctl list-units failed: ${result.stderr}`);
  return parseUnits(result.stdout);
}

/** From the lines of `systemctl list-units --all --plain --no-legend`. */
export function parseUnits(text) {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([name, , active]) => name !== '' && active !== 'inactive')
    .map(([name, , active]) => (active === 'failed' ? `${name} (failed)` : name));
}

/** All processes but the kernel's own threads. */
function listProcesses() {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const startTime = startTimeOf(pid);
      const command = readText(`/proc/${pid}/cmdline`)?.replaceAll('\0', ' ').trim();
      if (startTime === undefined || !command) return [];
      const cgroup = /^(?:1:name=systemd|\d+:name=systemd|0:):(.*)$/m.exec(
        readText(`/proc/${pid}/cgroup`) ?? '',
      );
      return [
        { pid, text: `${pid} in ${cgroup?.[1] ?? '?'} started ${startTime}: ${command.slice(0, 200)}` },
      ];
    });
}

function namespacesOf({ pid }) {
  try {
    return readdirSync(`/proc/${pid}/ns`)
      .filter((name) => !name.endsWith('_for_children'))
      .map((name) => readlinkSync(`/proc/${pid}/ns/${name}`));
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(error.code)) return [];
    throw error;
  }
}
