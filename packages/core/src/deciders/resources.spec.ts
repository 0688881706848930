import { describe, expect, it } from 'vitest';
import { parsePod } from '../manifest/pod.js';
import { crashLoopDelayMs } from './crash-loop.js';
import { containerResources, podResources, type QosClass, qosClass } from './resources.js';

type Resources = Readonly<Record<'limits' | 'requests', Readonly<Record<string, string>>>>;

function podWith(containers: readonly Partial<Resources>[], inits: readonly Partial<Resources>[] = []) {
  const listed = (kind: string, all: readonly Partial<Resources>[]) =>
    all.map((resources, index) => ({ name: `${kind}${index}`, image: 'a', resources }));
  return parsePod({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'a' },
    spec: { containers: listed('app', containers), initContainers: listed('init', inits) },
  });
}

const BOTH = { cpu: '1', memory: '1Ki' };

describe('containerResources', () => {
  it("has huge pages by the kernel's names of their sizes", () => {
    const { containers } = podWith([
      { limits: { cpu: '1', 'hugepages-2Mi': '4Mi', 'hugepages-1Gi': '1Gi' } },
    ]).spec;
    expect(containers.map(containerResources)).toMatchObject([
      { hugepageLimits: { '2MB': 4 * 1024 ** 2, '1GB': 1024 ** 3 } },
    ]);
  });

  it.each<[string, Partial<Resources>, Readonly<Record<string, number>>]>([
    ['nothing', {}, {}],
    [
      'a lone limit is the request too',
      { limits: { cpu: '250m', memory: '1Ki' } },
      { cpuLimitMillis: 250, cpuRequestMillis: 250, memoryLimitBytes: 1024, memoryRequestBytes: 1024 },
    ],
    [
      'a lone request is the limit too',
      { requests: { memory: '1Ki' } },
      { memoryLimitBytes: 1024, memoryRequestBytes: 1024 },
    ],
    [
      'both stand',
      { limits: { cpu: '2' }, requests: { cpu: '500m' } },
      { cpuLimitMillis: 2000, cpuRequestMillis: 500 },
    ],
    ['zero means none', { limits: { cpu: '0', memory: '0' } }, {}],
  ])('%s', (_what, resources, expected) => {
    const [container] = podWith([resources]).spec.containers;
    expect(container && containerResources(container)).toEqual(expected);
  });
});

describe('podResources', () => {
  it('adds up the containers', () => {
    expect(podResources(podWith([{ limits: BOTH }, { limits: BOTH }]))).toEqual({
      ...{ cpuLimitMillis: 2000, cpuRequestMillis: 2000, memoryLimitBytes: 2048, memoryRequestBytes: 2048 },
    });
  });

  it('takes the largest init container when that is more', () => {
    const pod = podWith([{ limits: BOTH }], [{ limits: { cpu: '3', memory: '1' } }]);
    expect(podResources(pod)).toMatchObject({ cpuLimitMillis: 3000, memoryLimitBytes: 1024 });
  });

  it('has no limit when one container has none', () => {
    expect(podResources(podWith([{ limits: { cpu: '1' } }, {}]))).toEqual({ cpuRequestMillis: 1000 });
  });
});

describe('qosClass', () => {
  it.each<[QosClass, readonly Partial<Resources>[]]>([
    ['BestEffort', [{}, {}]],
    ['Guaranteed', [{ limits: BOTH }]],
    ['Guaranteed', [{ limits: BOTH, requests: { cpu: '1000m', memory: '1024' } }]],
    ['Burstable', [{ limits: BOTH }, {}]],
    ['Burstable', [{ requests: BOTH }]],
    ['Burstable', [{ limits: { cpu: '1' } }]],
    ['Burstable', [{ limits: BOTH, requests: { cpu: '1m', memory: '1' } }]],
  ])('is %s for %j', (expected, containers) => {
    expect(qosClass(podWith(containers))).toBe(expected);
  });
});

describe('crashLoopDelayMs', () => {
  it('is none at first, then doubles up to five minutes', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 50, 2000].map((failures) => crashLoopDelayMs(failures))).toEqual([
      ...[0, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000],
    ]);
  });
});

describe('podResources with sidecars, overhead and resources of the pod', () => {
  const GIB = 1024 ** 3;
  const container = (name: string, cpu: string, fields = {}) => ({
    ...{ name, image: 'a', resources: { limits: { cpu, memory: '1Gi' } } },
    ...fields,
  });
  const podOf = (spec: object) => parsePod({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec });

  it('counts sidecars with the containers, and with the init containers that come after them', () => {
    const pod = podOf({
      initContainers: [
        container('before', '2'),
        container('sidecar', '1', { restartPolicy: 'Always' }),
        container('after', '3'),
      ],
      containers: [container('app', '1')],
    });
    expect(podResources(pod)).toEqual({
      ...{ cpuLimitMillis: 4000, cpuRequestMillis: 4000 },
      ...{ memoryLimitBytes: 2 * GIB, memoryRequestBytes: 2 * GIB },
    });
  });

  it('takes those of the pod first, and puts the overhead on top', () => {
    const pod = podOf({
      containers: [container('app', '1'), { name: 'free', image: 'a' }],
      resources: { limits: { cpu: '4' }, requests: { memory: '3Gi' } },
      overhead: { cpu: '100m', memory: '1Gi' },
    });
    expect(podResources(pod)).toEqual({
      ...{ cpuLimitMillis: 4100, cpuRequestMillis: 4100, memoryRequestBytes: 4 * GIB },
    });
    expect(qosClass(pod)).toBe('Burstable');
  });

  it('is Guaranteed by the resources of the pod alone', () => {
    const limits = { cpu: '1', memory: '1Gi' };
    expect(qosClass(podOf({ containers: [{ name: 'a', image: 'a' }], resources: { limits } }))).toBe(
      'Guaranteed',
    );
  });
});
