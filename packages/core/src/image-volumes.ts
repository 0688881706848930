import { posix } from 'node:path';
import type { OciImageExecution } from './oci-image-config.js';

/**
 * The paths that an image declares as volumes (`VOLUME`), each once, absolute and without a slash at the end, sorted.
 * `/` and what leads out of the root is left out: nothing can be mounted there.
 */
export function declaredVolumes(config: OciImageExecution | undefined): readonly string[] {
  const paths = Object.keys(config?.Volumes ?? {}).map((path) => posix.join('/', path).replace(/\/$/, ''));
  return [...new Set(paths)].filter((path) => path !== '').sort();
}

/**
 * The declared paths that need an anonymous volume: those that no mount of the container covers already.
 * @param mounts the container's own; one at the same path replaces the volume
 */
export function anonymousVolumes(
  config: OciImageExecution | undefined,
  mounts: readonly { readonly containerPath: string }[],
): readonly string[] {
  const mounted = new Set(
    mounts.map(({ containerPath }) => posix.join('/', containerPath).replace(/\/$/, '')),
  );
  return declaredVolumes(config).filter((path) => !mounted.has(path));
}
