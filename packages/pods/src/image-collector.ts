import {
  type CallOptions,
  Clock,
  checkImageGcPolicy,
  computeImageGc,
  type GcResult,
  type Image,
  type ImageGcDecision,
  type ImageGcPolicy,
  ImageService,
  Logger,
  messageOf,
  PodwrightError,
  RuntimeService,
  throwIfAborted,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { ImageUses } from './image-uses.js';
import { PodEventHub } from './pod-event-hub.js';

export interface ImageCollectOptions extends CallOptions {
  /** Say what would be removed, and remove nothing. */
  readonly dryRun?: boolean;
}

/** Removes images when the disk is too full; decides with `computeImageGc`. */
@injectable()
export class ImageCollector {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(ImageService) private readonly images: ImageService,
    @inject(ImageUses) private readonly uses: ImageUses,
    @inject(PodEventHub) private readonly events: PodEventHub,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /**
   * One failure does not stop the rest; that not enough could be freed is one of kind `no-space`.
   * @throws PodwrightError kind `invalid-argument` (the policy), `cancelled`
   */
  async collect(
    policy: ImageGcPolicy,
    options: ImageCollectOptions = {},
  ): Promise<Pick<GcResult, 'removed' | 'errors'>> {
    checkImageGcPolicy(policy);
    const removed: string[] = [];
    const errors: Error[] = [];
    try {
      const { images, decision } = await this.decide(policy, options);
      const freed = await this.removeAll(images, decision, options, removed, errors);
      if (errors.length > 0) this.failed(errors.map(({ message }) => message).join('; '), options);
      if (freed < decision.bytesToFree) errors.push(this.tooLittle(policy, decision, freed, options));
    } catch (error) {
      if (PodwrightError.is(error, 'cancelled') && options.signal?.aborted) throw error;
      this.failed(messageOf(error), options);
      errors.push(asError(error));
    }
    return { removed, errors };
  }

  /** Notes which images there are and which are in use, so that the least recently used ones are known later. */
  async detect(options: CallOptions = {}): Promise<void> {
    await this.look(options);
  }

  private async look(options: CallOptions) {
    const callOptions = options.signal ? { signal: options.signal } : {};
    const images = await this.images.listImages(callOptions);
    // After the images: what is made of one meanwhile is seen as its use.
    const containers = await this.service.listContainers({}, callOptions);
    const inUse = new Set(containers.map(({ imageId }) => imageId));
    const uses = await this.uses.detect(
      images.map(({ id }) => id),
      inUse,
    );
    return { images, inUse, uses };
  }

  private async decide(policy: ImageGcPolicy, options: CallOptions) {
    const { images, inUse, uses } = await this.look(options);
    const fsUsage = await this.images.imageFsInfo(options.signal ? { signal: options.signal } : {});
    const decision = computeImageGc(policy, {
      nowMs: this.clock.nowMs(),
      images: images.map(({ id, sizeBytes, repoTags, repoDigests, pinned = false }) => ({
        id,
        sizeBytes,
        pinned,
        dangling: repoTags.length === 0 && repoDigests.length === 0,
      })),
      firstDetected: new Map([...uses].map(([id, { firstDetectedMs }]) => [id, firstDetectedMs])),
      lastUsed: new Map(
        [...uses].flatMap(([id, { lastUsedMs }]) => (lastUsedMs === undefined ? [] : [[id, lastUsedMs]])),
      ),
      inUse,
      fsUsage,
    });
    return { images: new Map(images.map((image) => [image.id, image])), decision };
  }

  /** @returns bytes that were freed */
  private async removeAll(
    images: ReadonlyMap<string, Image>,
    { candidates, bytesToFree }: ImageGcDecision,
    options: ImageCollectOptions,
    removed: string[],
    errors: Error[],
  ): Promise<number> {
    let freed = 0;
    for (const id of candidates) {
      if (freed >= bytesToFree) break;
      throwIfAborted(options.signal);
      const image = images.get(id);
      if (!image) continue;
      try {
        freed += options.dryRun ? image.sizeBytes : await this.remove(image, options);
        removed.push(`image ${image.repoTags[0] ?? image.repoDigests[0] ?? id} (${image.sizeBytes} bytes)`);
      } catch (error) {
        if (PodwrightError.is(error, 'cancelled') && options.signal?.aborted) throw error;
        if (PodwrightError.is(error, 'in-use')) {
          // Of a container that this agent does not know of; no failure, and a use like any other.
          this.logger.info('an image is in use elsewhere and stays', { imageId: id, by: error.message });
          this.uses.used(id);
        } else errors.push(asError(error));
      }
    }
    return freed;
  }

  /** @returns bytes that came free: fewer than the image's size where others share its layers */
  private async remove(image: Image, { signal }: CallOptions): Promise<number> {
    const callOptions = signal ? { signal } : {};
    const before = await this.images.imageFsInfo(callOptions);
    await this.images.removeImage(image.id, callOptions);
    const after = await this.images.imageFsInfo(callOptions);
    const difference = before.usedBytes - after.usedBytes;
    // Some runtimes reckon the usage now and then only: better too little is removed than everything.
    return difference > 0 ? difference : image.sizeBytes;
  }

  private tooLittle(
    policy: ImageGcPolicy,
    { usagePercent, bytesToFree }: ImageGcDecision,
    freed: number,
    { dryRun }: ImageCollectOptions,
  ): PodwrightError {
    const message =
      `The image file system is ${usagePercent} % full. To get down to ${policy.lowPercent} %, ${bytesToFree} bytes had to be ` +
      `freed, but images of only ${freed} bytes are neither in use, nor pinned, nor too young. Make room otherwise.`;
    if (!dryRun) this.events.recordOfNode('FreeDiskSpaceFailed', message);
    return new PodwrightError('no-space', message, { details: { usagePercent, bytesToFree, freed } });
  }

  private failed(message: string, { dryRun }: ImageCollectOptions): void {
    if (!dryRun) this.events.recordOfNode('ImageGCFailed', `Collecting unused images failed: ${message}`);
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error), { cause: error });
}
