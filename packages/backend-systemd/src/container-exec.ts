import { readFile } from 'node:fs/promises';
import {
  type ExecOptions,
  type ExecSession,
  type ExecSyncOptions,
  type ExecSyncResult,
  Logger,
  PodwrightError,
  type RuntimeFeatures,
} from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { buildExecProcess, collectExec, ExecHandler, type OciSpec, openFilesLimit } from '@podwright/oci';
import { SystemdManager } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import { CgroupLock } from './cgroup-lock.js';
import type { ContainerRecord } from './container-record.js';
import { ContainerStatuses } from './container-statuses.js';
import { ContainerStore } from './container-store.js';
import { containerUnitName, HostLayout } from './host-layout.js';
import { HostTools } from './host-tools.js';

/** Runs further commands in containers, as the container's own first process is: inside its unit's cgroup. */
@injectable()
export class ContainerExec {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(HostTools) private readonly tools: HostTools,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(ContainerStatuses) private readonly statuses: ContainerStatuses,
    @inject(SystemdManager) private readonly manager: SystemdManager,
    @inject(CgroupLock) private readonly cgroupLock: CgroupLock,
    @inject(ExecHandler) private readonly handler: ExecHandler,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** The handler that the configuration has chosen, as `features` tells it. */
  get features(): Pick<RuntimeFeatures, 'execHandler' | 'execGaps'> {
    return { execHandler: this.handler.kind, execGaps: this.handler.gaps };
  }

  async exec(id: string, options: ExecOptions): Promise<ExecSession> {
    const record = this.store.require(id);
    // The process is attached to the unit before it becomes the command.
    this.cgroupLock.warm();
    await this.checkRuns(record);
    try {
      return await this.enter(record, options);
    } catch (error) {
      // It may have ended meanwhile: then that is what the caller can do something about.
      if (options.signal?.aborted !== true) await this.checkRuns(record, error);
      throw error;
    }
  }

  private async checkRuns(record: ContainerRecord, cause?: unknown): Promise<void> {
    const { id, config } = record;
    const { state } = await this.statuses.of(record);
    if (state === 'running') return;
    throw new PodwrightError(
      'failed-precondition',
      `Container "${config.metadata.name}" does not run: it is ${state}. A command needs a running one.`,
      { details: { id, state }, cause },
    );
  }

  private async enter({ id }: ContainerRecord, options: ExecOptions): Promise<ExecSession> {
    const paths = this.layout.container(id);
    const read = (path: string) => readFile(this.host.hostPath(path), 'utf8');
    const [document, pid, ownLimits] = await Promise.all([
      read(paths.ociConfig),
      read(paths.pidFile).then(Number),
      readFile('/proc/self/limits', 'utf8'),
    ]);
    const spec = JSON.parse(document) as OciSpec;
    const openFiles = openFilesLimit(await read(`/proc/${pid}/limits`), ownLimits);
    const { command, tty, terminalSize, stdin, signal } = options;
    const unit = containerUnitName(id);
    return await this.handler.exec({
      runtime: (await this.tools.find()).runtime,
      id,
      process: buildExecProcess(spec.process, {
        command,
        ...(openFiles === undefined ? {} : { openFiles }),
        ...(tty === undefined ? {} : { tty }),
        ...(terminalSize === undefined ? {} : { terminalSize }),
      }),
      seccomp: spec.linux.seccomp !== undefined,
      first: { pid, unit },
      directory: paths.run,
      attach: async (pid) => await this.manager.attachProcessesToUnit(unit, '', [pid]),
      ...(stdin === undefined ? {} : { stdin }),
      ...(terminalSize === undefined ? {} : { terminalSize }),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async execSync(id: string, command: readonly string[], options: ExecSyncOptions): Promise<ExecSyncResult> {
    const { signal } = options;
    const session = await this.exec(id, { command, ...(signal === undefined ? {} : { signal }) });
    return await collectExec(session, options, this.logger);
  }
}
