import type { MessageInitShape } from '@bufbuild/protobuf';
import { cri } from '@podwright/cri-api';
import { toNanoseconds } from '../mapping/nanoseconds.js';

export type Metric = MessageInitShape<typeof cri.MetricSchema>;
export type Descriptor = MessageInitShape<typeof cri.MetricDescriptorSchema>;

export const { COUNTER, GAUGE } = cri.MetricType;

/** What every metric is labelled with, as in CRI-O and containerd. */
const LABEL_KEYS = ['id', 'image', 'namespace', 'pod', 'container'] as const;

/** The values of these labels. */
export type LabelValues = readonly [
  id: string,
  image: string,
  namespace: string,
  pod: string,
  container: string,
];

/** Values of a metric, each with those of the labels that only this metric has. */
export type Values = readonly { readonly value: number; readonly labels?: readonly string[] }[];

/** A metric, and how it is made of stats. */
export interface MetricRule<T> {
  readonly name: string;
  readonly help: string;
  readonly type: cri.MetricType;
  /** Labels beside those of every metric. */
  readonly labels?: readonly string[];
  /** None where it is not known. */
  readonly values: (stats: T) => Values;
}

/** One value, or none where it is not known. */
export function single(value: number | undefined): Values {
  return value === undefined ? [] : [{ value }];
}

export function describe({ name, help, labels = [] }: Omit<MetricRule<never>, 'values'>): Descriptor {
  return { name, help, labelKeys: [...LABEL_KEYS, ...labels] };
}

/** The CRI's values are whole numbers: parts of a second are cut off, as by other runtimes. */
export function metricsOf<T extends { readonly timestampMs: number }>(
  rules: readonly MetricRule<T>[],
  stats: T,
  labelValues: LabelValues,
): Metric[] {
  const timestamp = toNanoseconds(stats.timestampMs);
  return rules.flatMap(({ name, type, values }) =>
    values(stats).map(({ value, labels = [] }) => ({
      ...{ name, timestamp, metricType: type, labelValues: [...labelValues, ...labels] },
      value: { value: BigInt(Math.floor(value)) },
    })),
  );
}
