import { readdir, readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { PodContainer } from '@podwright/core';
import { slowness } from '../../slowness.js';
import type { TestAgent } from './test-agent.js';
import { backendId } from './test-pods.js';

const PATIENCE_MS = 20_000 * slowness;

/**
 * PID of a container's first process, as the host sees it. A container is started when the OCI runtime lets its process go,
 * which executes the program a moment later: this is waited for.
 */
export async function hostPidOf({ layout }: TestAgent, container: PodContainer): Promise<number> {
  const pid = Number(await readFile(layout.container(backendId(container)).pidFile, 'utf8'));
  for (const end = Date.now() + PATIENCE_MS; await isOfRuntime(pid); ) {
    if (Date.now() > end) throw new Error(`Process ${pid} is still the OCI runtime's.`);
    await setTimeout(5);
  }
  return pid;
}

/** Whether a process is still `crun … create …` or `runc init`. */
async function isOfRuntime(pid: number): Promise<boolean> {
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return /\0(create|init)\0/.test(command);
}

/** Where a process is in systemd's hierarchy. */
export async function cgroupOf(pid: number | 'self'): Promise<string> {
  const text = await readFile(`/proc/${pid}/cgroup`, 'utf8');
  const found = /^(?:\d+:name=systemd|0:):(.*)$/m.exec(text)?.[1];
  if (found === undefined) throw new Error(`Process ${pid} is in no cgroup: ${text}`);
  return found;
}

/** A process, and its command line with blanks between the words. */
export interface Process {
  readonly pid: number;
  readonly command: string;
}

/** All processes of which `fits` holds; the kernel's own threads have no command. */
export async function processes(
  fits: (process: Process, cgroup: string) => boolean = () => true,
): Promise<readonly Process[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      try {
        const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ').trim();
        const process = { pid, command };
        return command !== '' && fits(process, await cgroupOf(pid)) ? [process] : [];
      } catch (error) {
        // Ended meanwhile.
        const code = error instanceof Error && 'code' in error ? error.code : undefined;
        if (code === 'ENOENT' || code === 'ESRCH') return [];
        throw error;
      }
    }),
  );
  return found.flat();
}

/** A field of /proc/<pid>/status, such as `CapEff`. */
export async function statusField(pid: number, name: string): Promise<string> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8');
  const line = text.split('\n').find((each) => each.startsWith(`${name}:`));
  if (line === undefined) throw new Error(`/proc/${pid}/status has no ${name}.`);
  return line.slice(name.length + 1).trim();
}
