import {
  type CallOptions,
  type ContainerStatus,
  type PodSandboxStatus,
  PodwrightError,
  RuntimeService,
} from '@podwright/core';
import { inject, injectable } from 'inversify';

/** Finds what an id means that may be cut short: people give crictl the first letters of one. */
@injectable()
export class IdFinder {
  constructor(@inject(RuntimeService) private readonly runtime: RuntimeService) {}

  /** @throws PodwrightError kind `not-found`, `empty-id`, `invalid-argument` (several begin so) */
  async sandbox(id: string, options: CallOptions): Promise<PodSandboxStatus> {
    return await find('sandbox', id, {
      exact: () => this.runtime.podSandboxStatus(id, options),
      all: () => this.runtime.listPodSandboxes({}, options),
    });
  }

  /** @throws as `sandbox` */
  async container(id: string, options: CallOptions): Promise<ContainerStatus> {
    return await find('container', id, {
      exact: () => this.runtime.containerStatus(id, options),
      all: () => this.runtime.listContainers({}, options),
    });
  }

  /** The whole id of a sandbox; undefined when there is none, which is what stop and remove are after. */
  async sandboxIfThere(id: string, options: CallOptions): Promise<string | undefined> {
    return await ifThere(this.sandbox(id, options));
  }

  /** As `sandboxIfThere`. */
  async containerIfThere(id: string, options: CallOptions): Promise<string | undefined> {
    return await ifThere(this.container(id, options));
  }
}

interface Lookup<T> {
  exact(): Promise<T>;
  all(): Promise<readonly T[]>;
}

async function find<T extends { readonly id: string }>(
  what: string,
  id: string,
  { exact, all }: Lookup<T>,
): Promise<T> {
  if (id === '') throw new PodwrightError('empty-id', `The id of the ${what} is empty.`);
  try {
    return await exact();
  } catch (error) {
    if (!PodwrightError.is(error, 'not-found')) throw error;
    const [found, another] = (await all()).filter((candidate) => candidate.id.startsWith(id));
    if (found === undefined) throw error;
    if (another === undefined) return found;
    throw new PodwrightError(
      'invalid-argument',
      `The ids of several a ${what} begin with "${id}", such as ${found.id} and ${another.id}: give more of it.`,
      { details: { id } },
    );
  }
}

async function ifThere(lookup: Promise<{ readonly id: string }>): Promise<string | undefined> {
  try {
    return (await lookup).id;
  } catch (error) {
    if (PodwrightError.is(error, 'not-found')) return undefined;
    throw error;
  }
}
