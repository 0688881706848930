import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { type ContainerSecurity, messageOf, PodwrightError } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable, type ServiceIdentifier } from 'inversify';
import type { OciHostFacts } from './build-oci-spec.js';
import { resolveCapabilities } from './capabilities.js';
import { OciOptions } from './oci-options.js';
import type { OciSeccomp } from './runtime-spec.js';
import { resolveSeccomp } from './seccomp.js';

/** Finds the seccomp profile of a container. */
export interface SeccompProfiles {
  /**
   * The filter with its conditions resolved; undefined: unconfined. Without a word in the configuration it is the
   * host's default profile, as with podman; a privileged container is unconfined.
   * @throws PodwrightError kind `missing-requirement` (the host has no default profile), `not-found` (no such file),
   *   `invalid-argument` (a path with a type that has none, a file that is no profile)
   */
  load(security: ContainerSecurity, host: OciHostFacts): Promise<OciSeccomp | undefined>;
}

export const SeccompProfiles: ServiceIdentifier<SeccompProfiles> = Symbol.for(
  'podwright.oci.SeccompProfiles',
);

/** Resolved profiles that are kept: a host has few, and pods differ in capabilities in a few ways. */
const KEPT = 32;

/** A file that was changed this short ago may be changed once more without a trace in its times. */
const SETTLED_AFTER_MS = 2000;

/**
 * Reads profiles from the host's files. An operator may change them: what was made of one is kept for as long as it is the
 * same file with the same times.
 */
@injectable()
export class HostSeccompProfiles implements SeccompProfiles {
  private readonly kept = new Map<string, { readonly stamp: string; readonly seccomp: OciSeccomp }>();

  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(OciOptions) private readonly options: OciOptions,
  ) {}

  async load(security: ContainerSecurity, host: OciHostFacts): Promise<OciSeccomp | undefined> {
    const { type, localhostPath } = security.seccomp ?? { type: 'RuntimeDefault' as const };
    if ((type === 'Localhost') !== (localhostPath !== undefined)) {
      throw new PodwrightError(
        'invalid-argument',
        type === 'Localhost'
          ? 'A seccomp profile of the type Localhost needs a path on the host.'
          : `A seccomp profile of the type ${type} has no path: only Localhost has one.`,
      );
    }
    if (security.privileged === true || type === 'Unconfined') return undefined;
    const path = localhostPath === undefined ? this.options.seccompProfile : this.localPath(localhostPath);
    const capabilities = resolveCapabilities(security, host.capabilities);
    const { arch, kernelVersion } = host;
    const key = JSON.stringify([path, capabilities, arch, kernelVersion]);
    // Before it is read, so that a change meanwhile is seen the next time.
    const stamp = stampOf(this.executor.hostPath(path));
    const known = this.kept.get(key);
    if (known !== undefined && known.stamp === stamp) return known.seccomp;
    const profile = await this.read(path, type === 'Localhost');
    const seccomp = resolveSeccomp(profile, { capabilities, arch, kernelVersion }, path);
    this.kept.delete(key);
    if (stamp !== undefined) this.kept.set(key, { stamp, seccomp });
    const [oldest] = this.kept.keys();
    if (this.kept.size > KEPT && oldest !== undefined) this.kept.delete(oldest);
    return seccomp;
  }

  /** A kubelet names profiles by absolute paths, a manifest by paths below the directory of profiles. */
  private localPath(path: string): string {
    if (isAbsolute(path)) return path;
    const root = this.options.seccompProfileRoot;
    if (path !== '' && !path.split('/').includes('..')) return join(root, path);
    throw new PodwrightError(
      'invalid-argument',
      `The seccomp profile "${path}" has to be a path below ${root} without "..".`,
      { details: { path } },
    );
  }

  private async read(path: string, named: boolean): Promise<unknown> {
    let text: string;
    try {
      text = await readFile(this.executor.hostPath(path), 'utf8');
    } catch (error) {
      throw new PodwrightError(
        named ? 'not-found' : 'missing-requirement',
        named
          ? `The seccomp profile ${path} cannot be read on the host: ${messageOf(error)}. Profiles that a pod names lie ` +
              `below ${this.options.seccompProfileRoot}.`
          : `The host's default seccomp profile ${path} cannot be read: install golang-github-containers-common ` +
              '(Debian, Ubuntu) or containers-common, or configure the path of another one.',
        { cause: error, details: { path } },
      );
    }
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new PodwrightError(
        'invalid-argument',
        `The seccomp profile ${path} is no JSON: ${messageOf(error)}.`,
        {
          cause: error,
          details: { path },
        },
      );
    }
  }
}

/** Tells one content of a file from every other; undefined: nothing can be told. */
function stampOf(path: string): string | undefined {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs, ctimeMs } = statSync(path, { bigint: true });
    const isSettled = Date.now() - Number(ctimeMs) > SETTLED_AFTER_MS;
    return isSettled ? [dev, ino, size, mtimeNs, ctimeNs].join(' ') : undefined;
  } catch {
    // Whoever reads it says why.
    return undefined;
  }
}
