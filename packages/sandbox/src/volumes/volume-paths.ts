import type { ServiceIdentifier } from 'inversify';

/** Where volumes lie on the host; in each a directory for every pod. */
export interface VolumePaths {
  /** Disk-backed volumes. */
  readonly volumesDir: string;
  /** Volumes in memory, and images as volumes. */
  readonly memoryVolumesDir: string;
  /** Volumes made of ConfigMaps, Secrets and fields of the pod; one tmpfs for each pod. */
  readonly objectVolumesDir: string;
}

export const VolumePaths: ServiceIdentifier<VolumePaths> = Symbol.for('podwright.sandbox.VolumePaths');
