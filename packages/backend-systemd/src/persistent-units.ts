import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  type BackendContext,
  CONTAINER_KIND_ANNOTATION,
  KeyedMutex,
  Logger,
  messageOf,
  PodwrightError,
  unsupportedField,
} from '@podwright/core';
import { HostExecutor, writeFileAtomic } from '@podwright/nsenter';
import type { SandboxRecord } from '@podwright/sandbox';
import { type JobOptions, SystemdManager, type UnitProperty } from '@podwright/systemd';
import { inject, injectable, type ServiceIdentifier } from 'inversify';
import { SystemdBackendOptions } from './backend-options.js';
import type { ContainerRecord } from './container-record.js';
import { containerUnitName, HostLayout } from './host-layout.js';
import {
  containerUnitFile,
  RESTORE_UNITS,
  restoreUnitFile,
  restoreUnitName,
} from './persistent-unit-files.js';
import { unsupportedFields } from './unsupported-fields.js';

/** What the backend was told about where it lies and how its pods come back. */
export const RestoreContext: ServiceIdentifier<BackendContext> = Symbol.for(
  'podwright.backend-systemd.RestoreContext',
);

/** How long an agent that starts waits for pods that are just coming back; then it takes over. */
const RESTORE_WAIT_MS = 60_000;

/**
 * Unit files of pods that come back after a reboot, without any agent: one for the pod, which makes its sandbox anew, and
 * one for each app container that systemd restarts. A file that is written is not enabled yet; only what has run is, so
 * that nothing boots a pod that was never whole. docs/decisions/0021-pods-that-come-back.md.
 */
@injectable()
export class PersistentUnits {
  /** By pod: its unit is written once for several containers. */
  private readonly mutex = new KeyedMutex();
  /** Units of pods that this process took over. */
  private readonly taken: string[] = [];

  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(SystemdManager) private readonly manager: SystemdManager,
    @inject(SystemdBackendOptions) private readonly options: SystemdBackendOptions,
    @inject(RestoreContext) private readonly context: BackendContext,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** Whether pods can come back. An agent in a container has no command that the host could run. */
  get isPossible(): boolean {
    return this.context.restoreCommand !== undefined && this.options.inContainer === undefined;
  }

  /** @throws PodwrightError kind `unsupported` */
  requirePossible(): void {
    if (this.isPossible) return;
    const why =
      this.options.inContainer === undefined
        ? 'this runtime was made without a restoreCommand: give createRuntime one, or run the pod with podwright run --persist.'
        : 'this agent runs in a container, and the host has no command of it at boot: run the pod from the host itself, or set persist to false and have an agent sync it after the boot.';
    throw unsupportedField(unsupportedFields.persist, `The pod cannot come back after a reboot: ${why}`);
  }

  /** Whether systemd starts this container at boot: app containers that it restarts. The others take an agent. */
  covers(sandbox: SandboxRecord | undefined, { config }: ContainerRecord): boolean {
    const { restart, annotations } = config;
    return (
      sandbox?.persist === true &&
      restart.by === 'backend' &&
      restart.policy !== 'Never' &&
      (annotations[CONTAINER_KIND_ANNOTATION] ?? 'app') === 'app'
    );
  }

  /** Writes a container's unit file and starts it; on failure the file stays, not enabled, for `removeContainer`. */
  async start(record: ContainerRecord, properties: readonly UnitProperty[], job: JobOptions): Promise<void> {
    await this.writeContainer(record, properties);
    await this.manager.startUnit(containerUnitName(record.id), job);
  }

  /** Writes a container's unit file, or writes it anew. */
  async writeContainer(record: ContainerRecord, properties: readonly UnitProperty[]): Promise<void> {
    const unit = containerUnitName(record.id);
    const needed = this.layout.container(record.id).exitDir;
    await this.write(unit, containerUnitFile(properties, { podUid: record.podUid, needed }));
  }

  /** From here on the pod comes back, with this container. Idempotent. */
  async enable(sandbox: SandboxRecord, containerId: string): Promise<void> {
    const { uid, namespace, name } = sandbox.metadata;
    await this.mutex.run(uid, async () => {
      const unit = restoreUnitName(uid);
      const config = join(this.layout.stateDir, 'restore.json');
      const { stateDir, runDir, configDir, options } = this.context;
      const text = { backend: 'systemd', stateDir, runDir, configDir, backendOptions: options };
      await writeFileAtomic(this.host.hostPath(config), `${JSON.stringify(text, undefined, 2)}\n`, {
        mode: 0o600,
      });
      const command = [...(this.context.restoreCommand ?? []), '--config', config];
      await this.write(unit, restoreUnitFile({ uid, name: `${namespace}/${name}`, stateDir, command }));
      // The container first: a crash in between boots a sandbox's unit never without it.
      await this.manager.enableUnitFiles([containerUnitName(containerId)]);
      await this.manager.enableUnitFiles([unit]);
    });
  }

