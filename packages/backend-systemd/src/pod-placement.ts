import { posix } from 'node:path';
import { type PodSandboxConfig, PodwrightError } from '@podwright/core';
import { isSliceName, ROOT_SLICE, slicePath } from '@podwright/systemd';

/**
 * The slice that a caller names for a pod: by its name, or by its path below the cgroup root as a kubelet writes it.
 * @throws PodwrightError kind `invalid-argument` for what is no slice, or for limits of a slice that is not the backend's
 */
export function askedSlice({ cgroupParent, resources = {} }: PodSandboxConfig): string | undefined {
  if (cgroupParent === undefined) return undefined;
  const name = posix.basename(cgroupParent);
  const isSlice = isSliceName(name) && name !== ROOT_SLICE;
  if (!isSlice || ![name, slicePath(name), `/${slicePath(name)}`].includes(cgroupParent)) {
    throw new PodwrightError(
      'invalid-argument',
      `The cgroup parent "${cgroupParent}" is no slice of systemd, such as kubepods-burstable-pod4f1c.slice: this backend ` +
        'runs containers as units. Set the cgroup driver of the kubelet to systemd (cgroupDriver: systemd).',
      { details: { cgroupParent } },
    );
  }
  if (Object.values(resources).some((limit) => limit !== undefined)) {
    throw new PodwrightError(
      'invalid-argument',
      `The pod has limits of its own and lies in ${name}, whose limits are its maker's: leave resources out, or cgroupParent.`,
      { details: { cgroupParent } },
    );
  }
  return name;
}

/**
 * @param known names of `RuntimeFeatures.runtimeHandlers`
 * @throws PodwrightError kind `invalid-argument`
 */
export function checkRuntimeHandler(handler: string | undefined, known: readonly string[]): void {
  if (handler === undefined || known.includes(handler)) return;
  throw new PodwrightError(
    'invalid-argument',
    `The runtime handler "${handler}" is not configured: this host has ${known.join(', ')}. Leave it out for the default.`,
    { details: { handler, known } },
  );
}
