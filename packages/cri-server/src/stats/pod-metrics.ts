import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ContainerStats, ContainerStatus, PodSandboxStats } from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { toNanoseconds } from '../mapping/nanoseconds.js';

type Metric = MessageInitShape<typeof cri.MetricSchema>;
type Descriptor = MessageInitShape<typeof cri.MetricDescriptorSchema>;

const { COUNTER, GAUGE } = cri.MetricType;

const LABEL_KEYS = ['id', 'image', 'namespace', 'pod', 'container'] as const;

/** What cAdvisor calls the sandbox itself in the label `container`. */
const SANDBOX_LABEL = 'POD';

/** Values of a metric, each with those of the labels that only this metric has. */
type Values = readonly { readonly value: number; readonly labels?: readonly string[] }[];

interface MetricRule<T> {
  readonly name: string;
  readonly help: string;
  readonly type: cri.MetricType;
  readonly labels?: readonly string[];
  readonly values: (stats: T) => Values;
}

/** What a container and a sandbox as a whole have in common. */
type Usage = Pick<ContainerStats, 'cpu' | 'memory' | 'pids' | 'timestampMs'>;

/** Names, labels and units as cAdvisor has them, and CRI-O: values are whole numbers. */
const USAGE: readonly MetricRule<Usage>[] = [
  {
    name: 'container_last_seen',
    help: 'When this was seen, in seconds since the epoch.',
    type: GAUGE,
    values: ({ timestampMs }) => [{ value: timestampMs / 1000 }],
  },
  {
    name: 'container_cpu_usage_seconds_total',
    help: 'Time of processors used, in seconds.',
    type: COUNTER,
    labels: ['cpu'],
    values: ({ cpu }) => [{ value: cpu.usageNanoseconds / 1e9, labels: ['total'] }],
  },
  {
    name: 'container_memory_usage_bytes',
    help: 'Memory in use, with what could be given back under pressure.',
    type: GAUGE,
    values: ({ memory }) => [{ value: memory.usageBytes }],
  },
  {
    name: 'container_memory_working_set_bytes',
    help: 'Memory in use that cannot be given back under pressure.',
    type: GAUGE,
    values: ({ memory }) => [{ value: memory.workingSetBytes }],
  },
  {
    name: 'container_memory_rss',
    help: 'Memory of processes that no file stands behind, in bytes.',
    type: GAUGE,
    values: ({ memory: { rssBytes } }) => (rssBytes === undefined ? [] : [{ value: rssBytes }]),
  },
  {
    name: 'container_memory_swap',
    help: 'Memory that lies in swap space, in bytes.',
    type: GAUGE,
    values: ({ memory: { swapUsageBytes } }) =>
      swapUsageBytes === undefined ? [] : [{ value: swapUsageBytes }],
  },
  {
    name: 'container_threads',
    help: 'Threads of all processes.',
    type: GAUGE,
    values: ({ pids }) => [{ value: pids }],
  },
];

const CONTAINER: readonly MetricRule<ContainerStats>[] = [
  {
    name: 'container_fs_usage_bytes',
    help: 'Disk space of what the container has written into its root file system.',
    type: GAUGE,
    values: ({ writableLayer }) => [{ value: writableLayer.usedBytes }],
  },
];

const NETWORK: readonly MetricRule<PodSandboxStats>[] = (
  [
    ['container_network_receive_bytes_total', 'Bytes received.', 'rxBytes'],
    ['container_network_receive_errors_total', 'Errors while receiving.', 'rxErrors'],
    ['container_network_transmit_bytes_total', 'Bytes sent.', 'txBytes'],
    ['container_network_transmit_errors_total', 'Errors while sending.', 'txErrors'],
  ] as const
).map(([name, help, field]) => ({
  name,
  help,
  type: COUNTER,
  labels: ['interface'],
  values: ({ network }) => network.map((one) => ({ value: one[field], labels: [one.name] })),
}));

/** What `toPodMetrics` may tell, in its order. */
export const METRIC_DESCRIPTORS: readonly Descriptor[] = [...USAGE, ...NETWORK, ...CONTAINER].map(
  ({ name, help, labels = [] }) => ({ name, help, labelKeys: [...LABEL_KEYS, ...labels] }),
);

/** The metrics of a sandbox and of its running containers. @param containers of this sandbox */
export function toPodMetrics(
  stats: PodSandboxStats,
  containers: readonly ContainerStatus[],
): MessageInitShape<typeof cri.PodSandboxMetricsSchema> {
  const { namespace, name: pod } = stats.metadata;
  const imageOf = new Map(containers.map(({ id, image }) => [id, image]));
  const own = [stats.id, '', namespace, pod, SANDBOX_LABEL];
  return {
    podSandboxId: stats.id,
    metrics: [...metricsOf(USAGE, stats, own), ...metricsOf(NETWORK, stats, own)],
    containerMetrics: stats.containers.map((container) => {
      const labels = [container.id, imageOf.get(container.id) ?? '', namespace, pod, container.name];
      return {
        containerId: container.id,
        metrics: [...metricsOf(USAGE, container, labels), ...metricsOf(CONTAINER, container, labels)],
      };
    }),
  };
}

function metricsOf<T extends { readonly timestampMs: number }>(
  rules: readonly MetricRule<T>[],
  stats: T,
  labelValues: readonly string[],
): Metric[] {
  return rules.flatMap(({ name, type, values }) =>
    values(stats).map(({ value, labels = [] }) => ({
      name,
      timestamp: toNanoseconds(stats.timestampMs),
      metricType: type,
      labelValues: [...labelValues, ...labels],
      value: { value: BigInt(Math.floor(value)) },
    })),
  );
}
