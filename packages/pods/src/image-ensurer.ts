import {
  type CallOptions,
  type Image,
  ImageService,
  PodwrightError,
  type PullOptions,
  type PullPolicy,
  throwIfAborted,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { concatMap, lastValueFrom, takeUntil, throwIfEmpty } from 'rxjs';
import { abortErrors } from './abort-errors.js';

export interface EnsureOptions extends PullOptions, CallOptions {
  /** Called before anything is asked of a registry. */
  readonly onPull?: () => void;
}

export interface EnsuredImage {
  readonly image: Image;
  readonly pulled: boolean;
}

/** Sees to it that an image is there, by Kubernetes' pull policies. */
@injectable()
export class ImageEnsurer {
  constructor(@inject(ImageService) private readonly images: ImageService) {}

  /** @throws PodwrightError as `ImageService.pullImage`; kind `image-not-found` with `Never` */
  async ensure(reference: string, policy: PullPolicy, options: EnsureOptions = {}): Promise<EnsuredImage> {
    const { signal, onPull, ...pullOptions } = options;
    const callOptions = signal ? { signal } : {};
    if (policy !== 'Always') {
      const image = await this.images.imageStatus(reference, callOptions);
      if (image) return { image, pulled: false };
      if (policy === 'Never') {
        throw new PodwrightError(
          'image-not-found',
          `The image ${reference} is not on this machine and its pull policy is Never: pull or load it first, or use IfNotPresent.`,
          { details: { reference } },
        );
      }
    }
    throwIfAborted(signal);
    onPull?.();
    return { image: await this.pull(reference, pullOptions, signal), pulled: true };
  }

  private pull(reference: string, options: PullOptions, signal: AbortSignal | undefined): Promise<Image> {
    const images = this.images.pullImage(reference, options).pipe(
      takeUntil(abortErrors(signal)),
      concatMap((event) => (event.type === 'done' ? [event.image] : [])),
      throwIfEmpty(() => {
        const message = `The pull of ${reference} ended without an image.`;
        return new PodwrightError('internal', message, { details: { reference } });
      }),
    );
    return lastValueFrom(images);
  }
}
