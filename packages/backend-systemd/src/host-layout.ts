import { join } from 'node:path';

/** Where one container's files lie on the host. */
export interface ContainerPaths {
  /** What outlives a reboot: the record, the bundle, the attempts, the writable layer. */
  readonly state: string;
  readonly record: string;
  readonly bundle: string;
  readonly ociConfig: string;
  readonly launchScript: string;
  readonly recordScript: string;
  readonly stopScript: string;
  /** One line for each attempt that has ended. */
  readonly attempts: string;
  /** Bytes that it may have of memory and swap together; empty or missing: all. The launch script sets it on version 1. */
  readonly swapLimit: string;
  /** There while an attempt runs; its content is the attempt's invocation id, its time the start. */
  readonly startedMarker: string;
  readonly upper: string;
  readonly work: string;
  /** What ends with the host's run: pid files, the sync pipe, the exit directory. */
  readonly run: string;
  readonly pidFile: string;
  readonly conmonPidFile: string;
  /** What the OCI runtime said while it created the container. */
  readonly createLog: string;
  readonly exitDir: string;
  /** There while a stop with a longer grace is under way: no restart follows. */
  readonly stoppingMarker: string;
  readonly rootfs: string;
  /** Where the launch script binds parts of volumes, in the unit's mount namespace. */
  readonly stage: string;
  /** Volumes that the image declares; filled anew for each attempt. */
  readonly volumes: string;
}

/** Where things of one agent lie on the host. */
export class HostLayout {
  /**
   * @param stateDir what outlives a reboot, e.g. `/var/lib/podwright`
   * @param runDir what ends with the host's run, e.g. `/run/podwright`
   */
  constructor(
    readonly stateDir: string,
    readonly runDir: string,
  ) {}

  get containersDir(): string {
    return join(this.stateDir, 'containers');
  }

  get containersRunDir(): string {
    return join(this.runDir, 'containers');
  }

  /** State of sandboxes, one directory each; of the package sandbox. */
  get sandboxesDir(): string {
    return join(this.stateDir, 'sandboxes');
  }

  /** State directory of the OCI runtime, apart from that of podman and others. */
  get runtimeRoot(): string {
    return join(this.runDir, 'runtime');
  }

  /** A private tmpfs below which each unit mounts its root file system, unseen by the host. */
  get rootfsDir(): string {
    return join(this.runDir, 'rootfs');
  }

  /** The OCI runtime's program, mounted read-only in the tmpfs of root file systems. */
  get mountedRuntime(): string {
    return join(this.rootfsDir, 'runtime');
  }

  /** Seccomp filters as the OCI runtime compiled them. */
  get compiledSeccompDir(): string {
    return join(this.runDir, 'seccomp');
  }

  /** Disk-backed volumes. */
  get volumesDir(): string {
    return join(this.stateDir, 'volumes');
  }

  /** Volumes made of ConfigMaps, Secrets and fields of the pod; one tmpfs for each pod. */
  get objectVolumesDir(): string {
    return join(this.runDir, 'objects');
  }

  /** Volumes in memory, and images as volumes. */
  get memoryVolumesDir(): string {
    return join(this.runDir, 'volumes');
  }

  /** There while a pod is brought back after a boot. @param unit that of the restore */
  restoring(unit: string): string {
    return join(this.runDir, 'restoring', unit);
  }

  container(id: string): ContainerPaths {
    const state = join(this.containersDir, id);
    const run = join(this.containersRunDir, id);
    return {
      state,
      record: join(state, 'container.json'),
      bundle: join(state, 'bundle'),
      ociConfig: join(state, 'bundle', 'config.json'),
      launchScript: join(state, 'launch'),
      recordScript: join(state, 'record'),
      stopScript: join(state, 'stop'),
      attempts: join(state, 'attempts'),
      swapLimit: join(state, 'swap-limit'),
      upper: join(state, 'upper'),
      work: join(state, 'work'),
      run,
      pidFile: join(run, 'pid'),
      conmonPidFile: join(run, 'conmon.pid'),
      createLog: join(run, 'create.log'),
      exitDir: join(run, 'exit'),
      startedMarker: join(state, 'started'),
      stoppingMarker: join(run, 'stopping'),
      rootfs: join(this.rootfsDir, id),
      stage: join(this.rootfsDir, `${id}.stage`),
      volumes: join(state, 'volumes'),
    };
  }
}

const UNIT_NAME = /^podwright-([0-9a-f]{64})\.service$/;

/** Name of the unit of a container. */
export function containerUnitName(id: string): string {
  return `podwright-${id}.service`;
}

const INFRA_UNIT_NAME = /^podwright-infra-([A-Za-z0-9_.-]+)\.service$/;

/** Name of the unit of a sandbox's first process. */
export function infraUnitName(sandboxId: string): string {
  return `podwright-infra-${sandboxId}.service`;
}

/** The sandbox of a first process's unit, or undefined when the unit is none of ours by its name. */
export function sandboxOfInfraUnit(unit: string): string | undefined {
  return INFRA_UNIT_NAME.exec(unit)?.[1];
}

/** The container of a unit, or undefined when the unit is none of ours by its name. */
export function containerOfUnit(unit: string): string | undefined {
  return UNIT_NAME.exec(unit)?.[1];
}
