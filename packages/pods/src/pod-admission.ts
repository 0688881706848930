import {
  type CallOptions,
  Clock,
  type Pod,
  type PodRecord,
  PodStore,
  PodwrightError,
  type RunPodOptions,
  RuntimeService,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { objectsOf } from './pod-volumes.js';

/** Whether a pod may be run or synced as it is asked for, and the record that it then has. */
@injectable()
export class PodAdmission {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(PodStore) private readonly store: PodStore,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  /** The record of a pod that is to be run. */
  newRecord(manifest: Pod, { objects, persist }: RunPodOptions): PodRecord {
    const { uid, namespace, name } = manifest.metadata;
    return {
      ...{ uid, namespace, name, manifest, createdAtMs: this.clock.nowMs(), state: 'preparing' },
      ...(objects ? { objects: objectsOf(namespace, objects) } : {}),
      ...(persist === undefined ? {} : { persist }),
    };
  }

  /** The record of a pod with the newest manifest of it. One that was killed is wanted again, with what the kill broke off. */
  syncedRecord(manifest: Pod, options: RunPodOptions, before: PodRecord | undefined): PodRecord {
    const record = this.newRecord(manifest, options);
    if (!before) return { ...record, state: 'starting' };
    const { createdAtMs, state } = before;
    // What ended as a whole, by its deadline for instance, stays so.
    const isOver = state === 'killed' && before.reason !== undefined;
    return { ...before, ...record, createdAtMs, state: state === 'running' || isOver ? state : 'starting' };
  }

  /** @throws PodwrightError kind `already-exists` for a pod of the same uid, or of the same namespace and name */
  async checkIsNew({ metadata }: Pod, options: CallOptions): Promise<void> {
    const { uid, namespace, name } = metadata;
    const records = await this.store.list();
    const same = records.find(
      (record) => record.uid === uid || (record.namespace === namespace && record.name === name),
    );
    const sandboxes = same ? [] : await this.service.listPodSandboxes({ podUid: uid }, options);
    this.checkNone(same ?? sandboxes[0]?.metadata);
  }

  /** A pod of the same name with another uid is another pod. */
  async checkNameIsFree({ metadata }: Pod): Promise<void> {
    const { uid, namespace, name } = metadata;
    const records = await this.store.list();
    this.checkNone(
      records.find((record) => record.uid !== uid && record.namespace === namespace && record.name === name),
    );
  }

  private checkNone(
    existing: { readonly uid: string; readonly namespace: string; readonly name: string } | undefined,
  ): void {
    if (!existing) return;
    throw new PodwrightError(
      'already-exists',
      `The pod ${existing.namespace}/${existing.name} (uid ${existing.uid}) exists already: remove it first (removePod, or podwright rm), or choose another name and uid.`,
      { details: { uid: existing.uid, namespace: existing.namespace, name: existing.name } },
    );
  }

  /** @throws PodwrightError kind `unsupported` where no pod comes back after a reboot */
  checkMayPersist({ persist }: RunPodOptions): void {
    if (persist !== true || this.service.features.persist) return;
    throw new PodwrightError(
      'unsupported',
      `The backend ${this.service.type} as it is configured brings no pods back after a reboot: leave persist out and have an agent sync the pod after the boot, or use the systemd backend on the host itself.`,
    );
  }

  /** What runs was made to come back after a reboot, or not to: the whole pod would have to be made anew. */
  async checkPersistStays(
    { uid, namespace, name, state, persist = false }: PodRecord,
    { persist: wanted = persist }: RunPodOptions,
    options: CallOptions,
  ): Promise<void> {
    if (wanted === persist || state === 'killed') return;
    const running = await this.service.listPodSandboxes({ podUid: uid, state: 'ready' }, options);
    if (running.length === 0) return;
    throw new PodwrightError(
      'failed-precondition',
      `The pod ${namespace}/${name} was made to ${persist ? '' : 'not '}come back after a reboot (persist: ${persist}), which cannot be changed while it runs: remove it first, or leave persist out.`,
      { details: { uid, persist } },
    );
  }
}
