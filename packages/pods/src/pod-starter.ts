import {
  Clock,
  type Container,
  ContainerOptionsGenerator,
  crashLoopDelayMs,
  Logger,
  messageOf,
  type Pod,
  type PodSandboxStatus,
  PodStore,
  PodwrightError,
  type RestartOwner,
  type RunPodResult,
  RuntimeService,
  UndoStack,
  VolumeProvider,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { allOrNone } from './all-or-none.js';
import { runToExit } from './container-exit.js';
import { containerMounts } from './container-mounts.js';
import { lastWords } from './last-words.js';
import { PodEventHub } from './pod-event-hub.js';
import { PodImages } from './pod-images.js';
import { CONTAINER_KIND_ANNOTATION } from './pod-views.js';
import { sandboxConfig } from './sandbox-config.js';

/** A run as long as this ends a series of failures; the kubelet's value. */
const LONG_RUN_MS = 600_000;

/** What the steps of one start share. */
interface PodStart {
  readonly pod: Pod;
  readonly sandbox: PodSandboxStatus;
  readonly volumePaths: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
}

/** Starts a pod: images, volumes, sandbox, init containers in order, then all containers at once; or undoes it all. */
@injectable()
export class PodStarter {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(VolumeProvider) private readonly volumes: VolumeProvider,
    @inject(ContainerOptionsGenerator) private readonly options: ContainerOptionsGenerator,
    @inject(PodStore) private readonly store: PodStore,
    @inject(PodImages) private readonly images: PodImages,
    @inject(PodEventHub) private readonly events: PodEventHub,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /**
   * @throws PodwrightError kind `unsupported` for a restart policy that this backend cannot carry; the kinds of
   *   `ContainerRuntime.runPod`
   */
  async start(pod: Pod, signal: AbortSignal): Promise<RunPodResult> {
    this.checkRestartPolicy(pod);
    const { uid, namespace, name } = pod.metadata;
    const record = { uid, namespace, name, manifest: pod, createdAtMs: this.clock.nowMs() };
    // Written first: whatever a crash leaves behind has a record by which the next start finds it.
    await this.store.put({ ...record, state: 'preparing' });
    const undo = new UndoStack();
    try {
      await this.images.ensureAll(pod, signal);
      const sandbox = await this.prepare(pod, signal, undo);
      await this.store.put({ ...record, state: 'running' });
      return { uid, namespace, name, ips: sandbox.ips };
    } catch (error) {
      await this.undo(pod, undo);
      throw error;
    }
  }

  private async prepare(pod: Pod, signal: AbortSignal, undo: UndoStack): Promise<PodSandboxStatus> {
    const { uid } = pod.metadata;
    const volumePaths = await this.volumes.setUp(pod, { signal });
    undo.push('volumes', () => this.volumes.tearDown(uid));
    const sandboxId = await this.service.runPodSandbox(sandboxConfig(pod, 0), { signal });
    undo.push(`sandbox ${sandboxId}`, () => this.service.removePodSandbox(sandboxId));
    const sandbox = await this.service.podSandboxStatus(sandboxId, { signal });
    const start: PodStart = { pod, sandbox, volumePaths, signal };
    for (const container of pod.spec.initContainers) await this.runInit(start, container);
    await this.startApps(start);
    return sandbox;
  }

  private async undo(pod: Pod, undo: UndoStack): Promise<void> {
    const failures = await undo.undo();
    for (const { what, error } of failures) {
      this.logger.error(
        `Undoing failed for ${what}: ${messageOf(error)}; garbage collection tries it again.`,
        {
          pod: `${pod.metadata.namespace}/${pod.metadata.name}`,
          uid: pod.metadata.uid,
        },
      );
    }
    // While something is left the record stays, so that it is found again.
    if (failures.length === 0) await this.store.delete(pod.metadata.uid);
  }

  private checkRestartPolicy({ metadata, spec }: Pod): void {
    if (spec.restartPolicy === 'Never' || this.service.features.supervisedRestart) return;
    throw new PodwrightError(
      'unsupported',
      `The pod ${metadata.namespace}/${metadata.name} has restartPolicy ${spec.restartPolicy}, and the backend ${this.service.type} does not restart containers by itself: set restartPolicy: Never, or use a backend that does, such as systemd.`,
      { details: { path: 'spec.restartPolicy', value: spec.restartPolicy, backend: this.service.type } },
    );
  }

  private async startApps(start: PodStart): Promise<void> {
    const { pod } = start;
    const policy = pod.spec.restartPolicy;
    const restart: RestartOwner = this.service.features.supervisedRestart
      ? { by: 'backend', policy }
      : { by: 'caller' };
    const made = await allOrNone(pod.spec.containers, start.signal, async (container, signal) => {
      const id = await this.create({ ...start, signal }, container, 'app', { attempt: 0, restart });
      return { container, id };
    });
    await allOrNone(made, start.signal, ({ container, id }, signal) =>
      this.telling(pod, { name: container.name, kind: 'app' }, 'started', () =>
        this.service.startContainer(id, { signal }),
      ),
    );
  }

  /** Runs an init container until it has ended well; again and again unless the pod's policy is Never. */
  private async runInit(start: PodStart, container: Container): Promise<void> {
    const { pod, signal } = start;
    const named = { name: container.name, kind: 'init' } as const;
    const ids: string[] = [];
    for (let attempt = 0, failures = 0; ; attempt++) {
      const id = await this.create(start, container, 'init', { attempt, restart: { by: 'caller' } });
      ids.push(id);
      // The one before stays for its logs and its exit code.
      if (ids.length > 2) await this.service.removeContainer(ids.shift() ?? '', { signal });
      const run = await this.telling(pod, named, 'started', () => runToExit(this.service, id, signal));
      if (run.exitCode === 0) return;
      if (pod.spec.restartPolicy === 'Never') throw await this.initFailure(pod, container, id, run.exitCode);
      const ranMs = (run.finishedAtMs ?? run.startedAtMs) - run.startedAtMs;
      failures = ranMs >= LONG_RUN_MS ? 1 : failures + 1;
      const delayMs = crashLoopDelayMs(failures);
      if (delayMs === 0) continue;
      const message = `Init container ${container.name} keeps failing and is started again in ${delayMs / 1000} s.`;
      this.events.record(pod.metadata, 'BackOff', message, { container: named, warning: true });
      await this.clock.sleep(delayMs, signal);
    }
  }

  private async initFailure(
    pod: Pod,
    container: Container,
    id: string,
    exitCode: number | undefined,
  ): Promise<PodwrightError> {
    const log = await lastWords(this.service, id);
    const message = `The init container ${container.name} ended with exit code ${exitCode ?? 'unknown'}`;
    this.events.record(pod.metadata, 'Failed', `${message}.`, {
      container: { name: container.name, kind: 'init' },
      warning: true,
    });
    return new PodwrightError(
      'container-start-failed',
      `${message} and restartPolicy is Never, so the pod ${pod.metadata.namespace}/${pod.metadata.name} was not started.${log === '' ? '' : ` Its last output:\n${log}`}`,
      { details: { container: container.name, exitCode, log } },
    );
  }

  private async create(
    start: PodStart,
    container: Container,
    kind: 'init' | 'app',
    { attempt, restart }: { readonly attempt: number; readonly restart: RestartOwner },
  ): Promise<string> {
    const { pod, sandbox, volumePaths, signal } = start;
    return this.telling(pod, { name: container.name, kind }, 'created', async () => {
      const volumeMounts = containerMounts(container, volumePaths);
      const config = await this.options.generate({ pod, container, kind, sandbox, volumeMounts, attempt });
      // Whatever the generator says: identity and restarts are PodRuntime's own.
      const annotations = { ...config.annotations, [CONTAINER_KIND_ANNOTATION]: kind };
      const metadata = { name: container.name, attempt };
      return this.service.createContainer(
        sandbox.id,
        { ...config, metadata, annotations, restart },
        { signal },
      );
    });
  }

  /** Adds to a failure which container it was about, and records it. */
  private async telling<T>(
    pod: Pod,
    container: { readonly name: string; readonly kind: 'init' | 'app' },
    verb: 'created' | 'started',
    action: () => Promise<T>,
  ): Promise<T> {
    try {
      return await action();
    } catch (error) {
      if (PodwrightError.is(error, 'cancelled')) throw error;
      const words = `The ${container.kind === 'init' ? 'init container' : 'container'} ${container.name} could not be ${verb}`;
      this.events.record(pod.metadata, 'Failed', `${words}: ${messageOf(error)}`, {
        container,
        warning: true,
      });
      const kind = PodwrightError.is(error) ? error.kind : 'container-start-failed';
      const details = PodwrightError.is(error) ? error.details : {};
      throw new PodwrightError(kind, `${words}: ${messageOf(error)}`, {
        cause: error,
        details: { ...details, container: container.name },
      });
    }
  }
}
