import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type CallOptions,
  type ContainerResources,
  mergeResources,
  type PodAmount,
  type PodSandboxMetadata,
  PodwrightError,
  systemErrorCode,
} from '@podwright/core';
import { HostExecutor, writeFileAtomic } from '@podwright/nsenter';
import type { OciSpec } from '@podwright/oci';
import { SandboxManager, type SandboxRecord } from '@podwright/sandbox';
import { SystemdManager, type UnitProperty, unitProperty } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import { CgroupTree } from './cgroup-tree.js';
import type { ContainerRecord } from './container-record.js';
import { checkResources, containerProperties, type SwapControl } from './container-resources.js';
import { ContainerService } from './container-service.js';
import { ContainerStatuses } from './container-statuses.js';
import { ContainerStore } from './container-store.js';
import { containerUnitName, HostLayout } from './host-layout.js';
import { PodSlices } from './pod-slices.js';

/** Where systemd keeps what was set of units that are not transient (systemd.unit(5)). */
const CONTROL_DIRECTORIES = ['/etc/systemd/system.control', '/run/systemd/system.control'];

/** The kernel rounds limits to whole pages. */
const LARGEST_PAGE_BYTES = 64 * 1024;

/**
 * Changes limits of containers and pods. systemd applies them at once, and keeps them for each start of the unit; the
 * container's record has them for whatever asks later.
 */
