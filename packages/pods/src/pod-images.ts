import { messageOf, type Pod, PodwrightError, type PullPolicy } from '@podwright/core';
import { inject, injectable } from 'inversify';
import { allOrNone } from './all-or-none.js';
import { ImageEnsurer } from './image-ensurer.js';
import { PodEventHub } from './pod-event-hub.js';

interface PodImage {
  readonly reference: string;
  readonly policy: PullPolicy;
  readonly container: { readonly name: string; readonly kind: 'init' | 'app' };
}

/** Sees to it that all images of a pod are there, and tells of it. */
@injectable()
export class PodImages {
  constructor(
    @inject(ImageEnsurer) private readonly ensurer: ImageEnsurer,
    @inject(PodEventHub) private readonly events: PodEventHub,
  ) {}

  /** @throws PodwrightError as `ImageService.pullImage`, with the container's name */
  async ensureAll(pod: Pod, signal: AbortSignal): Promise<void> {
    await allOrNone(imagesOf(pod), signal, (image, either) => this.ensure(pod, image, either));
  }

  private async ensure(pod: Pod, image: PodImage, signal: AbortSignal): Promise<void> {
    const { reference, policy, container } = image;
    const tell = (reason: 'Pulling' | 'Pulled', message: string) =>
      this.events.record(pod.metadata, reason, message, { container });
    try {
      const { pulled } = await this.ensurer.ensure(reference, policy, {
        signal,
        onPull: () => tell('Pulling', `Pulling image ${reference}.`),
      });
      tell('Pulled', pulled ? `Image ${reference} was pulled.` : `Image ${reference} is present already.`);
    } catch (error) {
      if (PodwrightError.is(error, 'cancelled')) throw error;
      const words = `The image ${reference} for container ${container.name} could not be provided`;
      this.events.record(pod.metadata, 'Failed', `${words}: ${messageOf(error)}`, {
        container,
        warning: true,
      });
      if (!PodwrightError.is(error)) throw error;
      throw new PodwrightError(error.kind, `${words}: ${error.message}`, {
        cause: error,
        details: { ...error.details, reference, container: container.name },
      });
    }
  }
}

/** Each image once, with the most thorough policy that a container asks for. */
function imagesOf({ spec }: Pod): readonly PodImage[] {
  const images = new Map<string, PodImage>();
  const all = [
    ...spec.initContainers.map((container) => ({ container, kind: 'init' as const })),
    ...spec.containers.map((container) => ({ container, kind: 'app' as const })),
  ];
  for (const policy of ['Always', 'IfNotPresent', 'Never'] as const) {
    for (const { container, kind } of all) {
      if (container.imagePullPolicy !== policy || images.has(container.image)) continue;
      images.set(container.image, {
        reference: container.image,
        policy,
        container: { name: container.name, kind },
      });
    }
  }
  return [...images.values()];
}
