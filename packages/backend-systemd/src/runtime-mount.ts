import { statSync, writeFileSync } from 'node:fs';
import { Logger, messageOf } from '@podwright/core';
import { HostExecutor, Mounter } from '@podwright/nsenter';
import type { RuntimeFlavour } from '@podwright/oci';
import { inject, injectable } from 'inversify';
import { HostLayout } from './host-layout.js';
import { HostTools } from './host-tools.js';

/**
 * The variable that tells crun that whoever called it has already made its program unwritable for the container; it
 * believes that only of one on a read-only mount (crun, src/libcrun/cloned_binary.c).
 */
export const UNWRITABLE_VARIABLE = '_LIBCONTAINER_CLONED_BINARY';

/** Whether a runtime makes its own program unwritable at each call unless it is so already. */
export function takesUnwritable(flavour: RuntimeFlavour): boolean {
  return flavour === 'crun';
}

/**
 * crun on a read-only mount of its own. So that no container can write to the host's crun through /proc (CVE-2019-5736),
 * each crun mounts itself read-only, executes itself anew from there and unmounts it, which waits for an RCU grace period
 * and is told to every mount namespace that is a peer. Units run it from here instead, where that is done once. Without
 * this they run it from where it is, and are slower. docs/decisions/0025-runtime-mounted-once.md
 */
@injectable()
export class RuntimeMount {
  private isRefused = false;

  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(Mounter) private readonly mounter: Mounter,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(HostTools) private readonly tools: HostTools,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** Makes sure that the runtime of now is there, in the directory that holds it. Does not fail. */
  async ensure(): Promise<void> {
    const { runtime } = await this.tools.find();
    const path = this.layout.mountedRuntime;
    // From inside a container the host's private mounts are not seen, so that an outdated one would not be either.
    const canLook = this.host.hostPath(path) === path;
    if (this.isRefused || !canLook || !takesUnwritable(runtime.flavour) || isSameFile(path, runtime.path))
      return;
    try {
      // Of a version before, which may be running just now.
      await this.mounter.unmountIfMounted(path, { lazy: true });
      writeFileSync(path, '', { mode: 0o600 });
      await this.mounter.mount(runtime.path, path, undefined, ['bind', 'ro', 'private']);
    } catch (error) {
      this.isRefused = true;
      this.logger.debug('starts are slower: the OCI runtime cannot be mounted read-only', {
        reason: messageOf(error),
      });
    }
  }

  /** Takes it away; idempotent. */
  async release(): Promise<void> {
    await this.mounter.unmountIfMounted(this.layout.mountedRuntime, { lazy: true });
  }
}

function isSameFile(path: string, other: string): boolean {
  const [found, wanted] = [path, other].map((each) => statSync(each, { throwIfNoEntry: false }));
  return found !== undefined && found.ino === wanted?.ino && found.dev === wanted.dev;
}
