import type { ServiceIdentifier } from 'inversify';
import type { CallOptions } from './call-options.js';
import type { PodSandboxStatus } from './sandbox-types.js';

/** Makes the sandboxes of pods that come back after a reboot anew. Bound by backends with `features.persist`. */
export interface SandboxRestorer {
  /**
   * Whether a persisted pod was to come back in this boot of the host and has not yet: its restore failed, was broken
   * off, or is under way. Told by what there is, not by who is at work.
   */
  isOpen(podUid: string): Promise<boolean>;
  /**
   * Makes the sandbox of a persisted pod anew: the same id, names and labels, and its addresses where the network gives
   * them again.
   * @returns undefined when the pod has none that is to come back, or all of it is back
   * @throws PodwrightError as `RuntimeService.runPodSandbox`; it can be tried again
   */
  restore(podUid: string, options?: CallOptions): Promise<PodSandboxStatus | undefined>;
  /**
   * Lets the pod's app containers start, those that their restart policy starts again. To be called when volumes are
   * there and the init containers have ended; the backend starts them after this, at boot when the command of the restore
   * has ended.
   */
  release(sandboxId: string, options?: CallOptions): Promise<void>;
}

export const SandboxRestorer: ServiceIdentifier<SandboxRestorer> = Symbol.for(
  'podwright.core.SandboxRestorer',
);
