import { PodwrightError } from '../errors.js';

/** When images are removed to free disk space; fractions of the file system in percent. */
export interface ImageGcPolicy {
  /** At this usage or above, images are removed; 100 turns it off. The kubelet's default is 85. */
  readonly highPercent: number;
  /** Removed until the usage is down to this. The kubelet's default is 80. */
  readonly lowPercent: number;
  /** An image that was first seen less than this ago stays, in milliseconds. The kubelet's default is 2 minutes. */
  readonly minAgeMs: number;
}

/** @throws PodwrightError kind `invalid-argument` that names the field */
export function checkImageGcPolicy({ highPercent, lowPercent, minAgeMs }: ImageGcPolicy): void {
  const fail = (why: string): never => {
    throw new PodwrightError('invalid-argument', `Wrong policy for collecting images: ${why}.`);
  };
  if (!(highPercent >= 0 && highPercent <= 100)) fail(`highPercent is ${highPercent}, allowed is 0 to 100`);
  if (!(lowPercent >= 0 && lowPercent <= highPercent)) {
    fail(`lowPercent is ${lowPercent}, allowed is 0 to highPercent, which is ${highPercent}`);
  }
  if (!(minAgeMs >= 0)) fail(`minAgeMs is ${minAgeMs}, allowed is 0 or more`);
}

/** An image as garbage collection sees it. */
export interface GcImage {
  readonly id: string;
  readonly sizeBytes: number;
  /** No name is left of it. */
  readonly dangling: boolean;
  readonly pinned: boolean;
}

export interface ImageGcState {
  readonly nowMs: number;
  readonly images: readonly GcImage[];
  /** When each image was seen first, by id; unknown: now. */
  readonly firstDetected: ReadonlyMap<string, number>;
  /** When a container last had it, by id; unknown: never. */
  readonly lastUsed: ReadonlyMap<string, number>;
  /** Ids of images that a container has now. */
  readonly inUse: ReadonlySet<string>;
  readonly fsUsage: { readonly capacityBytes: number; readonly availableBytes: number };
}

export interface ImageGcDecision {
  readonly usagePercent: number;
  /** How much to free; 0: the usage is below the high threshold. */
  readonly bytesToFree: number;
  /**
   * Ids of the images that may go, the first to go first. Whoever acts goes through them until `bytesToFree` were
   * freed, because only then is known what a removal brought: layers may be shared.
   */
  readonly candidates: readonly string[];
}

/**
 * What image garbage collection removes, by the kubelet's rules: nothing below the high threshold; then down to the low
 * one, never an image that a container has, a pinned one or one that is younger than the minimum age, the least
 * recently used first, of those the first detected first. Images without a name go before all others.
 * Source: kubernetes pkg/kubelet/images/image_gc_manager.go.
 * @param policy as `checkImageGcPolicy` takes it
 */
export function computeImageGc(policy: ImageGcPolicy, state: ImageGcState): ImageGcDecision {
  const { capacityBytes } = state.fsUsage;
  const availableBytes = Math.min(capacityBytes, Math.max(0, state.fsUsage.availableBytes));
  const usagePercent = capacityBytes <= 0 ? 0 : 100 - Math.floor((availableBytes * 100) / capacityBytes);
  if (capacityBytes <= 0 || policy.highPercent >= 100 || usagePercent < policy.highPercent) {
    return { usagePercent, bytesToFree: 0, candidates: [] };
  }
  const wantedBytes = Math.ceil((capacityBytes * (100 - policy.lowPercent)) / 100);
  const bytesToFree = Math.max(0, wantedBytes - availableBytes);
  const detected = ({ id }: GcImage) => state.firstDetected.get(id) ?? state.nowMs;
  const used = ({ id }: GcImage) => state.lastUsed.get(id) ?? 0;
  const candidates = state.images
    .filter((image) => !image.pinned && !state.inUse.has(image.id))
    .filter((image) => state.nowMs - detected(image) >= policy.minAgeMs)
    .sort(
      (a, b) => Number(b.dangling) - Number(a.dangling) || used(a) - used(b) || detected(a) - detected(b),
    );
  return { usagePercent, bytesToFree, candidates: bytesToFree === 0 ? [] : candidates.map(({ id }) => id) };
}
