import {
  Logger,
  messageOf,
  type PodRecord,
  type PodSandboxStatus,
  PodStore,
  type RunPodResult,
  RuntimeService,
  UndoStack,
  VolumeProvider,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { allOrNone } from './all-or-none.js';
import { ContainerStarter, type PodMember, type PodSurroundings } from './container-starter.js';
import { InitContainers } from './init-containers.js';
import { PodImages } from './pod-images.js';
import { PodPreparer } from './pod-preparer.js';

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
    @inject(InitContainers) private readonly inits: InitContainers,
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
    await this.inits.runAll(surroundings);
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
}
