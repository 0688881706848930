import {
  type Container,
  type ContainerKind,
  containerEnv,
  type EnvVar,
  type PodRecord,
  type PodSandboxStatus,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { NodeFacts } from './node-facts.js';
import { PodEventHub } from './pod-event-hub.js';

/** Finds the values of containers' variables: in the manifest, in the pod's objects, in what the pod and the node are. */
@injectable()
export class ContainerVariables {
  constructor(
    @inject(NodeFacts) private readonly node: NodeFacts,
    @inject(PodEventHub) private readonly events: PodEventHub,
  ) {}

  /**
   * Keys of `envFrom` that can be no variables are left out, and told in an event.
   * @throws PodwrightError as `containerEnv`
   */
  async of(
    { manifest: pod, objects = [] }: PodRecord,
    container: Container,
    kind: ContainerKind,
    sandbox: PodSandboxStatus,
  ): Promise<readonly EnvVar[]> {
    const [hostIps, capacity] = await Promise.all([this.node.ips(), this.node.capacity()]);
    const { env, skipped } = containerEnv(pod, container, {
      objects,
      podIps: sandbox.ips,
      hostIps: sandbox.network === 'node' && sandbox.ips.length > 0 ? sandbox.ips : hostIps,
      nodeName: this.node.name(),
      capacity,
    });
    for (const { kind: source, name, keys } of skipped) {
      const message = `Keys of the ${source} ${name} are no names of variables and were left out: ${keys.join(', ')}.`;
      this.events.record(pod.metadata, 'InvalidEnvironmentVariableNames', message, {
        container: { name: container.name, kind },
        warning: true,
      });
    }
    return env;
  }
}
