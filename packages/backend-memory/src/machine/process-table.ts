import type { Clock } from '@podwright/core';
import type { ContainerFiles } from './container-files.js';
import type { SandboxNetwork } from './sandbox-network.js';
import { SIGKILL } from './signals.js';
import { type ProcessSpec, type Program, SimulatedProcess } from './simulated-process.js';

/** What the processes of one container share. */
export interface ProcessSurroundings {
  readonly clock: Clock;
  readonly files: ContainerFiles;
  readonly network: SandboxNetwork;
  readonly hostname: string;
  readonly programs: ReadonlyMap<string, Program>;
}

/** The processes of one container, numbered from 1; when the first one ends, all end. */
export class ProcessTable {
  readonly #processes = new Map<number, SimulatedProcess>();
  #nextPid = 1;

  constructor(readonly surroundings: ProcessSurroundings) {}

  /**
   * The program behind a command's first word, looked up in PATH as execvp(3) does: one of the simulation, or a file of
   * the container that begins with `#!/bin/sh`.
   */
  findProgram(command: string, env: ReadonlyMap<string, string>): Program | undefined {
    const folders = command.includes('/') ? [''] : (env.get('PATH') ?? '').split(':');
    for (const folder of folders) {
      const path = folder === '' ? command : `${folder}/${command}`;
      const slash = path.lastIndexOf('/');
      const known = PROGRAM_FOLDERS.has(path.slice(0, slash))
        ? this.surroundings.programs.get(path.slice(slash + 1))
        : undefined;
      const program = this.#script(path) ?? known;
      if (program) return program;
    }
    return undefined;
  }

  #script(path: string): Program | undefined {
    const node = this.surroundings.files.find(path);
    const text = node?.kind === 'file' ? node.data.toString('utf8') : '';
    const shell = this.surroundings.programs.get('sh');
    if (!text.startsWith('#!/bin/sh\n') || !shell) return undefined;
    return (context) => shell({ ...context, argv: ['sh', '-c', text, ...context.argv] });
  }

  /** Starts a process; its program runs from the next turn of the event loop on. */
  spawn(program: Program, spec: ProcessSpec): SimulatedProcess {
    const pid = this.#nextPid++;
    const process = new SimulatedProcess(pid, spec, this);
    this.#processes.set(pid, process);
    void process.ended.then(() => {
      this.#processes.delete(pid);
      if (pid === 1) this.killAll();
    });
    process.run(program);
    return process;
  }

  get(pid: number): SimulatedProcess | undefined {
    return this.#processes.get(pid);
  }

  list(): readonly SimulatedProcess[] {
    return [...this.#processes.values()];
  }

  killAll(): void {
    for (const process of this.list()) process.signal(SIGKILL);
  }
}

/** Where every image of the simulation has its programs. */
const PROGRAM_FOLDERS = new Set([
  '/bin',
  '/usr/bin',
  '/sbin',
  '/usr/sbin',
  '/usr/local/bin',
  '/usr/local/sbin',
]);
