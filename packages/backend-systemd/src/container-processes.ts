import { constants } from 'node:os';
import { systemErrorCode } from '@podwright/core';
import { HostExecutor, isInUnit, parseProcStat } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { readNow } from './files.js';
import { containerUnitName, HostLayout } from './host-layout.js';

/** What the kernel says of a container's first process; `unknown` where its files do not tell which one it is. */
export type ProcessPhase = 'alive' | 'ended' | 'unknown';

const SIGNALS: Readonly<Record<string, number | undefined>> = constants.signals;

/** The first processes of containers. Read at once, as the attempts are: each is a small file of the kernel's. */
@injectable()
export class ContainerProcesses {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
  ) {}

  /** On the host; undefined before an attempt, and between its end and its record. */
  idOf(id: string): number | undefined {
    const pid = Number(readNow(this.host.hostPath(this.layout.container(id).pidFile)));
    return pid > 0 ? pid : undefined;
  }

  /** A process that has the number by now, but is in another unit, is another one. */
  phaseOf(id: string): ProcessPhase {
    const pid = this.idOf(id);
    if (pid === undefined) return 'unknown';
    try {
      const stat = this.read(pid, 'stat');
      if (stat === undefined || 'ZX'.includes(parseProcStat(stat).state)) return 'ended';
      const cgroup = this.read(pid, 'cgroup');
      if (cgroup === undefined) return 'ended';
      return isInUnit(cgroup, containerUnitName(id)) ? 'alive' : 'unknown';
    } catch (error) {
      if (systemErrorCode(error) === 'ESRCH') return 'ended';
      throw error;
    }
  }

  /**
   * Sends a signal by a call of the kernel's, which an agent can that has the host's processes before it.
   * @param signal name without `SIG`
   * @returns whether it is there, or has nobody to go to; if not, the OCI runtime has to send it
   */
  signal(id: string, signal: string): boolean {
    const number = SIGNALS[`SIG${signal}`];
    if (number === undefined || this.host.hostPath('/proc') !== '/proc') return false;
    const phase = this.phaseOf(id);
    if (phase === 'unknown') return false;
    const pid = this.idOf(id);
    if (phase === 'ended' || pid === undefined) return true;
    try {
      return process.kill(pid, number);
    } catch (error) {
      return systemErrorCode(error) === 'ESRCH';
    }
  }

  private read(pid: number, file: 'stat' | 'cgroup'): string | undefined {
    return readNow(this.host.hostPath(`/proc/${pid}/${file}`));
  }
}
