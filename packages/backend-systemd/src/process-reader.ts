import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { type ProcessDetail, systemErrorCode } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { CgroupTree } from './cgroup-tree.js';
import { countStates, type ProcessStat, parseProcessStat, parseSoftLimits } from './process-stat.js';

/** File descriptors looked at without a turn of the event loop in between: about a millisecond. */
const BATCH = 256;

interface Descriptors {
  readonly all: number;
  readonly sockets: number;
}

/** Counts what the processes of a container have open and do, from /proc (proc(5)). */
@injectable()
export class ProcessReader {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(CgroupTree) private readonly cgroups: CgroupTree,
  ) {}

  /**
   * @param path of the container's cgroup
   * @param firstPid of the container; what started it watches it, and is not counted
   */
  async read(path: string, firstPid: number): Promise<ProcessDetail> {
    const first = this.stat(firstPid);
    const states: string[] = [];
    let [processes, fileDescriptors, sockets] = [0, 0, 0];
    for (const pid of await this.cgroups.allProcesses(path)) {
      const stat = pid === first?.parentId ? undefined : this.stat(pid);
      // It is the one that watches, or has ended meanwhile.
      if (stat === undefined) continue;
      const open = await this.descriptors(pid);
      processes += 1;
      fileDescriptors += open.all;
      sockets += open.sockets;
      states.push(...this.statesOf(pid, stat));
      await setImmediate();
    }
    const limits = unlessEnded(() => readFileSync(this.proc(firstPid, 'limits'), 'utf8')) ?? '';
    return {
      ...{ processes, fileDescriptors, sockets },
      threadStates: countStates(states),
      softLimits: parseSoftLimits(limits),
    };
  }

  private proc(pid: number, name: string): string {
    return this.host.hostPath(`/proc/${pid}/${name}`);
  }

  private stat(pid: number): ProcessStat | undefined {
    const text = unlessEnded(() => readFileSync(this.proc(pid, 'stat'), 'utf8'));
    return text === undefined ? undefined : parseProcessStat(text);
  }

  /** Of every thread; that of a process with one is known. */
  private statesOf(pid: number, { state, threads }: ProcessStat): readonly string[] {
    if (threads <= 1) return [state];
    const tasks = unlessEnded(() => readdirSync(this.proc(pid, 'task'))) ?? [];
    return tasks.flatMap((task) => {
      const text = unlessEnded(() => readFileSync(this.proc(pid, `task/${task}/stat`), 'utf8'));
      return text === undefined ? [] : [parseProcessStat(text).state];
    });
  }

  private async descriptors(pid: number): Promise<Descriptors> {
    const folder = this.proc(pid, 'fd');
    const names = unlessEnded(() => readdirSync(folder)) ?? [];
    let sockets = 0;
    for (const [index, name] of names.entries()) {
      if (unlessEnded(() => readlinkSync(`${folder}/${name}`))?.startsWith('socket:')) sockets += 1;
      if ((index + 1) % BATCH === 0) await setImmediate();
    }
    return { all: names.length, sockets };
  }
}

/** Undefined when the process, its thread or its file descriptor is gone meanwhile. */
function unlessEnded<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
