import { type CallOptions, PodwrightError, type RuntimeStatus, type RuntimeVersion } from '@podwright/core';
import type { cri } from '@podwright/cri-api';
import { inject, injectable } from 'inversify';
import { parse } from './container-info.js';
import { CriConnection } from './cri-connection.js';

const API_VERSION = 'v1';

/** What the runtime is and what it can do. */
@injectable()
export class RuntimeFacts {
  private handlers: readonly cri.RuntimeHandler[] = [];
  private groupsPolicy = false;
  private firstImage: string | undefined;
  private runtimeName = '';

  constructor(@inject(CriConnection) private readonly connection: CriConnection) {}

  /** @throws PodwrightError kind `missing-requirement` for a runtime of another API, `unavailable` */
  async load(): Promise<void> {
    const { runtimeApiVersion, runtimeName, runtimeVersion } = await this.askVersion({});
    if (runtimeApiVersion !== API_VERSION) {
      throw new PodwrightError(
        'missing-requirement',
        `${runtimeName} ${runtimeVersion} speaks version ${runtimeApiVersion} of the CRI, and ${API_VERSION} is needed ` +
          '(containerd 1.6, CRI-O 1.23, or newer).',
        { details: { runtimeApiVersion } },
      );
    }
    this.runtimeName = runtimeName;
    const { runtimeHandlers, features, info } = await this.askStatus({}, true);
    this.handlers = runtimeHandlers;
    this.groupsPolicy = features?.supplementalGroupsPolicy ?? false;
    const sandboxImage: unknown = parse(info['config'])?.['sandboxImage'];
    this.firstImage = typeof sandboxImage === 'string' ? sandboxImage : undefined;
  }

  /** As the runtime calls itself: `containerd`, `cri-o`. */
  get name(): string {
    return this.runtimeName;
  }

  get handlerNames(): readonly string[] {
    return this.handlers.map(({ name }) => name).filter((name) => name !== '');
  }

  get userNamespaces(): boolean {
    return this.handlers.some(({ features }) => features?.userNamespaces);
  }

  get recursiveReadOnly(): boolean {
    return this.handlers.some(({ features }) => features?.recursiveReadOnlyMounts);
  }

  /** The image of sandboxes' first processes, where the runtime tells; older ones do not say that it is pinned. */
  get sandboxImage(): string | undefined {
    return this.firstImage;
  }

  get supplementalGroupsPolicy(): boolean {
    return this.groupsPolicy;
  }

  async version(options: CallOptions): Promise<RuntimeVersion> {
    const { runtimeName, runtimeVersion, runtimeApiVersion } = await this.askVersion(options);
    return {
      runtimeName,
      runtimeVersion: threeNumbers(runtimeVersion),
      components: { cri: runtimeApiVersion.replace(/^v/, '') },
    };
  }

  async status(options: CallOptions): Promise<RuntimeStatus> {
    const { status } = await this.askStatus(options);
    const conditions = (status?.conditions ?? []).map(({ type, status: holds, reason, message }) => ({
      ...{ type, status: holds, message },
      // Some runtimes give a reason for what holds too.
      reason: holds ? '' : reason,
    }));
    return { conditions };
  }

  private askVersion(options: CallOptions) {
    return this.connection.call(
      'The version of the runtime cannot be asked',
      ({ runtime }, call) => runtime.version({ version: API_VERSION }, call),
      options,
    );
  }

  private askStatus(options: CallOptions, verbose = false) {
    return this.connection.call(
      'The status of the runtime cannot be asked',
      ({ runtime }, call) => runtime.status({ verbose }, call),
      options,
    );
  }
}

/** `1.6.20~ds1`, `v2.0.0-rc.1+unknown`: the numbers at its beginning. */
function threeNumbers(version: string): string {
  return /\d+(\.\d+){0,2}/.exec(version)?.[0] ?? '0';
}
