import { hostname } from 'node:os';
import {
  Clock,
  type ContainerKind,
  type ContainerStatus,
  EventRecorder,
  Logger,
  messageOf,
  type PodEvent,
  type PodEventReason,
  type PodObjectReference,
  PodStore,
  type RuntimeEvent,
  RuntimeService,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { concatMap, from, type Observable, Subject, type Subscription } from 'rxjs';
import { kindOf } from './pod-views.js';

interface ContainerName {
  readonly name: string;
  readonly kind: ContainerKind;
}

/** A container of the backend, as its events name it. */
interface KnownContainer extends ContainerName {
  /** Runs of its name before this container. */
  readonly attempt: number;
}

/** A pod's identity in events. */
export interface PodIdentity {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

/** Brings what the backend sees and what PodRuntime does to `ContainerRuntime.events` and to the event recorder. */
@injectable()
export class PodEventHub {
  private readonly subject = new Subject<PodEvent>();
  private readonly pods = new Map<string, PodIdentity>();
  private readonly containers = new Map<string, KnownContainer>();
  /** Containers whose end was told, and what is to be told once it was, by id. */
  private readonly ended = new Set<string>();
  private readonly afterEnd = new Map<string, () => void>();
  /** What had ended by then has no event. */
  private hearsSinceMs = Number.POSITIVE_INFINITY;
  private subscription: Subscription | undefined;

  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(PodStore) private readonly store: PodStore,
    @inject(EventRecorder) private readonly recorder: EventRecorder,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  get events(): Observable<PodEvent> {
    return this.subject;
  }

  start(): void {
    if (this.subscription) return;
    // One after the other: an event that has to ask for a name first must not be overtaken by the next one.
    this.subscription = this.service.events
      .pipe(concatMap((event) => from(this.publishBackendEvent(event))))
      .subscribe();
  }

  /** To be called when the backend is started: it tells of each end from now on. */
  hearsAll(): void {
    this.hearsSinceMs = this.clock.nowMs();
  }

  stop(): void {
    this.subscription?.unsubscribe();
    this.subject.complete();
  }

  /** Makes an event of something that PodRuntime itself does. */
  record(
    pod: PodIdentity,
    reason: PodEventReason,
    message: string,
    options: { readonly container?: ContainerName; readonly warning?: boolean } = {},
  ): void {
    this.publish(pod, options.container, {
      reason,
      message,
      type: options.warning ? 'Warning' : 'Normal',
      timestampMs: this.clock.nowMs(),
    });
  }

  /** Makes a warning about the machine as a whole. */
  recordOfNode(reason: PodEventReason, message: string): void {
    this.send({
      type: 'Warning',
      reason,
      message,
      object: { kind: 'Node', namespace: '', name: hostname(), uid: '' },
      timestampMs: this.clock.nowMs(),
    });
  }

  /**
   * As `record`, for what is a consequence of a container's end: after the event of that. A backend's list may tell an end
   * earlier than its events do.
   */
  recordAfterEnd({ id, attempts }: ContainerStatus, ...event: Parameters<PodEventHub['record']>): void {
    const finishedAtMs = attempts.at(-1)?.finishedAtMs;
    const isTold = finishedAtMs === undefined || finishedAtMs <= this.hearsSinceMs || this.ended.has(id);
    if (isTold) this.record(...event);
    else this.afterEnd.set(id, () => this.record(...event));
  }

  private publish(
    pod: PodIdentity,
    container: ContainerName | undefined,
    fields: Omit<PodEvent, 'object'>,
  ): void {
    this.send({ ...fields, object: objectReference(pod, container) });
  }

  private send(event: PodEvent): void {
    this.subject.next(event);
    try {
      this.recorder.record(event);
    } catch (error) {
      this.logger.warn(`The event recorder failed: ${messageOf(error)}`, { reason: event.reason });
    }
  }

  private async publishBackendEvent(event: RuntimeEvent): Promise<void> {
    try {
      const pod = await this.podOf(event);
      const container = 'containerId' in event ? await this.containerOf(event.containerId) : undefined;
      for (const fields of podEventsOf(event, container)) {
        this.publish(pod, container, { ...fields, timestampMs: event.timestampMs });
      }
      if (event.type === 'container-removed') this.containers.delete(event.containerId);
      if (event.type === 'sandbox-removed') this.pods.delete(event.podUid);
    } catch (error) {
      if (this.subscription?.closed) return;
      this.logger.warn(`An event of the backend was lost: ${messageOf(error)}`, { type: event.type });
    }
    if (event.type === 'container-exited') this.ended.add(event.containerId);
    if (event.type === 'container-removed') this.ended.delete(event.containerId);
    if (event.type === 'container-exited' || event.type === 'container-removed') {
      this.afterEnd.get(event.containerId)?.();
      this.afterEnd.delete(event.containerId);
    }
  }

  private async podOf({ podUid, sandboxId }: RuntimeEvent): Promise<PodIdentity> {
    const known = this.pods.get(podUid) ?? (await this.store.get(podUid));
    const identity = known ?? (await this.findSandbox(podUid)) ?? { name: sandboxId, namespace: '' };
    const pod = { uid: podUid, namespace: identity.namespace, name: identity.name };
    this.pods.set(podUid, pod);
    return pod;
  }

  private async findSandbox(podUid: string): Promise<{ namespace: string; name: string } | undefined> {
    return (await this.service.listPodSandboxes({ podUid }))[0]?.metadata;
  }

  private async containerOf(id: string): Promise<KnownContainer | undefined> {
    const known = this.containers.get(id);
    if (known) return known;
    const [status] = await this.service.listContainers({ id });
    if (!status) return undefined;
    const container = {
      name: status.metadata.name,
      attempt: status.metadata.attempt,
      kind: kindOf(status, await this.store.get(status.podUid)),
    };
    this.containers.set(id, container);
    return container;
  }
}

const CONTAINER_LISTS: Readonly<Record<ContainerKind, string>> = {
  init: 'initContainers',
  app: 'containers',
  ephemeral: 'ephemeralContainers',
};

function objectReference(pod: PodIdentity, container: ContainerName | undefined): PodObjectReference {
  const list = container && CONTAINER_LISTS[container.kind];
  return {
    kind: 'Pod',
    namespace: pod.namespace,
    name: pod.name,
    uid: pod.uid,
    ...(container ? { fieldPath: `spec.${list}{${container.name}}` } : {}),
  };
}

const UNKNOWN_CONTAINER = { name: 'of an unknown name', attempt: 0 };

/** What an event of the backend means for the pod, in the kubelet's words. */
export function podEventsOf(
  event: RuntimeEvent,
  { name, attempt }: { readonly name: string; readonly attempt: number } = UNKNOWN_CONTAINER,
): readonly Pick<PodEvent, 'type' | 'reason' | 'message'>[] {
  const container = `Container ${name}`;
  switch (event.type) {
    case 'sandbox-created':
      return [{ type: 'Normal', reason: 'SandboxCreated', message: 'The sandbox is ready.' }];
    case 'container-created':
      return [{ type: 'Normal', reason: 'Created', message: `${container} was created.` }];
    case 'container-started': {
      // One count over the containers that PodRuntime made anew and over the starts by the backend within each.
      const restarts = attempt + event.attempt;
      const again = restarts === 0 ? '' : ` again, restart ${restarts}`;
      return [{ type: 'Normal', reason: 'Started', message: `${container} was started${again}.` }];
    }
    case 'container-exited': {
      const { exitCode, reason } = event.attempt;
      const type = exitCode === 0 ? 'Normal' : 'Warning';
      const words = `${container} ended with exit code ${exitCode ?? 'unknown'}${reason ? ` (${reason})` : ''}.`;
      const exited = { type, reason: 'Exited', message: words } as const;
      if (!event.restartInMs) return [exited];
      const message = `${container} is started again in ${event.restartInMs / 1000} s.`;
      return [exited, { type: 'Warning', reason: 'BackOff', message }];
    }
    case 'sandbox-stopped':
    case 'sandbox-removed':
    case 'container-removed':
      // Told by PodRuntime, which knows whether the pod itself is gone or one attempt of it.
      return [];
  }
}
