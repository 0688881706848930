import type { Container, Pod } from '../manifest/pod.js';
import { quantityBytes, quantityMillis } from '../manifest/quantity.js';
import type { ContainerResources } from '../model.js';

/** Resources that are summed over a pod. */
type AmountKey = 'cpuLimitMillis' | 'cpuRequestMillis' | 'memoryLimitBytes' | 'memoryRequestBytes';

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
  return {
    ...(cpuLimit === undefined ? {} : { cpuLimitMillis: cpuLimit }),
    ...(cpuRequest === undefined ? {} : { cpuRequestMillis: cpuRequest }),
    ...(memoryLimit === undefined ? {} : { memoryLimitBytes: memoryLimit }),
    ...(memoryRequest === undefined ? {} : { memoryRequestBytes: memoryRequest }),
  };
}

/**
 * Limits over a whole pod: what its containers have together, or its largest init container if that is more. A limit
 * only when every container has it: one without may use all that there is.
 */
export function podResources(pod: Pod): ContainerResources {
  const apps = pod.spec.containers.map(containerResources);
  const inits = pod.spec.initContainers.map(containerResources);
  const total = (key: AmountKey) => {
    const sum = apps.reduce((all, resources) => all + (resources[key] ?? 0), 0);
    return Math.max(sum, ...inits.map((resources) => resources[key] ?? 0));
  };
  const isComplete = (key: AmountKey) =>
    [...apps, ...inits].every((resources) => resources[key] !== undefined);
  const limits = (['cpuLimitMillis', 'memoryLimitBytes'] as const).filter(isComplete);
  const requests = (['cpuRequestMillis', 'memoryRequestBytes'] as const).filter((key) => total(key) > 0);
  return Object.fromEntries([...limits, ...requests].map((key) => [key, total(key)]));
}

/** Kubernetes' quality-of-service class: by limits and requests as they stand in the manifest. */
export function qosClass(pod: Pod): QosClass {
  const amounts = [...pod.spec.initContainers, ...pod.spec.containers].flatMap(({ resources }) =>
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
