import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ContainerStatus, PodSandboxStats } from '@podwright/core';
import type { cri } from '@podwright/cri-api';
import { CONTAINER_METRICS } from './container-metrics.js';
import { type Descriptor, describe, metricsOf } from './metric-rule.js';
import { NETWORK_METRICS } from './network-metrics.js';
import { USAGE_METRICS } from './usage-metrics.js';

/** What cAdvisor calls the one that has the network of a pod, in the label `container`: it is that of no container. */
const NETWORK_LABEL = 'POD';
/** And the pod as a whole, so that no sum over containers counts it once more. */
const WHOLE_LABEL = '';

/** What `toPodMetrics` may tell, in its order. */
export const METRIC_DESCRIPTORS: readonly Descriptor[] = [
  ...USAGE_METRICS,
  ...NETWORK_METRICS,
  ...CONTAINER_METRICS,
].map(describe);

/** The metrics of a sandbox and of its running containers. @param containers of this sandbox */
export function toPodMetrics(
  stats: PodSandboxStats,
  containers: readonly ContainerStatus[],
): MessageInitShape<typeof cri.PodSandboxMetricsSchema> {
  const { namespace, name: pod } = stats.metadata;
  const imageOf = new Map(containers.map(({ id, image }) => [id, image]));
  return {
    podSandboxId: stats.id,
    metrics: [
      ...metricsOf(USAGE_METRICS, stats, [stats.id, '', namespace, pod, WHOLE_LABEL]),
      ...metricsOf(NETWORK_METRICS, stats, [stats.id, '', namespace, pod, NETWORK_LABEL]),
    ],
    containerMetrics: stats.containers.map((container) => {
      const { id, name } = container;
      const labels = [id, imageOf.get(id) ?? '', namespace, pod, name] as const;
      return {
        containerId: id,
        metrics: [
          ...metricsOf(USAGE_METRICS, container, labels),
          ...metricsOf(CONTAINER_METRICS, container, labels),
        ],
      };
    }),
  };
}
