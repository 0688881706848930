import { type ContainerResources, type PodAmount, PodwrightError } from '@podwright/core';
import type { SandboxRecord } from '@podwright/sandbox';
import { podSliceName, SystemdManager, type UnitRow, unitProperty } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import { liftedProperties, resourceProperties } from './container-resources.js';
import { containerOfUnit, HostLayout } from './host-layout.js';

/** The slice above those of all pods. */
const PARENT = 'podwright.slice';

/**
 * The slices of pods. systemd makes a slice with the first unit in it and keeps it; so the last one out takes it away,
 * and the parent too when no pod of anybody is left in it.
 */
@injectable()
export class PodSlices {
  private starting = 0;

  constructor(
    @inject(SystemdManager) private readonly manager: SystemdManager,
    @inject(HostLayout) private readonly layout: HostLayout,
  ) {}

  nameOf(podUid: string): string {
    return podSliceName(podUid);
  }

  /** Whether a sandbox lies in a slice of this backend's, and not in one that somebody else makes and removes. */
  isOwn({ metadata, cgroupParent }: Pick<SandboxRecord, 'metadata' | 'cgroupParent'>): boolean {
    return cgroupParent === undefined || cgroupParent === this.nameOf(metadata.uid);
  }

  /** Makes a slice with the limits of the whole pod. Without any, systemd makes it with the first container. */
  async create(podUid: string, resources: ContainerResources | undefined): Promise<void> {
    const properties = resourceProperties(resources ?? {});
    if (properties.length === 0) return;
    const name = this.nameOf(podUid);
    const description = unitProperty('Description', sliceDescription(this.layout.stateDir));
    await this.whileStarting(async () => {
      try {
        await this.manager.startTransientUnit(name, [description, ...properties]);
      } catch (error) {
        // Of a sandbox before this one that has not been stopped, or of an agent that ended in the middle of this.
        if (!PodwrightError.is(error, 'already-exists')) throw error;
        await this.manager.setUnitProperties(name, properties, { runtime: true });
      }
    });
  }

  /**
   * Changes what all that runs in a pod's slice may use together.
   * @param lift what it is to have no more
   */
  async update(
    podUid: string,
    resources: ContainerResources,
    lift: readonly PodAmount[] = [],
  ): Promise<void> {
    const properties = [...liftedProperties(lift), ...resourceProperties(resources)];
    if (properties.length === 0) return;
    await this.manager.setUnitProperties(this.nameOf(podUid), properties, { runtime: true });
  }

  /** Runs what starts a unit in a slice; the parent of all is not removed meanwhile. */
  async whileStarting<T>(start: () => Promise<T>): Promise<T> {
    this.starting++;
    try {
      return await start();
    } finally {
      this.starting--;
    }
  }

  /** Stops a pod's slice; idempotent. */
  async remove(podUid: string): Promise<void> {
    await this.removeUnit(this.nameOf(podUid));
  }

  /** Stops a pod's slice by its name, and the slice above those of all pods when it was the last; idempotent. */
  async removeUnit(slice: string): Promise<void> {
    const isThere = (units: readonly UnitRow[], unit: string) => units.some(({ name }) => name === unit);
    let units = await this.left();
    if (isThere(units, slice)) {
      await this.stop(slice);
      units = await this.left();
    }
    const isEmpty = units.every(
      ({ name, activeState }) =>
        name === PARENT ||
        activeState === 'inactive' ||
        (name.endsWith('.service') && containerOfUnit(name) === undefined),
    );
    // A start that begins after this check replaces the stop job, because calls reach systemd in order.
    if (isEmpty && isThere(units, PARENT) && this.starting === 0) await this.stop(PARENT);
  }

  private async left(): Promise<readonly UnitRow[]> {
    return await this.manager.listUnits({
      patterns: [PARENT, 'podwright-pod*.slice', 'podwright-*.service'],
    });
  }

  private async stop(slice: string): Promise<void> {
    await this.manager.stopUnit(slice).catch((error: unknown) => {
      const isReplaced = PodwrightError.is(error, 'job-failed') && error.details['result'] === 'canceled';
      if (!isReplaced && !PodwrightError.is(error, 'not-found')) throw error;
    });
  }
}

/** Of a slice with limits: tells whose it is, as slices of all agents lie side by side. */
export function sliceDescription(stateDir: string): string {
  return `podwright pod of ${stateDir}`;
}
