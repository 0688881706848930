import type { cri } from '@podwright/cri-api';

/** A value of a metric, with the values of its labels by their names. */
export interface MetricValue {
  readonly value: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** The metrics of one container or pod, by their names. */
export class MetricValues {
  readonly #byName = new Map<string, MetricValue[]>();

  /** @param descriptors which say what the labels of each are called */
  constructor(metrics: readonly cri.Metric[], descriptors: readonly cri.MetricDescriptor[]) {
    const keysOf = new Map(descriptors.map(({ name, labelKeys }) => [name, labelKeys]));
    for (const { name, value, labelValues } of metrics) {
      if (value === undefined) continue;
      const keys = keysOf.get(name) ?? [];
      const labels = Object.fromEntries(keys.map((key, index) => [key, labelValues[index] ?? '']));
      this.#byName.set(name, [...(this.#byName.get(name) ?? []), { value: Number(value.value), labels }]);
    }
  }

  get isEmpty(): boolean {
    return this.#byName.size === 0;
  }

  all(name: string): readonly MetricValue[] {
    return this.#byName.get(name) ?? [];
  }

  /** The one value with these labels; undefined where it is not told. */
  one(name: string, wanted: Readonly<Record<string, string>> = {}): number | undefined {
    return this.all(name).find(({ labels }) =>
      Object.entries(wanted).every(([key, value]) => labels[key]?.toLowerCase() === value.toLowerCase()),
    )?.value;
  }

  /** The same; undefined for 0 too, by which cAdvisor and its followers say that there is none. */
  some(name: string): number | undefined {
    return this.one(name) || undefined;
  }

  /** The values of a label, each once. */
  labelled(names: readonly string[], label: string): readonly string[] {
    return [...new Set(names.flatMap((name) => this.all(name).map(({ labels }) => labels[label] ?? '')))];
  }
}
