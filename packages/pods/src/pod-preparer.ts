import { type PodRecord, type PodSandboxStatus, RuntimeService } from '@podwright/core';
import { inject, injectable } from 'inversify';
import { PodVolumes } from './pod-volumes.js';
import { sandboxConfig } from './sandbox-config.js';
import { AllowedUnsafeSysctls, checkSysctls } from './sysctl-policy.js';

/** Makes what all containers of a pod stand on: its volumes and its sandbox. */
@injectable()
export class PodPreparer {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(PodVolumes) private readonly volumes: PodVolumes,
    @inject(AllowedUnsafeSysctls) private readonly allowedSysctls: readonly string[],
  ) {}

  /** Whether all is there that the volumes are made of. @throws PodwrightError as `PodVolumes.files` */
  async checkVolumes(record: PodRecord): Promise<void> {
    await this.volumes.files(record);
  }

  /**
   * Doing it again gives the same paths.
   * @returns the path on the backend's host for each volume name
   * @throws PodwrightError as `PodVolumes.setUp`
   */
  setUpVolumes(record: PodRecord, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    return this.volumes.setUp(record, { signal });
  }

  /** @returns the id of the sandbox. @throws PodwrightError as `RuntimeService.runPodSandbox` and `checkSysctls` */
  async makeSandbox(record: PodRecord, attempt: number, signal: AbortSignal): Promise<string> {
    checkSysctls(record.manifest, this.allowedSysctls);
    const config = sandboxConfig(record.manifest, attempt);
    const persist = record.persist === true ? { persist: true } : {};
    return await this.service.runPodSandbox({ ...config, ...persist }, { signal });
  }

  sandbox(id: string, signal: AbortSignal): Promise<PodSandboxStatus> {
    return this.service.podSandboxStatus(id, { signal });
  }
}
