import {
  Clock,
  crashLoopDelayMs,
  isSidecar,
  Logger,
  messageOf,
  type PodRecord,
  type PodSandboxStatus,
  PodStore,
  PodwrightError,
  type RestartBackoff,
  type RunPodResult,
  RuntimeService,
  UndoStack,
  VolumeProvider,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { allOrNone } from './all-or-none.js';
import { runToExit } from './container-exit.js';
import { ContainerStarter, type PodMember, type PodSurroundings } from './container-starter.js';
import { lastWords } from './last-words.js';
import { PodEventHub } from './pod-event-hub.js';
import { PodImages } from './pod-images.js';
import { PodPreparer } from './pod-preparer.js';
import { StartupWait } from './probes/startup-wait.js';
import { CallerBackoff } from './restart-backoff.js';

/** Starts a pod: images, volumes, sandbox, init containers in order, then all containers at once; or undoes it all. */
@injectable()
export class PodStarter {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(VolumeProvider) private readonly volumes: VolumeProvider,
    @inject(PodStore) private readonly store: PodStore,
    @inject(PodImages) private readonly images: PodImages,
    @inject(PodPreparer) private readonly preparer: PodPreparer,
    @inject(ContainerStarter) private readonly starter: ContainerStarter,
    @inject(StartupWait) private readonly startup: StartupWait,
    @inject(PodEventHub) private readonly events: PodEventHub,
    @inject(CallerBackoff) private readonly backoff: RestartBackoff,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /**
   * @param record of the pod, new; its state becomes `running`
   * @throws PodwrightError the kinds of `ContainerRuntime.runPod`
   */
  async start(record: PodRecord, signal: AbortSignal): Promise<RunPodResult> {
    const { uid, namespace, name } = record;
    // Written first: whatever a crash leaves behind has a record by which the next start finds it.
    await this.store.put({ ...record, state: 'preparing' });
    const undo = new UndoStack();
    try {
      await this.images.ensureAll(record.manifest, signal, record.objects);
      const sandbox = await this.prepare(record, signal, undo);
      await this.store.put({ ...record, state: 'running' });
      return { uid, namespace, name, ips: sandbox.ips };
    } catch (error) {
      await this.undo(record, undo);
      throw error;
    }
  }

  private async prepare(record: PodRecord, signal: AbortSignal, undo: UndoStack): Promise<PodSandboxStatus> {
    await this.preparer.checkVolumes(record);
    // Undone after the sandbox, whose containers have them mounted.
    undo.push('volumes', () => this.volumes.tearDown(record.uid));
    const sandboxId = await this.preparer.makeSandbox(record, 0, signal);
    undo.push(`sandbox ${sandboxId}`, () => this.service.removePodSandbox(sandboxId));
    const sandbox = await this.preparer.sandbox(sandboxId, signal);
    const volumePaths = await this.preparer.setUpVolumes(record, signal);
    const surroundings: PodSurroundings = { record, sandbox, volumePaths, signal };
    for (const container of record.manifest.spec.initContainers) {
      const member = { container, kind: 'init' } as const;
      if (isSidecar(container)) await this.startSidecar(surroundings, member);
      else await this.runInit(surroundings, member);
    }
    await this.startApps(surroundings);
    return sandbox;
  }

  private async undo(record: PodRecord, undo: UndoStack): Promise<void> {
    const failures = await undo.undo();
    for (const { what, error } of failures) {
      this.logger.error(
        `Undoing failed for ${what}: ${messageOf(error)}; garbage collection tries it again.`,
        { pod: `${record.namespace}/${record.name}`, uid: record.uid },
      );
    }
    // While something is left the record stays, so that it is found again.
    if (failures.length === 0) await this.store.delete(record.uid);
  }

  private async startApps(surroundings: PodSurroundings): Promise<void> {
    const { record } = surroundings;
    const { manifest: pod } = record;
    const members = pod.spec.containers.map((container): PodMember => ({ container, kind: 'app' }));
    const made = await allOrNone(members, surroundings.signal, async (member, signal) => {
      const id = await this.starter.create({ ...surroundings, signal }, member, { attempt: 0, series: 0 });
      return { member, id };
    });
    await allOrNone(made, surroundings.signal, ({ member, id }, signal) =>
      this.starter.start(record, member, id, signal),
    );
  }

  private async startSidecar(surroundings: PodSurroundings, member: PodMember): Promise<void> {
    const { record, signal } = surroundings;
    const id = await this.starter.create(surroundings, member, { attempt: 0, series: 0 });
    await this.starter.start(record, member, id, signal);
    await this.startup.succeeded(record, member.container, id, signal);
  }

  /** Runs an init container until it has ended well; again and again unless the pod's policy is Never. */
  private async runInit(surroundings: PodSurroundings, member: PodMember): Promise<void> {
    const { record, signal } = surroundings;
    const { manifest: pod } = record;
    const { name } = member.container;
    const ids: string[] = [];
    for (let attempt = 0, series = 0; ; attempt++) {
      const id = await this.starter.create(surroundings, member, { attempt, series });
      ids.push(id);
      // The one before stays for its logs and its exit code.
      if (ids.length > 2) await this.service.removeContainer(ids.shift() ?? '', { signal });
      const run = await this.starter.telling(pod, member, 'started', () =>
        runToExit(this.service, id, signal),
      );
      if (run.exitCode === 0) return;
      if (pod.spec.restartPolicy === 'Never') throw await this.initFailure(record, name, id, run.exitCode);
      const ranMs = (run.finishedAtMs ?? run.startedAtMs) - run.startedAtMs;
      series = ranMs >= this.backoff.resetMs ? 1 : series + 1;
      const delayMs = crashLoopDelayMs(series, this.backoff);
      if (delayMs === 0) continue;
      const message = `Init container ${name} keeps failing and is started again in ${delayMs / 1000} s.`;
      this.events.record(pod.metadata, 'BackOff', message, {
        container: { name, kind: 'init' },
        warning: true,
      });
      await this.clock.sleep(delayMs, signal);
    }
  }

  private async initFailure(
    record: PodRecord,
    container: string,
    id: string,
    exitCode: number | undefined,
  ): Promise<PodwrightError> {
    const log = await lastWords(this.service, id);
    const message = `The init container ${container} ended with exit code ${exitCode ?? 'unknown'}`;
    this.events.record(record, 'Failed', `${message}.`, {
      container: { name: container, kind: 'init' },
      warning: true,
    });
    return new PodwrightError(
      'container-start-failed',
      `${message} and restartPolicy is Never, so the pod ${record.namespace}/${record.name} was not started.${log === '' ? '' : ` Its last output:\n${log}`}`,
      { details: { container, exitCode, log } },
    );
  }
}