@injectable()
export class ResourceUpdater {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(SystemdManager) private readonly manager: SystemdManager,
    @inject(CgroupTree) private readonly cgroups: CgroupTree,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(ContainerService) private readonly containers: ContainerService,
    @inject(ContainerStatuses) private readonly statuses: ContainerStatuses,
    @inject(PodSlices) private readonly slices: PodSlices,
    @inject(SandboxManager) private readonly sandboxes: SandboxManager,
  ) {}

  /**
   * Before anything is made with them.
   * @param what the container, for messages
   * @throws PodwrightError kind `invalid-argument`, `unsupported`
   */
  async check(resources: ContainerResources, what: string): Promise<void> {
    await this.checkWith(await this.cgroups.swapControl(), resources, what);
  }

  /** The same of a whole pod, whose slice has no more than properties. */
  async checkPod(resources: ContainerResources, { namespace, name }: PodSandboxMetadata): Promise<void> {
    const swap = await this.cgroups.swapControl();
    await this.checkWith(swap === 'file' ? 'missing' : swap, resources, `pod ${namespace}/${name}`);
  }

  private async checkWith(swap: SwapControl, resources: ContainerResources, what: string): Promise<void> {
    checkResources(resources, { version: await this.cgroups.version(), swap }, what);
  }

  /**
   * @throws PodwrightError kind `not-found`, `failed-precondition` (ended, or it uses more than the new limit),
   *   `invalid-argument`, `unsupported`, `permission-denied` (a lower oomScoreAdj)
   */
  async updateContainer(id: string, change: ContainerResources, options: CallOptions = {}): Promise<void> {
    await this.containers.exclusively(id, (record) => this.update(record, change), options.signal);
  }

  /**
   * Changes what a pod's slice may use, and the sandbox's record, of which the slice is made again after a reboot. The
   * caller lets nobody else change the sandbox meanwhile.
   * @param lift what it is to have no more
   * @throws PodwrightError kind `invalid-argument`, `unsupported` (it lies in a slice of somebody else's)
   */
  async updatePod(
    sandbox: SandboxRecord,
    resources: ContainerResources,
    lift: readonly PodAmount[] = [],
  ): Promise<void> {
    const { namespace, name, uid } = sandbox.metadata;
    await this.checkPod(resources, sandbox.metadata);
    if (!this.slices.isOwn(sandbox)) {
      throw new PodwrightError(
        'unsupported',
        `The limits of pod ${namespace}/${name} are those of ${sandbox.cgroupParent}, and are changed by whoever made that slice.`,
        { details: { slice: sandbox.cgroupParent } },
      );
    }
    await this.slices.update(uid, resources, lift);
    const after = mergeResources(sandbox.resources ?? {}, resources, lift);
    await this.sandboxes.update({ ...sandbox, resources: after });
  }

  /** Units of which there may be settings beside them, to be forgotten when a sandbox is gone. */
  unitsOf(sandboxId: string): readonly string[] {
    const sandbox = this.sandboxes.get(sandboxId);
    const containers = this.store.list({ sandboxId }).map(({ id }) => containerUnitName(id));
    if (sandbox === undefined) return containers;
    const { uid } = sandbox.metadata;
    const isLast = this.sandboxes
      .list()
      .every(({ id, metadata }) => id === sandboxId || metadata.uid !== uid);
    return isLast && this.slices.isOwn(sandbox) ? [...containers, this.slices.nameOf(uid)] : containers;
  }

  /** Removes what systemd keeps of changed settings; of transient units it has nothing. Idempotent. */
  async forget(units: readonly string[]): Promise<void> {
    for (const unit of units) {
      for (const directory of CONTROL_DIRECTORIES) {
        await rm(this.host.hostPath(join(directory, `${unit}.d`)), { recursive: true, force: true });
      }
    }
  }

  private async update(record: ContainerRecord, change: ContainerResources): Promise<void> {
    const { config } = record;
    const what = `container "${config.metadata.name}"`;
    const before = config.resources;
    const after = mergeResources(before, change);
    await this.check(after, what);
    const { state } = await this.statuses.of(record);
    if (state === 'exited' || state === 'unknown') {
      throw new PodwrightError(
        'failed-precondition',
        `The limits of ${what} cannot be changed: it has ended. Make a new one with other limits.`,
        { details: { id: record.id, state } },
      );
    }
    if (state !== 'created') await this.apply(record, after, what);
    if (after.oomScoreAdj !== undefined && after.oomScoreAdj !== before.oomScoreAdj) {
      await this.setOomScoreAdj(record, after.oomScoreAdj, what);
    }
    if (after.memorySwapLimitBytes !== before.memorySwapLimitBytes) {
      await this.store.setSwapLimit(record.id, after.memorySwapLimitBytes);
    }
    await this.store.replace({ ...record, config: { ...config, resources: after } });
  }

  private async apply(record: ContainerRecord, after: ContainerResources, what: string): Promise<void> {
    const path = this.cgroups.containerPath(record);
    const { memoryLimitBytes: wanted, pidsLimit = Number.POSITIVE_INFINITY } = after;
    const limitBytes = wanted ?? Number.POSITIVE_INFINITY;
    const usage = await this.cgroups.usage(path);
    const isLower = (now: number | undefined, next: number) => now === undefined || next < now;
    const { memoryLimitBytes, pidsLimit: pidsBefore } = record.config.resources;
    if (usage && isLower(memoryLimitBytes, limitBytes) && usage.memory.workingSetBytes > limitBytes) {
      throw tooMuch(what, 'memory', `${usage.memory.workingSetBytes} bytes`, `${limitBytes} bytes`);
    }
    if (usage && isLower(pidsBefore, pidsLimit) && usage.pids > pidsLimit) {
      throw tooMuch(what, 'processes', `${usage.pids}`, `${pidsLimit}`);
    }
    const hasSwapFile =
      after.memorySwapLimitBytes !== undefined && (await this.cgroups.swapControl()) === 'file';
    // The kernel refuses a limit of memory above this one: it is out of the way until that is set.
    if (hasSwapFile) await this.cgroups.setSwapLimit(record, undefined);
    const version = await this.cgroups.version();
    await this.set(record, containerProperties(after, version));
    if (hasSwapFile) await this.cgroups.setSwapLimit(record, after.memorySwapLimitBytes);
    const applied = await this.cgroups.memoryLimit(path);
    // On version 1 the kernel refuses what it cannot make room for, and systemd only logs that.
    if (wanted === undefined || usage === undefined || (applied ?? wanted) <= wanted + LARGEST_PAGE_BYTES)
      return;
    const before = containerProperties(record.config.resources, version);
    const restored = [unitProperty('MemoryMax', 'infinity'), ...before];
    await this.set(record, restored);
    throw tooMuch(what, 'memory', `${usage.memory.usageBytes} bytes`, `${wanted} bytes`);
  }

  /** The unit of a pod that comes back after a reboot has them then too. */
  private async set({ id, sandboxId }: ContainerRecord, properties: readonly UnitProperty[]): Promise<void> {
    const runtime = this.sandboxes.get(sandboxId)?.persist !== true;
    await this.manager.setUnitProperties(containerUnitName(id), properties, { runtime });
  }

  /** For the processes that run, and in the document that the next start is made of. */
  private async setOomScoreAdj(record: ContainerRecord, value: number, what: string): Promise<void> {
    const path = this.host.hostPath(this.layout.container(record.id).ociConfig);
    for (const pid of await this.cgroups.processes(this.cgroups.containerPath(record))) {
      try {
        const proc = this.host.hostPath(`/proc/${pid}`);
        // conmon, which watches the container, is not of it.
        if ((await readFile(`${proc}/comm`, 'utf8')).trim() === 'conmon') continue;
        await writeFile(`${proc}/oom_score_adj`, String(value), { flag: 'r+' });
      } catch (error) {
        const code = systemErrorCode(error);
        if (code === 'ENOENT' || code === 'ESRCH') continue;
        throw new PodwrightError(
          code === 'EACCES' || code === 'EPERM' ? 'permission-denied' : 'internal',
          `The oomScoreAdj of ${what} cannot be made ${value}: lowering it takes the capability CAP_SYS_RESOURCE.`,
          { cause: error },
        );
      }
    }
    const spec = JSON.parse(await readFile(path, 'utf8')) as OciSpec;
    const changed = { ...spec, process: { ...spec.process, oomScoreAdj: value } };
    await writeFileAtomic(path, JSON.stringify(changed), { mode: 0o600 });
  }
}

function tooMuch(what: string, resource: string, used: string, limit: string): PodwrightError {
  return new PodwrightError(
    'failed-precondition',
    `The limit of ${resource} of ${what} cannot become ${limit}: it uses ${used} now. Choose a higher one, or restart it.`,
    { details: { resource, used, limit } },
  );
}
