import type { Container, Pod } from '../manifest/pod.js';
import { quantityBytes, quantityMillis } from '../manifest/quantity.js';
import type { ContainerResources } from '../model.js';

/** Resources that are summed over a pod. */
export const POD_AMOUNTS = [
  'cpuLimitMillis',
  'cpuRequestMillis',
  'memoryLimitBytes',
  'memoryRequestBytes',
] as const;
export type PodAmount = (typeof POD_AMOUNTS)[number];

/** The kernel's names of the sizes of huge pages that a manifest has. */
const HUGEPAGE_SIZES = [
  ['hugepages-2Mi', '2MB'],
  ['hugepages-1Gi', '1GB'],
] as const;

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

/**
 * A container's limits and requests in numbers. A lone limit is the request too, and a lone request the limit, as in
 * rkt's Kubernetes runtime; a quantity of 0 means none.
 */
export function containerResources(container: Container): ContainerResources {
  const { limits, requests } = container.resources;
  const cpuLimit = amount(limits.cpu ?? requests.cpu, quantityMillis);
  const cpuRequest = amount(requests.cpu ?? limits.cpu, quantityMillis);
  const memoryLimit = amount(limits.memory ?? requests.memory, quantityBytes);
  const memoryRequest = amount(requests.memory ?? limits.memory, quantityBytes);
  const hugepages = HUGEPAGE_SIZES.flatMap(([name, size]) => {
    const bytes = amount(limits[name], quantityBytes);
    return bytes === undefined ? [] : [[size, bytes] as const];
  });
  return {
    ...(cpuLimit === undefined ? {} : { cpuLimitMillis: cpuLimit }),
    ...(cpuRequest === undefined ? {} : { cpuRequestMillis: cpuRequest }),
    ...(memoryLimit === undefined ? {} : { memoryLimitBytes: memoryLimit }),
    ...(memoryRequest === undefined ? {} : { memoryRequestBytes: memoryRequest }),
    ...(hugepages.length === 0 ? {} : { hugepageLimits: Object.fromEntries(hugepages) }),
  };
}

/** What the manifest's `spec.resources` limits all containers together to, in numbers; a quantity of 0 means none. */
export function podLimits({ spec }: Pod): Pick<ContainerResources, 'cpuLimitMillis' | 'memoryLimitBytes'> {
  const cpu = amount(spec.resources?.limits.cpu, quantityMillis);
  const memory = amount(spec.resources?.limits.memory, quantityBytes);
  return {
    ...(cpu === undefined ? {} : { cpuLimitMillis: cpu }),
    ...(memory === undefined ? {} : { memoryLimitBytes: memory }),
  };
}

/**
 * Limits over a whole pod: those of `spec.resources`; else what its containers and sidecars have together, or an init
 * container with the sidecars before it if that is more. Without `spec.resources` it has a limit only when every
 * container has it: one without may use all that there is. `spec.overhead` comes on top.
 * Source: KEP-753 "Sidecar containers", section "Resources calculation"; KEP-2837 "Pod level resource specifications".
 */
export function podResources(pod: Pod): ContainerResources {
  const { spec } = pod;
  const apps = spec.containers.map(containerResources);
  const inits = spec.initContainers.map(containerResources);
  const together = (key: PodAmount) => {
    let sidecars = 0;
    let largestInit = 0;
    for (const [index, { restartPolicy }] of spec.initContainers.entries()) {
      const own = inits[index]?.[key] ?? 0;
      if (restartPolicy === 'Always') sidecars += own;
      largestInit = Math.max(largestInit, restartPolicy === 'Always' ? sidecars : sidecars + own);
    }
    return Math.max(
      apps.reduce((sum, resources) => sum + (resources[key] ?? 0), sidecars),
      largestInit,
    );
  };
  const isComplete = (key: PodAmount) =>
    [...apps, ...inits].every((resources) => resources[key] !== undefined);
  const stated = statedPodAmounts(pod);
  const overhead = podOverhead(pod);
  const result: { -readonly [Key in PodAmount]?: number } = {};
  for (const key of ['cpuLimitMillis', 'memoryLimitBytes'] as const) {
    const limit = stated[key] ?? (isComplete(key) ? together(key) : undefined);
    if (limit !== undefined) result[key] = limit + overhead[key];
  }
  for (const key of ['cpuRequestMillis', 'memoryRequestBytes'] as const) {
    const request = (stated[key] ?? together(key)) + overhead[key];
    if (request > 0) result[key] = request;
  }
  return result;
}

/** What a pod as a whole had and is to have no more. */
export function liftedAmounts(had: ContainerResources, wanted: ContainerResources): readonly PodAmount[] {
  return POD_AMOUNTS.filter((key) => had[key] !== undefined && wanted[key] === undefined);
}

/** As for a container: a lone limit is the request too. A lone request of a pod limits nothing. */
function statedPodAmounts(pod: Pod): { readonly [Key in PodAmount]?: number | undefined } {
  const requests = pod.spec.resources?.requests;
  const limits = podLimits(pod);
  return {
    ...limits,
    cpuRequestMillis: amount(requests?.cpu, quantityMillis) ?? limits.cpuLimitMillis,
    memoryRequestBytes: amount(requests?.memory, quantityBytes) ?? limits.memoryLimitBytes,
  };
}

function podOverhead({ spec: { overhead } }: Pod): Readonly<Record<PodAmount, number>> {
  const cpu = amount(overhead?.cpu, quantityMillis) ?? 0;
  const memory = amount(overhead?.memory, quantityBytes) ?? 0;
  return { cpuLimitMillis: cpu, cpuRequestMillis: cpu, memoryLimitBytes: memory, memoryRequestBytes: memory };
}

/**
 * Kubernetes' quality-of-service class: by limits and requests as they stand in the manifest; those of the whole pod, if
 * it has any.
 */
export function qosClass(pod: Pod): QosClass {
  const { resources: shared, initContainers, containers } = pod.spec;
  const isShared = [shared?.limits, shared?.requests].some(
    (amounts) => Object.keys(amounts ?? {}).length > 0,
  );
  const holders = shared && isShared ? [{ resources: shared }] : [...initContainers, ...containers];
  const amounts = holders.flatMap(({ resources }) =>
    (['cpu', 'memory'] as const).map((name) => {
      const limit = resources.limits[name];
      const parse = name === 'cpu' ? quantityMillis : quantityBytes;
      // Kubernetes takes a lone limit as the request; a lone request stays alone.
      return { limit: amount(limit, parse), request: amount(resources.requests[name] ?? limit, parse) };
    }),
  );
  if (amounts.every(({ limit, request }) => limit === undefined && request === undefined)) {
    return 'BestEffort';
  }
  return amounts.every(({ limit, request }) => limit !== undefined && limit === request)
    ? 'Guaranteed'
    : 'Burstable';
}

function amount(quantity: string | undefined, parse: (text: string) => number): number | undefined {
  return quantity === undefined ? undefined : parse(quantity) || undefined;
}
