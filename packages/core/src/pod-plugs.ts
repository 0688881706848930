import type { ServiceIdentifier } from 'inversify';
import type { Observable } from 'rxjs';
import type { CallOptions } from './call-options.js';
import type { ContainerConfig } from './container-types.js';
import type { ConfigObject } from './manifest/config-object.js';
import type { Container, Pod } from './manifest/pod.js';
import type { VolumeFile } from './manifest/volume-files.js';
import type { ContainerResources, EnvVar, Mount } from './model.js';
import type { ContainerKind } from './pod-types.js';
import type { PodSandboxStatus } from './sandbox-types.js';

/** What is known when a container's configuration is made. */
export interface ContainerOptionsContext {
  readonly pod: Pod;
  readonly container: Container;
  readonly kind: ContainerKind;
  readonly sandbox: PodSandboxStatus;
  /** Its variables, with what they take from the pod, the node, ConfigMaps and Secrets. */
  readonly env: readonly EnvVar[];
  /** Mounts of the container's volumes, in the order of its manifest. */
  readonly volumeMounts: readonly Mount[];
  readonly attempt: number;
}

/** Makes a container's configuration of its manifest. Rebind it to add environment, devices, mounts or labels. */
export interface ContainerOptionsGenerator {
  generate(context: ContainerOptionsContext): Promise<ContainerConfig>;
}

export const ContainerOptionsGenerator: ServiceIdentifier<ContainerOptionsGenerator> = Symbol.for(
  'podwright.core.ContainerOptionsGenerator',
);

/** What one volume holds now. */
export interface VolumeUsage {
  /** Name in the manifest. */
  readonly name: string;
  readonly usedBytes: number;
  readonly inodesUsed: number;
}

export interface VolumeSetUpOptions extends CallOptions {
  /** Content of the volumes that are made of objects (configMap, secret, projected, downwardAPI), by volume name. */
  readonly files?: ReadonlyMap<string, readonly VolumeFile[]>;
}

/**
 * Gives a pod its volumes. Bound by each backend, because it is done on the backend's host. What it makes has the ids that
 * the pod's containers see: a backend with user namespaces shows volumes with their ids, and each new sandbox of a pod may
 * have others on the host.
 */
export interface VolumeProvider {
  /**
   * Makes all volumes of a pod; undoes what it made when one fails. Doing it again gives the same paths.
   * @returns the path on the backend's host for each volume name
   * @throws PodwrightError kind `not-found` (hostPath), `unsupported`, `no-space`
   */
  setUp(pod: Pod, options?: VolumeSetUpOptions): Promise<ReadonlyMap<string, string>>;
  /** Gives a volume made of objects new content, all at once. @throws PodwrightError kind `not-found` */
  update(pod: Pod, volume: string, files: readonly VolumeFile[], options?: CallOptions): Promise<void>;
  /** Of the volumes that lie on the pod's own storage: emptyDir and those made of objects. */
  usage(podUid: string, options?: CallOptions): Promise<readonly VolumeUsage[]>;
  /** Removes what `setUp` made for this pod; a hostPath's content is never touched. Idempotent. */
  tearDown(podUid: string, options?: CallOptions): Promise<void>;
  /** Uids of all pods of which there are volumes, for garbage collection. Absent: what is left over is not found. */
  pods?(): Promise<readonly string[]>;
}

export const VolumeProvider: ServiceIdentifier<VolumeProvider> = Symbol.for('podwright.core.VolumeProvider');

export type ProbeResult = 'success' | 'failure' | 'unknown';

/** Which question a probe answers. */
export type ProbeKind = 'startup' | 'liveness' | 'readiness';

/** A probe's result has become another one. */
export interface ProbeChange {
  readonly podUid: string;
  readonly containerName: string;
  /** `backend://id`. */
  readonly containerId: string;
  readonly probe: ProbeKind;
  readonly result: ProbeResult;
}

/** What the probes of a container last said. The default says `success` for every container without a probe. */
export interface ProbeResults {
  /** @param containerId `backend://id` */
  readiness(podUid: string, containerName: string, containerId: string): ProbeResult;
  /** `failure`: the container is to be ended, and started again by the pod's policy. */
  liveness(podUid: string, containerName: string, containerId: string): ProbeResult;
  /** `unknown` until it has succeeded; `failure` as that of a liveness probe. */
  startup(podUid: string, containerName: string, containerId: string): ProbeResult;
  /** Tells of each result that has become another one; pods are then looked at again. Absent: it never tells. */
  readonly changes?: Observable<ProbeChange>;
  /** Called when an agent that may change pods has started, and before it ends. */
  start?(): Promise<void>;
  stop?(): Promise<void>;
  /** Called when a pod has another manifest. */
  refresh?(podUid: string): Promise<void>;
}

export const ProbeResults: ServiceIdentifier<ProbeResults> = Symbol.for('podwright.core.ProbeResults');

/** What PodRuntime remembers of a pod; the rest is asked of the backend. */
export interface PodRecord {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** The manifest after defaults, with the uid set. */
  readonly manifest: Pod;
  readonly createdAtMs: number;
  /** The ConfigMaps and Secrets that it was given. */
  readonly objects?: readonly ConfigObject[];
  readonly persist?: boolean;
  /** Why the pod as a whole was ended, e.g. `Evicted`, `DeadlineExceeded`. */
  readonly reason?: string;
  readonly message?: string;
  /** Containers that did not end by themselves and have no successor yet: they are started whatever the policy. */
  readonly owed?: readonly string[];
  /** Containers that were ended because a probe had failed, and have no successor yet: they count as failed. */
  readonly unhealthy?: readonly string[];
  /** Limits that were changed since a container was made, by the container's id. */
  readonly resized?: Readonly<Record<string, ContainerResources>>;
  /**
   * `preparing`: in `runPod` until every container was started; what an agent left so is undone. `starting`: the same in
   * `syncPod`; the next agent goes on with it. `running`; `killed` when somebody asked for its end.
   */
  readonly state: 'preparing' | 'starting' | 'running' | 'killed';
}

/** Remembers pods over restarts of the agent. Writes are whole or not at all. */
export interface PodStore {
  /** @throws PodwrightError kind `failed-precondition` when another living agent holds the store, `corrupt-state` */
  open(): Promise<void>;
  close(): Promise<void>;
  list(): Promise<readonly PodRecord[]>;
  get(uid: string): Promise<PodRecord | undefined>;
  put(record: PodRecord): Promise<void>;
  /** Idempotent. */
  delete(uid: string): Promise<void>;
}

export const PodStore: ServiceIdentifier<PodStore> = Symbol.for('podwright.core.PodStore');
