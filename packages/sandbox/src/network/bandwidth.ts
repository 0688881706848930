import {
  EGRESS_BANDWIDTH_ANNOTATION,
  INGRESS_BANDWIDTH_ANNOTATION,
  PodwrightError,
  quantityBytes,
  type StringMap,
} from '@podwright/core';

/** What CNI's bandwidth plugin reads from `runtimeConfig.bandwidth`: bits per second, and bits. */
export interface Bandwidth {
  readonly ingressRate?: number;
  readonly ingressBurst?: number;
  readonly egressRate?: number;
  readonly egressBurst?: number;
}

/** Limits of Kubernetes, which refuses what is outside as not reasonable: 1k to 1P. */
const LOWEST = 1_000;
const HIGHEST = 1_000_000_000_000_000;

/** What may pass at once before the rate holds; as containerd has it. */
const BURST_BITS = 4_294_967_295;

/**
 * Reads how fast a pod may receive (ingress) and send (egress), in bits per second, from its annotations.
 * @returns undefined when it has none
 * @throws PodwrightError kind `invalid-argument` that names the annotation
 */
export function podBandwidth(annotations: StringMap): Bandwidth | undefined {
  const ingress = rate(annotations, INGRESS_BANDWIDTH_ANNOTATION);
  const egress = rate(annotations, EGRESS_BANDWIDTH_ANNOTATION);
  if (ingress === undefined && egress === undefined) return undefined;
  return {
    ...(ingress === undefined ? {} : { ingressRate: ingress, ingressBurst: BURST_BITS }),
    ...(egress === undefined ? {} : { egressRate: egress, egressBurst: BURST_BITS }),
  };
}

function rate(annotations: StringMap, name: string): number | undefined {
  const text = annotations[name];
  if (text === undefined) return undefined;
  let bits = Number.NaN;
  let cause: unknown;
  try {
    bits = quantityBytes(text);
  } catch (error) {
    cause = error;
  }
  if (bits >= LOWEST && bits <= HIGHEST) return bits;
  throw new PodwrightError(
    'invalid-argument',
    `The annotation ${name}: "${text}" is no bandwidth: it has to be a quantity of bits per second from 1k to 1P, such as 10M.`,
    { cause, details: { annotation: name, value: text } },
  );
}
