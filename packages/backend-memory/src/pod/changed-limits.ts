import {
  type ContainerResources,
  checkContainerResources,
  mergeResources,
  PodwrightError,
} from '@podwright/core';
import { simulatedMemoryBytes } from './simulated-stats.js';

/**
 * The limits of a container with those that change.
 * @param processes how many it has now
 * @throws PodwrightError kind `invalid-argument`; `failed-precondition` for limits below what it uses
 */
export function changedLimits(
  name: string,
  limits: ContainerResources,
  change: ContainerResources,
  processes: number,
): ContainerResources {
  const after = mergeResources(limits, change);
  checkContainerResources(after, `container "${name}"`);
  const { memoryLimitBytes = Number.POSITIVE_INFINITY, pidsLimit = Number.POSITIVE_INFINITY } = change;
  const memoryBytes = simulatedMemoryBytes(processes);
  if (memoryBytes > memoryLimitBytes || processes > pidsLimit) {
    throw new PodwrightError(
      'failed-precondition',
      `The limits of container "${name}" cannot become so low: it uses ${memoryBytes} bytes and ${processes} processes now. ` +
        'Choose higher ones, or restart it.',
    );
  }
  return after;
}
