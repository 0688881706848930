import { PodwrightError } from '@podwright/core';
import type { MemoryHost } from './memory-host.js';
import type { SimulatedContainer } from './pod/simulated-container.js';
import type { SimulatedSandbox } from './pod/simulated-sandbox.js';

/** @throws PodwrightError kind `not-found` */
export function sandboxOn(host: MemoryHost, id: string): SimulatedSandbox {
  const sandbox = host.sandboxes.get(id);
  if (!sandbox) throw new PodwrightError('not-found', `There is no sandbox ${id}.`, { details: { id } });
  return sandbox;
}

/** @throws PodwrightError kind `not-found` */
export function containerOn(host: MemoryHost, id: string): SimulatedContainer {
  const container = host.containers.get(id);
  if (!container) throw new PodwrightError('not-found', `There is no container ${id}.`, { details: { id } });
  return container;
}

export function containersIn(host: MemoryHost, sandboxId: string): readonly SimulatedContainer[] {
  return [...host.containers.values()].filter(({ sandbox }) => sandbox.id === sandboxId);
}
