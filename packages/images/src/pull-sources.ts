import { access } from 'node:fs/promises';
import {
  credentialsFor,
  messageOf,
  PodwrightError,
  type PullOptions,
  parseImageReference,
  type RegistryAuth,
} from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { ImagesOptions } from './images-options.js';
import { authSecrets } from './registry-auth.js';
import type { SkopeoSource } from './skopeo.js';
import type { WorkDir } from './work-dirs.js';

/** A way to reach an image, with one choice of credentials. */
export interface PullSource extends SkopeoSource {
  readonly registry: string;
  /** Whose credentials, in words without secrets: `user "ci" of a pull secret`. */
  readonly credentials: string;
}

/** Says by which credentials an image is to be asked for, and in which order. */
@injectable()
export class PullSources {
  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(ImagesOptions) private readonly options: ImagesOptions,
  ) {}

  /**
   * Credentials given for this pull are the only ones. Those of pull secrets come first and what the host has last:
   * its auth files and credential helpers, which skopeo itself reads (containers-auth.json(5)).
   * @throws PodwrightError kind `invalid-argument`: `auth` with `authFile`, a missing auth file, a broken pull secret
   */
  async of(name: string, options: PullOptions, work: WorkDir): Promise<readonly PullSource[]> {
    const { registry } = parseImageReference(name);
    const plain = { name: `docker://${name}`, registry };
    const withAuth = async (auth: RegistryAuth, credentials: string): Promise<PullSource> => ({
      ...plain,
      credentials,
      authFile: await work.writeAuthFile(registry, auth),
      secrets: authSecrets(auth),
    });
    const { auth, authFile = this.options.authFile, credentials = [] } = options;
    if (auth !== undefined) {
      if (options.authFile !== undefined) {
        throw new PodwrightError(
          'invalid-argument',
          'auth and authFile exclude each other: give one of them.',
        );
      }
      return [await withAuth(auth, `user "${auth.username}"`)];
    }
    if (authFile !== undefined) await this.#check(authFile);
    const ofSecrets: PullSource[] = [];
    for (const found of credentialsFor(name, credentials)) {
      ofSecrets.push(await withAuth(found, `user "${found.username}" of a pull secret`));
    }
    const ofHost: PullSource =
      authFile === undefined
        ? { ...plain, credentials: "the host's own auth files" }
        : { ...plain, credentials: `the auth file ${authFile}`, authFile };
    return [...ofSecrets, ofHost];
  }

  /** Skopeo takes a missing file for one without credentials. */
  async #check(authFile: string): Promise<void> {
    await access(this.executor.hostPath(authFile)).catch((cause: unknown) => {
      throw new PodwrightError('invalid-argument', `The auth file cannot be read: ${messageOf(cause)}.`, {
        cause,
      });
    });
  }
}

/** Registries say of what a user may not see either that it is forbidden or that it is not there. */
export function isRefusal(error: unknown): error is PodwrightError {
  return PodwrightError.is(error, 'unauthorized') || PodwrightError.is(error, 'image-not-found');
}

/** The error when nobody's credentials would do: that of a refusal before that of a missing image. */
export function refusedByAll(refusals: readonly PodwrightError[], sources: readonly PullSource[]): unknown {
  const first = refusals.find(({ kind }) => kind === 'unauthorized') ?? refusals[0];
  if (first === undefined || sources.length < 2) return first;
  const tried = sources.map(({ credentials }) => credentials);
  return new PodwrightError(
    first.kind,
    `${first.message} Tried one after the other: ${tried.join(', then ')}.`,
    { cause: first, details: { ...first.details, tried } },
  );
}
