import {
  type Clock,
  type ContainerRuntime,
  type GcPolicy,
  type ImageGcPolicy,
  type Logger,
  messageOf,
  type PodSummary,
} from '@podwright/core';
import { STATIC_FILE_ANNOTATION } from './static-manifests.js';

export interface NodeCollectorOptions {
  /** Between two collections, and before the first one, in milliseconds. */
  readonly intervalMs: number;
  readonly images: ImageGcPolicy;
}

/** As the kubelet's: of each container of a pod the last one that has ended stays. */
const POLICY: GcPolicy = { minAgeMs: 0, maxPerPodContainer: 1, maxContainers: -1 };

/**
 * Collects what has ended, what nobody owns, and images that nobody uses, again and again. Not at once: after a reboot
 * the pods of the node use their images only when they have been made.
 */
export class NodeCollector {
  /** Failures of the collection before: each is told when it is new. */
  private told: ReadonlySet<string> = new Set();

  /** @param runtime started, with access `exclusive` */
  constructor(
    private readonly runtime: ContainerRuntime,
    private readonly options: NodeCollectorOptions,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** Resolves when the signal fires; failures are logged. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.clock.sleep(this.options.intervalMs, signal).catch(() => undefined);
      if (!signal.aborted) this.tell(await this.collect(signal));
    }
  }

  /** @returns what failed, in words */
  private async collect(signal: AbortSignal): Promise<readonly string[]> {
    try {
      const wanted = podsOfFiles(await this.runtime.getPods({ all: true }, { signal }));
      const { images } = this.options;
      const { removed, errors } = await this.runtime.garbageCollect(POLICY, { wanted, images, signal });
      for (const what of removed) this.logger.info(`Removed ${what}`);
      return errors.map(messageOf);
    } catch (error) {
      return signal.aborted ? [] : [messageOf(error)];
    }
  }

  private tell(failures: readonly string[]): void {
    for (const failure of failures) {
      if (!this.told.has(failure)) this.logger.warn(`Garbage collection: ${failure}`);
    }
    this.told = new Set(failures);
  }
}

/** Pods that end with their file only: one that was collected before would be run again. */
export function podsOfFiles(pods: readonly Pick<PodSummary, 'uid' | 'annotations'>[]): ReadonlySet<string> {
  return new Set(
    pods.flatMap(({ uid, annotations }) => (annotations[STATIC_FILE_ANNOTATION] === undefined ? [] : [uid])),
  );
}
