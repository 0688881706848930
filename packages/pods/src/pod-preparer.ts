import { type PodRecord, type PodSandboxStatus, RuntimeService, VolumeProvider } from '@podwright/core';
import { inject, injectable } from 'inversify';
import { sandboxConfig } from './sandbox-config.js';

/** Makes what all containers of a pod stand on: its volumes and its sandbox. */
@injectable()
export class PodPreparer {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(VolumeProvider) private readonly volumes: VolumeProvider,
  ) {}

  /**
   * Doing it again gives the same paths.
   * @returns the path on the backend's host for each volume name
   * @throws PodwrightError as `VolumeProvider.setUp`
   */
  setUpVolumes(record: PodRecord, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    return this.volumes.setUp(record.manifest, { signal });
  }

  /** @returns the id of the sandbox. @throws PodwrightError as `RuntimeService.runPodSandbox` */
  makeSandbox(record: PodRecord, attempt: number, signal: AbortSignal): Promise<string> {
    return this.service.runPodSandbox(sandboxConfig(record.manifest, attempt), { signal });
  }

  sandbox(id: string, signal: AbortSignal): Promise<PodSandboxStatus> {
    return this.service.podSandboxStatus(id, { signal });
  }
}
