import { PodwrightError } from '@podwright/core';

/** A blob or a manifest as a manifest names it. */
export interface Descriptor {
  readonly digest: string;
  readonly size?: number;
  readonly mediaType?: string;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** An image's manifest, or a list of them for several platforms (image-spec manifest.md, image-index.md). */
export type Manifest =
  | { readonly type: 'image'; readonly config: Descriptor; readonly layers: readonly Descriptor[] }
  | { readonly type: 'index'; readonly manifests: readonly Descriptor[] };

/**
 * Reads a manifest of the OCI or of docker's schema 2. Undefined for any other, such as docker's schema 1: skopeo
 * still takes it, only the progress cannot tell its layers.
 */
export function parseManifest(text: string): Manifest | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(parsed)) return undefined;
  const [config, layers, manifests] = [parsed['config'], parsed['layers'], parsed['manifests']];
  if (Array.isArray(manifests) && manifests.every(isDescriptor)) return { type: 'index', manifests };
  if (isDescriptor(config) && Array.isArray(layers) && layers.every(isDescriptor)) {
    return { type: 'image', config, layers };
  }
  return undefined;
}

/** The manifest of a list that a host takes: as skopeo chooses, the exact variant before one without. */
export function chooseManifest(manifests: readonly Descriptor[], host: Platform): Descriptor | undefined {
  const fitting = manifests.filter(
    ({ platform }) => platform?.os === host.os && platform.architecture === host.architecture,
  );
  return (
    fitting.find(({ platform }) => platform?.variant === host.variant) ??
    fitting.find(({ platform }) => platform?.variant === undefined) ??
    fitting[0]
  );
}

/**
 * The error for a list that has nothing for this host; it names what there is.
 * @param what the beginning of the sentence, such as `Pulling busybox failed: the image`
 */
export function noPlatform(what: string, manifests: readonly Descriptor[]): PodwrightError {
  const wanted = platformName(hostPlatform(process.arch));
  const there = manifests.flatMap(({ platform }) => (platform === undefined ? [] : [platformName(platform)]));
  // Attestations of builders lie in lists as images for a platform that is none.
  const known = [...new Set(there)].filter((name) => !name.startsWith('unknown/')).sort();
  return new PodwrightError(
    'image-not-found',
    `${what} is not made for this platform: there is ${known.join(', ') || 'none'}, and not ${wanted}.`,
    { details: { platform: wanted, platforms: known } },
  );
}

function platformName({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join('/');
}

const GO_ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  ppc64: 'ppc64le',
  mipsel: 'mipsle',
};

/** The platform of images for a processor architecture as Node names it (`process.arch`). */
export function hostPlatform(nodeArch: string): Platform {
  return { os: 'linux', architecture: GO_ARCHITECTURES[nodeArch] ?? nodeArch };
}

/** Whether something names a blob by a digest, which is also a safe name of a file. */
export function isDescriptor(value: unknown): value is Descriptor {
  return (
    isObject(value) &&
    typeof value['digest'] === 'string' &&
    /^[a-z0-9]+:[0-9a-f]{32,}$/.test(value['digest'])
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
