import type { CallOptions } from '@podwright/core';
import { inject, injectable } from 'inversify';
import { CriConnection } from './cri-connection.js';
import { MetricValues } from './metric-values.js';

/** The metrics of all pods and their containers, by their ids. */
export interface RuntimeMetrics {
  readonly pods: ReadonlyMap<string, MetricValues>;
  readonly containers: ReadonlyMap<string, MetricValues>;
}

/** Where cAdvisor's numbers are in the CRI: newer runtimes have them, of what they are configured for. */
@injectable()
export class CriMetrics {
  constructor(@inject(CriConnection) private readonly connection: CriConnection) {}

  /** @throws PodwrightError kind `unsupported` of a runtime without metrics */
  async read(options: CallOptions): Promise<RuntimeMetrics> {
    const what = "The detail of stats, which are a runtime's metrics, cannot be asked";
    const [{ descriptors }, { podMetrics }] = await Promise.all([
      this.connection.call(what, ({ runtime }, call) => runtime.listMetricDescriptors({}, call), options),
      this.connection.call(what, ({ runtime }, call) => runtime.listPodSandboxMetrics({}, call), options),
    ]);
    return {
      pods: new Map(
        podMetrics.map(({ podSandboxId, metrics }) => [podSandboxId, new MetricValues(metrics, descriptors)]),
      ),
      containers: new Map(
        podMetrics.flatMap(({ containerMetrics }) =>
          containerMetrics.map(({ containerId, metrics }) => [
            containerId,
            new MetricValues(metrics, descriptors),
          ]),
        ),
      ),
    };
  }
}
