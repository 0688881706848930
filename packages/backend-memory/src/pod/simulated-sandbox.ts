import {
  type ContainerResources,
  isWanted,
  mergeResources,
  type PodAmount,
  type PodSandboxConfig,
  type PodSandboxFilter,
  type PodSandboxStatus,
} from '@podwright/core';
import type { SandboxNetwork } from '../machine/sandbox-network.js';

/** A pod's sandbox on the simulated machine. */
export class SimulatedSandbox {
  #ready = true;
  #resources: ContainerResources;

  constructor(
    readonly id: string,
    /** Counts everything that is made, so that what was made in one millisecond has an order too. */
    readonly sequence: number,
    readonly config: PodSandboxConfig,
    readonly createdAtMs: number,
    readonly hostname: string,
    readonly network: SandboxNetwork,
    private readonly releaseNetwork: () => void,
  ) {
    this.#resources = config.resources ?? {};
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** Limits over all containers together. */
  get resources(): ContainerResources {
    return this.#resources;
  }

  updateResources(change: ContainerResources, lift: readonly PodAmount[] = []): void {
    this.#resources = mergeResources(this.#resources, change, lift);
  }

  stop(): void {
    if (!this.#ready) return;
    this.#ready = false;
    this.releaseNetwork();
  }

  status(): PodSandboxStatus {
    const { metadata, network, ipc, pid, runtimeHandler, labels, annotations } = this.config;
    return {
      id: this.id,
      metadata,
      state: this.#ready ? 'ready' : 'not-ready',
      createdAtMs: this.createdAtMs,
      ips: this.network.ips,
      network,
      ipc,
      pid,
      ...(runtimeHandler === undefined ? {} : { runtimeHandler }),
      labels,
      annotations,
    };
  }

  matches(filter: PodSandboxFilter): boolean {
    if (filter.state !== undefined && (filter.state === 'ready') !== this.#ready) return false;
    const { metadata, labels } = this.config;
    return isWanted({ id: this.id, podUid: metadata.uid, labels }, filter);
  }
}
