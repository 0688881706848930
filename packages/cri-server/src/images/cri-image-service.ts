import type { MessageInitShape } from '@bufbuild/protobuf';
import { Clock, type Image, ImageService, PodwrightError, type RegistryAuth } from '@podwright/core';
import type { cri, RpcContext, RpcHandlers } from '@podwright/cri-api';
import { inject, injectable } from 'inversify';
import { lastValueFrom, Observable, takeUntil } from 'rxjs';
import { inBatches } from '../mapping/in-batches.js';
import { toNanoseconds } from '../mapping/nanoseconds.js';
import { pullAuth } from './pull-auth.js';
import { toCriImage, toCriImageFsInfo, toImageInfo } from './to-cri-image.js';

const BARE_ID = /^[0-9a-f]{64}$/;

/**
 * The CRI's ImageService over a backend's. An image is known by its id: that is what a pull answers, what containers
 * tell as their `image_id`, and what a kubelet removes images by.
 */
@injectable()
export class CriImageService implements RpcHandlers<typeof cri.ImageService> {
  constructor(
    @inject(ImageService) private readonly images: ImageService,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  /** All images, each once; with a filter the one of that name, digest or id. */
  async listImages({ filter }: cri.ListImagesRequest, { signal }: RpcContext) {
    return { images: await this.#list(filter, signal) };
  }

  async *streamImages({ filter }: cri.StreamImagesRequest, { signal }: RpcContext) {
    for (const images of inBatches(await this.#list(filter, signal))) yield { images };
  }

  /** An image that is not there is answered without one, and without an error. */
  async imageStatus(
    { image: spec, verbose }: cri.ImageStatusRequest,
    { signal }: RpcContext,
  ): Promise<MessageInitShape<typeof cri.ImageStatusResponseSchema>> {
    const image = await this.#find(referenceOf(spec), signal);
    if (image === undefined) return {};
    if (!verbose) return { image: toCriImage(image) };
    const config = await this.images.imageConfig?.(image.id, { signal });
    return { image: toCriImage(image), info: toImageInfo(image, config) };
  }

  async pullImage({ image: spec, auth }: cri.PullImageRequest, { signal }: RpcContext) {
    const reference = referenceOf(spec);
    return { imageRef: (await this.#pull(reference, pullAuth(auth, reference), signal)).id };
  }

  /** With all its names, whichever of them was given. Of one that is gone: nothing. */
  async removeImage({ image: spec }: cri.RemoveImageRequest, { signal }: RpcContext) {
    const reference = referenceOf(spec);
    const image = await this.#find(reference, signal);
    await this.images.removeImage(image?.id ?? reference, { signal });
    return {};
  }

  async imageFsInfo(_request: cri.ImageFsInfoRequest, { signal }: RpcContext) {
    const usage = await this.images.imageFsInfo({ signal });
    return toCriImageFsInfo(usage, toNanoseconds(this.clock.nowMs()));
  }

  async #list(filter: cri.ImageFilter | undefined, signal: AbortSignal) {
    if (!filter?.image?.image) return (await this.images.listImages({ signal })).map(toCriImage);
    const image = await this.#find(referenceOf(filter.image), signal);
    return image === undefined ? [] : [toCriImage(image)];
  }

  /** A damaged image is told as one that is not there: a kubelet then pulls it again, which repairs it. */
  async #find(reference: string, signal: AbortSignal): Promise<Image | undefined> {
    try {
      return await this.images.imageStatus(reference, { signal });
    } catch (error) {
      if (PodwrightError.is(error, 'corrupt-state')) return undefined;
      throw error;
    }
  }

  async #pull(reference: string, auth: RegistryAuth | undefined, signal: AbortSignal): Promise<Image> {
    const events = this.images.pullImage(reference, auth === undefined ? {} : { auth });
    const last = await lastValueFrom(events.pipe(takeUntil(failsOnAbort(signal, reference))));
    if (last.type === 'done') return last.image;
    throw new PodwrightError('internal', `The pull of ${reference} ended without an image.`);
  }
}

/** An id may be given without its algorithm, as crictl shows it. */
function referenceOf(spec: cri.ImageSpec | undefined): string {
  const name = spec?.image ?? '';
  if (name === '')
    throw new PodwrightError('invalid-argument', 'image.image is empty: name an image, or give its id.');
  return BARE_ID.test(name) ? `sha256:${name}` : name;
}

function failsOnAbort(signal: AbortSignal, reference: string): Observable<never> {
  return new Observable((subscriber) => {
    const fail = () =>
      subscriber.error(
        new PodwrightError('cancelled', `The pull of ${reference} was cancelled by its caller.`),
      );
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
    return () => signal.removeEventListener('abort', fail);
  });
}
