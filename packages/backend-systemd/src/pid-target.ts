import { readFile, readlink } from 'node:fs/promises';
import { type PidMode, PodwrightError, pidModeOf } from '@podwright/core';
import { HostExecutor, pinProcess, readProcessIdentity } from '@podwright/nsenter';
import { findTarget, NamespaceMode, type SandboxModes, toNamespaceOptions } from '@podwright/sandbox';
import { inject, injectable } from 'inversify';
import type { ContainerRecord } from './container-record.js';
import { ContainerStatuses } from './container-statuses.js';
import { ContainerStore } from './container-store.js';
import { containerUnitName, HostLayout } from './host-layout.js';

/** A PID namespace that a container joins. */
export interface TargetNamespace {
  /** Below /proc, of the target's first process. */
  readonly path: string;
  /** As the link of it reads, `pid:[4026532…]`: what the launch script compares, for the PID may be another's by then. */
  readonly link: string;
}

/** The sandbox in which a container is to join another one. */
export type TargetSandbox = SandboxModes & { readonly id: string };

/** @throws PodwrightError kind `invalid-argument` (of another sandbox); as `findTarget` */
export function checkJoinable({ id, sandboxId, config }: ContainerRecord, sandbox: TargetSandbox): void {
  if (sandboxId !== sandbox.id) {
    throw new PodwrightError(
      'invalid-argument',
      `The processes of container "${config.metadata.name}" cannot be joined: it is in another sandbox, ${sandboxId}.`,
      { details: { id, sandboxId: sandbox.id } },
    );
  }
  const candidate = { id, created: true, pid: modeNumber(pidModeOf(config, sandbox), sandbox) };
  const options = { ...toNamespaceOptions(sandbox), pid: NamespaceMode.Target, targetId: id };
  findTarget(options, () => candidate);
}

function modeNumber(pid: PidMode | 'target', sandbox: SandboxModes): NamespaceMode {
  return pid === 'target' ? NamespaceMode.Target : toNamespaceOptions({ ...sandbox, pid }).pid;
}

/** Finds the PID namespaces of running containers. */
@injectable()
export class PidTargets {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(ContainerStatuses) private readonly statuses: ContainerStatuses,
  ) {}

  /**
   * @param id of the target
   * @param sandbox of the container that joins it
   * @throws PodwrightError kind `not-found`, `invalid-argument` (of another sandbox), `failed-precondition` (not running,
   *   or without a PID namespace of its own)
   */
  async find(id: string, sandbox: TargetSandbox): Promise<TargetNamespace> {
    const record = this.store.require(id);
    checkJoinable(record, sandbox);
    const { name } = record.config.metadata;
    const { state } = await this.statuses.of(record);
    const pid = state === 'running' ? await this.pidOf(id) : undefined;
    const identity = pid === undefined ? undefined : await readProcessIdentity(this.host, pid);
    if (!identity) {
      throw new PodwrightError(
        'failed-precondition',
        `The processes of container "${name}" cannot be joined: it does not run, it is ${state}.`,
        { details: { id, state } },
      );
    }
    await using process = await pinProcess(this.host, identity, { unit: containerUnitName(id) });
    return {
      path: `/proc/${identity.pid}/ns/pid`,
      link: await readlink(this.host.hostPath(`${process.procPath}/ns/pid`)),
    };
  }

  private async pidOf(id: string): Promise<number | undefined> {
    const path = this.host.hostPath(this.layout.container(id).pidFile);
    const pid = Number(await readFile(path, 'utf8').catch(() => ''));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  }
}