  /** The container comes back no more. Idempotent. */
  async removeContainer(id: string): Promise<void> {
    await this.remove(containerUnitName(id));
  }

  /** The pod comes back no more. Idempotent. */
  async removePod(podUid: string): Promise<void> {
    await this.mutex.run(podUid, async () => {
      const unit = restoreUnitName(podUid);
      await this.endRestore(podUid);
      if (!this.isThere(unit)) return;
      await this.manager.stopUnit(unit).catch((error: unknown) => {
        if (!PodwrightError.is(error, 'not-found')) throw error;
      });
      await this.manager.resetFailedUnit(unit);
      await this.remove(unit);
    });
  }

  /** Whether a container has a unit file. */
  hasContainer(id: string): boolean {
    return this.isThere(containerUnitName(id));
  }

  /** Whether a pod has a unit that brings it back. */
  hasPod(podUid: string): boolean {
    return this.isThere(restoreUnitName(podUid));
  }

  /** From here on, in this boot, the pod is known not to be whole, until `endRestore`. Idempotent. */
  async beginRestore(podUid: string): Promise<void> {
    await this.mark(restoreUnitName(podUid));
  }

  /** Idempotent. */
  async endRestore(podUid: string): Promise<void> {
    await rm(this.host.hostPath(this.layout.restoring(restoreUnitName(podUid))), { force: true });
  }

  /** Whether a pod was begun to be brought back in this boot, and not brought to the end. */
  isRestoring(podUid: string): boolean {
    return this.isMarked(restoreUnitName(podUid));
  }

  /**
   * Has systemd start containers whose run directories are there. At boot they wait for the restore to end, which is
   * therefore not to wait for them; where an agent took it over they start at once.
   */
  async startContainers(ids: readonly string[]): Promise<void> {
    for (const id of ids) await this.manager.startUnit(containerUnitName(id), { wait: false });
  }

  /**
   * Waits until the pods that are just coming back are there, so that two do not work on one. One that takes too long, or
   * fails, is taken over: its restore is stopped, and this process is to go on with it.
   */
  async awaitRestores(): Promise<void> {
    const rows = await this.manager.listUnits({ patterns: [RESTORE_UNITS] });
    const open = [];
    for (const { name, activeState, job } of rows) {
      if (activeState !== 'activating' && job?.type !== 'start') continue;
      const directory = await this.manager.getUnitProperty(name, 'WorkingDirectory');
      if (directory === this.layout.stateDir) open.push(name);
    }
    await Promise.all(
      open.map(async (name) => {
        try {
          await this.manager.startUnit(name, { timeoutMs: RESTORE_WAIT_MS });
        } catch (error) {
          this.logger.warn(`A pod has not come back by itself: ${messageOf(error)}`, { unit: name });
          await this.mark(name);
          await this.manager.stopUnit(name);
          // What ends a oneshot by its signal has failed, to systemd.
          await this.manager.resetFailedUnit(name);
          this.taken.push(name);
        }
      }),
    );
  }

  /** Leaves what this process took over and did not bring back to systemd again. For its end. */
  async handBack(): Promise<void> {
    for (const unit of this.taken.splice(0)) {
      if (!this.isThere(unit) || !this.isMarked(unit)) continue;
      await this.manager.startUnit(unit, { wait: false }).catch((error: unknown) => {
        this.logger.warn(`A pod is not brought back until the next agent: ${messageOf(error)}`, { unit });
      });
    }
  }

  private async mark(unit: string): Promise<void> {
    const path = this.host.hostPath(this.layout.restoring(unit));
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(path, '', { mode: 0o600 });
  }

  private isMarked(unit: string): boolean {
    return existsSync(this.host.hostPath(this.layout.restoring(unit)));
  }

  private async remove(unit: string): Promise<void> {
    if (!this.isThere(unit)) return;
    await this.manager.disableUnitFiles([unit]);
    await rm(this.host.hostPath(this.pathOf(unit)), { force: true });
  }

  private async write(unit: string, text: string): Promise<void> {
    await mkdir(this.host.hostPath(this.options.unitDir), { recursive: true });
    await writeFileAtomic(this.host.hostPath(this.pathOf(unit)), text, { mode: 0o644 });
  }

  private isThere(unit: string): boolean {
    return existsSync(this.host.hostPath(this.pathOf(unit)));
  }

  private pathOf(unit: string): string {
    return join(this.options.unitDir, unit);
  }
}
