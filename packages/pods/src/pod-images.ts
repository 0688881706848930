import {
  type ConfigObject,
  type Container,
  messageOf,
  type Pod,
  type PodEventReason,
  PodwrightError,
  type PullPolicy,
  type PullSecret,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { allOrNone } from './all-or-none.js';
import { ImageEnsurer } from './image-ensurer.js';
import { imageWaitingReason } from './image-waiting-reason.js';
import { PodEventHub } from './pod-event-hub.js';
import { podPullSecrets } from './pod-pull-secrets.js';

interface PodImage {
  readonly reference: string;
  readonly policy: PullPolicy;
  /** Who needs it, in words. */
  readonly user: string;
  /** Absent for the image of a volume. */
  readonly container?: { readonly name: string; readonly kind: 'init' | 'app' };
}

/** Sees to it that all images of a pod are there, and tells of it. */
@injectable()
export class PodImages {
  constructor(
    @inject(ImageEnsurer) private readonly ensurer: ImageEnsurer,
    @inject(PodEventHub) private readonly events: PodEventHub,
  ) {}

  /**
   * @param objects what the pod was given; its pull secrets are looked for among them
   * @throws PodwrightError as `ImageEnsurer.ensure`, with the container's name and `details.reason` in the kubelet's words
   */
  async ensureAll(pod: Pod, signal: AbortSignal, objects: readonly ConfigObject[] = []): Promise<void> {
    const { secrets, missing } = podPullSecrets(pod, objects);
    if (missing.length > 0) {
      const message = `Pulls go without the pull secrets ${missing.join(', ')}, which the pod names but was not given.`;
      this.events.record(pod.metadata, 'FailedToRetrieveImagePullSecret', message, { warning: true });
    }
    await allOrNone(imagesOf(pod), signal, (image, either) => this.ensure(pod, image, secrets, either));
  }

  /** Forgets the failures of a pod that is gone. */
  forget(podUid: string): void {
    this.ensurer.forget(podUid);
  }

  private async ensure(
    pod: Pod,
    { reference, policy, user, container }: PodImage,
    credentials: readonly PullSecret[],
    signal: AbortSignal,
  ): Promise<void> {
    const tell = (reason: PodEventReason, message: string, warning = false) =>
      this.events.record(pod.metadata, reason, message, { ...(container ? { container } : {}), warning });
    try {
      const { pulled } = await this.ensurer.ensure(reference, policy, {
        signal,
        ...(credentials.length > 0 ? { credentials } : {}),
        backOffOwner: pod.metadata.uid,
        onPull: () => tell('Pulling', `Pulling image ${reference}.`),
      });
      tell('Pulled', pulled ? `Image ${reference} was pulled.` : `Image ${reference} is present already.`);
    } catch (error) {
      if (PodwrightError.is(error, 'cancelled')) throw error;
      const words = `The image ${reference} for ${user} could not be provided`;
      if (PodwrightError.is(error, 'image-pull-back-off')) tell('BackOff', error.message);
      else tell('Failed', `${words}: ${messageOf(error)}`, true);
      if (!PodwrightError.is(error)) throw error;
      throw new PodwrightError(error.kind, `${words}: ${error.message}`, {
        cause: error,
        details: {
          ...error.details,
          reference,
          ...(container ? { container: container.name } : {}),
          reason: imageWaitingReason(error),
        },
      });
    }
  }
}

/** Each image once, with the most thorough policy that a container or a volume asks for. */
function imagesOf({ spec }: Pod): readonly PodImage[] {
  const ofContainer = (container: Container, kind: 'init' | 'app'): PodImage => ({
    reference: container.image,
    policy: container.imagePullPolicy,
    user: `container ${container.name}`,
    container: { name: container.name, kind },
  });
  const all: readonly PodImage[] = [
    ...spec.initContainers.map((container) => ofContainer(container, 'init')),
    ...spec.containers.map((container) => ofContainer(container, 'app')),
    ...spec.volumes.flatMap(({ name, image }) =>
      image ? [{ reference: image.reference, policy: image.pullPolicy, user: `volume ${name}` }] : [],
    ),
  ];
  const images = new Map<string, PodImage>();
  for (const policy of ['Always', 'IfNotPresent', 'Never'] as const) {
    for (const image of all) {
      if (image.policy === policy && !images.has(image.reference)) images.set(image.reference, image);
    }
  }
  return [...images.values()];
}
