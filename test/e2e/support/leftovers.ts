import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { leftovers, type Snapshot, takeSnapshot } from '../../host/snapshot.mjs';
import { slowness } from '../../slowness.js';
import { agentLayout } from './test-agent.js';

const PATIENCE_MS = 20_000 * slowness;

/** Directories below an agent's own in which each entry belongs to one pod or container. */
const PER_POD = [
  'state/pods',
  'state/containers',
  'state/sandboxes',
  'state/volumes',
  'run/containers',
  'run/sandboxes',
  'run/volumes',
  'run/runtime',
  'run/cni/results',
];

/**
 * What an agent has left behind since the snapshot, on the host and in its own directories, in words. The kernel and
 * systemd get a moment to end things.
 * @param others what is somebody else's, and is neither told nor waited for
 */
export async function leftBehind(before: Snapshot, folder: string, others?: RegExp): Promise<string[]> {
  const onHost = await onHostAfterAll(before, others);
  const { stateDir } = agentLayout(folder);
  const inFolder = await Promise.all(
    PER_POD.map(async (path) => {
      const names = await readdir(join(folder, path)).catch(() => []);
      // The lock of the agent that lives, of which there is one.
      return names.filter((name) => !/^lock-.*\.sock$/.test(name)).map((name) => join(folder, path, name));
    }),
  );
  const preparing = await readdir(stateDir).catch(() => []);
  const unknown = preparing.filter((name) => name.startsWith('.')).map((name) => join(stateDir, name));
  return [...onHost, ...inFolder.flat(), ...unknown].filter((each) => !others?.test(each));
}

async function onHostAfterAll(before: Snapshot, others: RegExp | undefined): Promise<string[]> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    // Mounts are seen as such: systemd takes a moment to have a unit of each, so the one of before may be missing.
    const left = leftovers(before, takeSnapshot()).filter(
      (each) => !/^unit .*\.mount$/.test(each) && !others?.test(each),
    );
    if (left.length === 0 || Date.now() > end) return left;
    await setTimeout(50);
  }
}
