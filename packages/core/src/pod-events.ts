import type { ServiceIdentifier } from 'inversify';

/** What an event is about, as in Kubernetes' ObjectReference. `Node`: the machine; namespace and uid are empty then. */
export interface PodObjectReference {
  readonly kind: 'Pod' | 'Node';
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** `spec.containers{name}` or `spec.initContainers{name}` when it is about one container. */
  readonly fieldPath?: string;
}

export type PodEventReason =
  | 'Pulling'
  | 'Pulled'
  | 'Created'
  | 'Started'
  | 'Exited'
  | 'Failed'
  | 'Killing'
  | 'BackOff'
  | 'Unhealthy'
  | 'FailedPostStartHook'
  | 'FailedPreStopHook'
  | 'DeadlineExceeded'
  | 'Evicted'
  | 'FailedToRetrieveImagePullSecret'
  | 'InvalidEnvironmentVariableNames'
  | 'ImageGCFailed'
  | 'FreeDiskSpaceFailed'
  | 'SandboxCreated'
  | 'Removed';

/** What happened to a pod, with the kubelet's reasons. */
export interface PodEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: PodEventReason;
  readonly object: PodObjectReference;
  readonly message: string;
  readonly timestampMs: number;
}

/** Told of every event beside `ContainerRuntime.events`; the default writes them to the `Logger`. An exception in it harms no pod. */
export interface EventRecorder {
  record(event: PodEvent): void;
}

export const EventRecorder: ServiceIdentifier<EventRecorder> = Symbol.for('podwright.core.EventRecorder');
