import { createHash } from 'node:crypto';
import {
  type CallOptions,
  Clock,
  type Image,
  ImageService,
  normalizeImageReference,
  PodwrightError,
  type PullFailures,
  type PullOptions,
  type PullPolicy,
  pullBackoffMs,
  throwIfAborted,
  withPullFailure,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { concatMap, lastValueFrom, takeUntil, throwIfEmpty } from 'rxjs';
import { abortErrors } from './abort-errors.js';
import { ImagePullOptions } from './image-pull-options.js';
import { ImageUses } from './image-uses.js';
import { PullSlots } from './pull-slots.js';

export interface EnsureOptions extends PullOptions, CallOptions {
  /** Called before anything is asked of a registry. */
  readonly onPull?: () => void;
  /**
   * Whose failures count together, such as a pod's uid: after a failed pull the next one for the same owner, image and
   * credentials waits, longer each time. Absent: every call pulls.
   */
  readonly backOffOwner?: string;
}

export interface EnsuredImage {
  readonly image: Image;
  readonly pulled: boolean;
}

const MAX_REMEMBERED = 1000;

/** Sees to it that an image is there, by Kubernetes' pull policies, with the kubelet's back-off and queue. */
@injectable()
export class ImageEnsurer {
  private readonly slots: PullSlots;
  /** Oldest failure first. */
  private readonly failures = new Map<
    string,
    PullFailures & { readonly owner: string; readonly error: PodwrightError }
  >();

  constructor(
    @inject(ImageService) private readonly images: ImageService,
    @inject(ImageUses) private readonly uses: ImageUses,
    @inject(Clock) private readonly clock: Clock,
    @inject(ImagePullOptions) { maxParallelPulls = 1 }: ImagePullOptions,
  ) {
    this.slots = new PullSlots(maxParallelPulls);
  }

  /**
   * @throws PodwrightError as `ImageService.pullImage`; with `Never` kind `image-not-found`, and `corrupt-state` for a
   *   damaged image; `image-pull-back-off` with `details.retryAtMs` and the last failure as its cause
   */
  async ensure(reference: string, policy: PullPolicy, options: EnsureOptions = {}): Promise<EnsuredImage> {
    const { signal, onPull, backOffOwner, ...pullOptions } = options;
    if (policy !== 'Always') {
      const image = await this.present(reference, policy, signal);
      if (image) return { image, pulled: false };
      if (policy === 'Never') {
        throw new PodwrightError(
          'image-not-found',
          `The image ${reference} is not on this machine and its pull policy is Never: pull or load it first, or use IfNotPresent.`,
          { details: { reference, policy } },
        );
      }
    }
    throwIfAborted(signal);
    const key = backOffOwner === undefined ? undefined : backOffKey(backOffOwner, reference, pullOptions);
    this.checkBackOff(reference, key);
    return await this.slots.run(async () => {
      // The pull before may have brought it.
      const brought = policy === 'Always' ? undefined : await this.present(reference, policy, signal);
      if (brought) return { image: brought, pulled: false };
      onPull?.();
      try {
        const image = await this.pull(reference, pullOptions, signal);
        if (key !== undefined) this.failures.delete(key);
        this.uses.used(image.id);
        return { image, pulled: true };
      } catch (error) {
        if (key !== undefined && backOffOwner !== undefined) this.remember(key, backOffOwner, error);
        throw error;
      }
    }, signal);
  }

  /** Forgets the failures of an owner that is gone. */
  forget(backOffOwner: string): void {
    for (const [key, { owner }] of this.failures) if (owner === backOffOwner) this.failures.delete(key);
  }

  /** A damaged image counts as absent, as a pull mends it; not where none may be done, so that the damage is told. */
  private async present(
    reference: string,
    policy: PullPolicy,
    signal: AbortSignal | undefined,
  ): Promise<Image | undefined> {
    try {
      const image = await this.images.imageStatus(reference, signal ? { signal } : {});
      if (image) this.uses.used(image.id);
      return image;
    } catch (error) {
      if (policy === 'Never' || !PodwrightError.is(error, 'corrupt-state')) throw error;
      return undefined;
    }
  }

  private checkBackOff(reference: string, key: string | undefined): void {
    const last = key === undefined ? undefined : this.failures.get(key);
    const nowMs = this.clock.nowMs();
    const waitMs = pullBackoffMs(last, nowMs);
    if (last === undefined || waitMs === 0) return;
    throw new PodwrightError(
      'image-pull-back-off',
      `Back-off pulling image ${reference} for ${Math.ceil(waitMs / 1000)} s more, after ${last.failures} failed pulls; the last one: ${last.error.message}`,
      {
        cause: last.error,
        details: { reference, retryAtMs: nowMs + waitMs, failures: last.failures, lastKind: last.error.kind },
      },
    );
  }

  private remember(key: string, owner: string, error: unknown): void {
    if (!PodwrightError.is(error) || PodwrightError.is(error, 'cancelled')) return;
    const failures = withPullFailure(this.failures.get(key), this.clock.nowMs());
    this.failures.delete(key);
    this.failures.set(key, { ...failures, owner, error });
    const [oldest] = this.failures.keys();
    if (this.failures.size > MAX_REMEMBERED && oldest !== undefined) this.failures.delete(oldest);
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

/** New credentials are a new chance. */
function backOffKey(owner: string, reference: string, options: PullOptions): string {
  const { auth, authFile, credentials = [] } = options;
  const secrets = createHash('sha256')
    .update(JSON.stringify([auth?.username, auth?.password, authFile, credentials]))
    .digest('hex');
  return JSON.stringify([owner, normalizeImageReference(reference), secrets]);
}
