import { PodwrightError } from '../errors.js';
import type { Pod } from '../manifest/pod.js';
import type { ContainerResources } from '../model.js';
import { type PodAmount, qosClass } from './resources.js';

const AMOUNTS = [
  'cpuLimitMillis',
  'cpuRequestMillis',
  'memoryLimitBytes',
  'memoryRequestBytes',
  'memorySwapLimitBytes',
  'pidsLimit',
] as const satisfies readonly (keyof ContainerResources)[];

/** Numbers of cores or memory nodes: more than any machine has. */
const LARGEST_CPUSET_NUMBER = 8191;

/**
 * Checks limits by themselves, whatever the machine.
 * @param what whose limits they are, for messages, e.g. `container web`
 * @throws PodwrightError kind `invalid-argument`
 */
export function checkContainerResources(resources: ContainerResources, what: string): void {
  const refuse = (message: string): never => {
    throw new PodwrightError('invalid-argument', `The resources of ${what} are wrong: ${message}.`, {
      details: { resources },
    });
  };
  for (const name of AMOUNTS) {
    const value = resources[name];
    if (value === undefined || (Number.isSafeInteger(value) && value > 0)) continue;
    refuse(`${name} is ${value} and has to be a whole number above 0`);
  }
  const { memoryLimitBytes, memorySwapLimitBytes, swapLimitBytes, oomScoreAdj } = resources;
  // A request for CPU time may be: it is a weight among others, and clients of the CRI ask for both as they like.
  const { memoryRequestBytes = 0 } = resources;
  if (memoryLimitBytes !== undefined && memoryRequestBytes > memoryLimitBytes) {
    refuse(
      `memoryRequestBytes is ${memoryRequestBytes}, which is more than memoryLimitBytes, ${memoryLimitBytes}`,
    );
  }
  if (memorySwapLimitBytes !== undefined) {
    if (memoryLimitBytes === undefined) refuse('memorySwapLimitBytes needs memoryLimitBytes beside it');
    else if (memorySwapLimitBytes < memoryLimitBytes) {
      refuse(
        `memorySwapLimitBytes is memory and swap together, and at ${memorySwapLimitBytes} below ` +
          `memoryLimitBytes, ${memoryLimitBytes}`,
      );
    }
  }
  if (swapLimitBytes !== undefined) {
    if (memorySwapLimitBytes !== undefined)
      refuse('swapLimitBytes and memorySwapLimitBytes exclude each other');
    if (!Number.isSafeInteger(swapLimitBytes) || swapLimitBytes < 0) {
      refuse(`swapLimitBytes is ${swapLimitBytes} and has to be a whole number`);
    }
  }
  if (oomScoreAdj !== undefined && !(Number.isInteger(oomScoreAdj) && Math.abs(oomScoreAdj) <= 1000)) {
    refuse(`oomScoreAdj is ${oomScoreAdj} and has to be a whole number from -1000 to 1000`);
  }
  for (const name of ['cpusetCpus', 'cpusetMems'] as const) {
    const text = resources[name];
    if (text !== undefined && parseCpuset(text) === undefined) {
      refuse(`${name} is "${text}" and has to be a list such as 0-2,4`);
    }
  }
  for (const [size, bytes] of Object.entries(resources.hugepageLimits ?? {})) {
    if (Number.isSafeInteger(bytes) && bytes >= 0) continue;
    refuse(`hugepageLimits["${size}"] is ${bytes} and has to be a whole number`);
  }
}

/**
 * Numbers of a list as cpuset(7) has it, `0-2,4`, in order and once each.
 * @returns undefined when it is none, or is empty
 */
export function parseCpuset(text: string): readonly number[] | undefined {
  const numbers = new Set<number>();
  for (const part of text.split(',')) {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(part.trim()) ?? [];
    if (first === undefined || last === undefined) return undefined;
    const [from, to] = [Number(first), Number(last)];
    if (from > to || to > LARGEST_CPUSET_NUMBER) return undefined;
    for (let number = from; number <= to; number++) numbers.add(number);
  }
  return [...numbers].sort((a, b) => a - b);
}

/**
 * Limits after a change: what it leaves out stays, but for swap, whose limit may be told in another way than before.
 * @param lift of a pod as a whole: what it has no more
 */
export function mergeResources(
  before: ContainerResources,
  change: ContainerResources,
  lift: readonly PodAmount[] = [],
): ContainerResources {
  const given = Object.entries(change).filter(([, value]) => value !== undefined);
  const { swapLimitBytes, memorySwapLimitBytes, ...others } = before;
  const isSwapGiven = change.swapLimitBytes !== undefined || change.memorySwapLimitBytes !== undefined;
  const kept = Object.entries(isSwapGiven ? others : before).filter(
    ([key]) => !lift.some((lifted) => lifted === key),
  );
  return { ...Object.fromEntries(kept), ...Object.fromEntries(given) };
}

const GUARANTEED_OOM_SCORE_ADJ = -997;
const BEST_EFFORT_OOM_SCORE_ADJ = 1000;

/**
 * How soon the kernel kills a container of this pod when the node's memory is short: those that keep to what they asked
 * for last. Source: `GetContainerOOMScoreAdjust` in pkg/kubelet/qos/policy.go of Kubernetes.
 * @param memoryRequestBytes of the container
 * @param capacityBytes memory of the node
 */
export function oomScoreAdj(pod: Pod, memoryRequestBytes: number | undefined, capacityBytes: number): number {
  const quality = qosClass(pod);
  if (quality === 'Guaranteed') return GUARANTEED_OOM_SCORE_ADJ;
  if (quality === 'BestEffort') return BEST_EFFORT_OOM_SCORE_ADJ;
  const share = Math.floor((1000 * (memoryRequestBytes ?? 0)) / capacityBytes);
  const lowest = 1000 + GUARANTEED_OOM_SCORE_ADJ;
  return Math.min(BEST_EFFORT_OOM_SCORE_ADJ - 1, Math.max(lowest, 1000 - share));
}
