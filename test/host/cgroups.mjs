// A cgroup of its own for each throw-away host in every hierarchy of the machine, version 1, 2 or both.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { killQuietly, readText, waitUntil } from './processes.mjs';

/** Every mounted hierarchy: `{mountPoint, root, type, controllers}`. */
function hierarchies() {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' - '))
    .filter(([, right]) => right !== undefined && /^cgroup2? /.test(right))
    .map(([left, right]) => {
      const [, , , root, mountPoint] = left.split(' ');
      const [type, , options] = right.split(' ');
      return { mountPoint, root, type, controllers: type === 'cgroup2' ? [''] : options.split(',') };
    });
}

/** The directories of the cgroups that a process is in. */
export function cgroupsOf(pid) {
  const lines = (readText(`/proc/${pid}/cgroup`) ?? '').split('\n').filter((line) => line !== '');
  const found = [];
  for (const { mountPoint, root, controllers } of hierarchies()) {
    const line = lines.find((each) =>
      each
        .split(':')[1]
        .split(',')
        .some((one) => controllers.includes(one)),
    );
    if (line === undefined) continue;
    const below = relative(root, line.split(':').slice(2).join(':'));
    const folder = join(mountPoint, below.startsWith('..') ? '' : below);
    found.push(existsSync(folder) ? folder : mountPoint);
  }
  return found;
}

/** Makes a cgroup `name` below the caller's own in each hierarchy and returns their directories. */
export function makeCgroups(name) {
  return cgroupsOf('self').map((parent) => {
    const folder = join(parent, name);
    enableControllers(parent);
    mkdirSync(folder, { recursive: true });
    // A new cpuset has no processors and no memory, and takes no process until it has.
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      const inherited = readText(join(parent, file))?.trim();
      if (inherited && readText(join(folder, file))?.trim() === '')
        writeFileSync(join(folder, file), inherited);
    }
    const cloneChildren = join(folder, 'cgroup.clone_children');
    if (existsSync(join(folder, 'cpuset.cpus')) && existsSync(cloneChildren))
      writeFileSync(cloneChildren, '1');
    return folder;
  });
}

/** On version 2 a child has only the controllers that its parent hands down; a parent with processes may refuse. */
function enableControllers(parent) {
  for (const controller of (readText(join(parent, 'cgroup.controllers')) ?? '').trim().split(' ')) {
    if (controller === '') continue;
    try {
      writeFileSync(join(parent, 'cgroup.subtree_control'), `+${controller}`);
    } catch (error) {
      if (!['EBUSY', 'EINVAL', 'EROFS', 'EACCES', 'EOPNOTSUPP'].includes(error.code)) throw error;
    }
  }
}

/** Every cgroup of that name, whoever made it and from wherever: also what a killed earlier run left behind. */
export function findCgroups(name) {
  const found = [];
  const walk = (folder, depth) => {
    for (const child of childFolders(folder)) {
      if (child === name) found.push(join(folder, child));
      else if (depth > 0) walk(join(folder, child), depth - 1);
    }
  };
  for (const { mountPoint } of hierarchies()) walk(mountPoint, 4);
  return found;
}

/** The ids of all processes in a cgroup and below it. */
export function processesIn(folder) {
  const own = (readText(join(folder, 'cgroup.procs')) ?? '').split('\n').filter((line) => line !== '');
  const below = childFolders(folder).flatMap((child) => processesIn(join(folder, child)));
  return [...new Set([...own.map(Number), ...below])];
}

/** Kills everything in the cgroups and removes them. */
export async function removeCgroups(folders) {
  await waitUntil(`ending the processes in ${folders.join(', ')}`, 20_000, () => {
    const pids = new Set(folders.flatMap(processesIn));
    for (const pid of pids) killQuietly(pid, 'SIGKILL');
    return pids.size === 0;
  });
  for (const folder of folders) await waitUntil(`removing ${folder}`, 10_000, () => removeTree(folder));
}

/** The kernel may hold a cgroup for a moment after its last process has ended. */
function removeTree(folder) {
  const below = childFolders(folder).map((child) => removeTree(join(folder, child)));
  if (below.includes(false)) return false;
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    if (error.code === 'ENOENT') return true;
    if (error.code === 'EBUSY') return false;
    throw error;
  }
}

function childFolders(folder) {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENODEV') return [];
    throw error;
  }
}
