import { mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { type CallOptions, Clock, KeyedMutex, PodwrightError } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { ConmonAttach } from '@podwright/oci';
import { SystemdManager } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import type { ContainerRecord } from './container-record.js';
import { ContainerStatuses } from './container-statuses.js';
import { ContainerStore } from './container-store.js';
import { ignoreMissing } from './files.js';
import { containerUnitName, HostLayout } from './host-layout.js';

/** conmon answers nothing: its new file is looked for after each of these, doubled from the first to the last. */
const FIRST_LOOK_MS = 1;
const LAST_LOOK_MS = 2048;

/** Log files in the kubelet's format, which conmon writes beside the journal: no agent has to live for them. */
@injectable()
export class ContainerLogFiles {
  /** By container: a file that was just made is not made anew by the next call, which would lose its lines. */
  private readonly mutex = new KeyedMutex();

  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(SystemdManager) private readonly manager: SystemdManager,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(ContainerStatuses) private readonly statuses: ContainerStatuses,
    @inject(ConmonAttach) private readonly conmon: ConmonAttach,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  /** @throws PodwrightError as `RuntimeService.reopenContainerLog` */
  async reopen(id: string, { signal }: CallOptions = {}): Promise<void> {
    await this.mutex.run(id, () => this.reopenOnce(this.store.require(id), signal), signal);
  }

  private async reopenOnce(record: ContainerRecord, signal: AbortSignal | undefined): Promise<void> {
    const { logPath, metadata } = record.config;
    if (logPath === undefined) {
      throw new PodwrightError(
        'failed-precondition',
        `Container "${metadata.name}" writes no log file: it was created without logPath.`,
        { details: { id: record.id } },
      );
    }
    await this.requireRunning(record);
    const path = this.host.hostPath(logPath);
    const before = await identityOf(path);
    if (before !== undefined && (await this.isWritten(record.id, before))) return;
    // conmon, and with it the container, ends when it cannot make the file.
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    if (!(await this.conmon.reopenLogs(this.layout.container(record.id).bundle))) throw ended(record);
    for (let delay = FIRST_LOOK_MS; delay <= LAST_LOOK_MS; delay *= 2) {
      await this.clock.sleep(delay, signal);
      const now = await identityOf(path);
      if (now !== undefined && now !== before) return;
      await this.requireRunning(record);
    }
    throw new PodwrightError(
      'timeout',
      `The monitor of container "${metadata.name}" has not made ${logPath} anew: it does not answer. Try it again.`,
      { details: { id: record.id, path: logPath } },
    );
  }

  private async requireRunning(record: ContainerRecord): Promise<void> {
    const { state } = await this.statuses.of(record);
    if (state !== 'running') throw ended(record, state);
  }

  /** Whether the container's monitor has this file open: it was not renamed, then. */
  private async isWritten(id: string, file: string): Promise<boolean> {
    const pid = await this.manager.getUnitProperty(containerUnitName(id), 'MainPID');
    const descriptors = this.host.hostPath(`/proc/${pid}/fd`);
    const names = (await ignoreMissing(readdir(descriptors))) ?? [];
    const open = await Promise.all(names.map((name) => identityOf(join(descriptors, name))));
    return open.includes(file);
  }
}

/**
 * Refuses what conmon cannot write to.
 * @throws PodwrightError kind `invalid-argument`
 */
export function checkLogPath(path: string): void {
  const fail = (why: string): never => {
    throw new PodwrightError('invalid-argument', `The log file "${path}" cannot be written: ${why}.`, {
      details: { path },
    });
  };
  if (!isAbsolute(path)) fail('its path has to begin with "/"');
  if (path.endsWith('/')) fail('its path is that of a directory');
  // conmon takes what is before a colon for the name of a log driver, and cuts the path at a further one.
  if (/[:\0]/.test(path)) fail('its path has a colon or a NUL');
}

async function identityOf(path: string): Promise<string | undefined> {
  const found = await ignoreMissing(stat(path));
  return found && `${found.dev}:${found.ino}`;
}

function ended({ id, config }: ContainerRecord, state = 'exited'): PodwrightError {
  return new PodwrightError(
    'failed-precondition',
    `The log file of container "${config.metadata.name}" cannot be made anew: it does not run, it is ${state}.`,
    { details: { id, state } },
  );
}
