import { ImageService, PodwrightError, RuntimeService, VolumeProvider } from '@podwright/core';
import type { Container, ServiceIdentifier } from 'inversify';

/** Every method that an interface asks for; optional ones are left out. */
type MethodsOf<T> = {
  readonly [K in keyof T as T[K] extends (...args: never[]) => unknown ? K : never]-?: true;
};

interface Part {
  readonly name: string;
  readonly token: ServiceIdentifier<object>;
  readonly methods: readonly (string | symbol)[];
}

const RUNTIME_METHODS: MethodsOf<RuntimeService> = {
  start: true,
  version: true,
  status: true,
  runPodSandbox: true,
  stopPodSandbox: true,
  removePodSandbox: true,
  podSandboxStatus: true,
  listPodSandboxes: true,
  createContainer: true,
  startContainer: true,
  stopContainer: true,
  removeContainer: true,
  listContainers: true,
  containerStatus: true,
  containerLogs: true,
  reopenContainerLog: true,
  execSync: true,
  exec: true,
  portForward: true,
  attach: true,
  updateContainerResources: true,
  updatePodSandboxResources: true,
  listContainerStats: true,
  listPodSandboxStats: true,
  removeOrphans: true,
  [Symbol.asyncDispose]: true,
};

const IMAGE_METHODS: MethodsOf<ImageService> = {
  pullImage: true,
  imageStatus: true,
  listImages: true,
  removeImage: true,
  loadImage: true,
  imageFsInfo: true,
};

const VOLUME_METHODS: MethodsOf<VolumeProvider> = { setUp: true, update: true, usage: true, tearDown: true };

const PARTS: readonly Part[] = [
  { name: 'RuntimeService', token: RuntimeService, methods: Reflect.ownKeys(RUNTIME_METHODS) },
  { name: 'ImageService', token: ImageService, methods: Reflect.ownKeys(IMAGE_METHODS) },
  { name: 'VolumeProvider', token: VolumeProvider, methods: Reflect.ownKeys(VOLUME_METHODS) },
];

/**
 * Looks whether all that a backend has to be is there, so that what its author forgot is told before a pod needs it.
 * @param backend the name in the configuration
 * @throws PodwrightError kind `invalid-argument`, with all that is missing at once
 */
export function checkBackend(container: Container, backend: string): void {
  const missing = PARTS.flatMap(({ name, token, methods }) => {
    if (!container.isBound(token)) return [`its module binds no ${name}`];
    const part = container.get(token);
    const lacking = methods.filter((method) => typeof Reflect.get(part, method) !== 'function');
    const names = lacking.map((method) =>
      // Node 20 has another description of it.
      method === Symbol.asyncDispose ? '[Symbol.asyncDispose]' : String(method),
    );
    return lacking.length === 0 ? [] : [`its ${name} has no ${names.join(', ')}`];
  });
  if (missing.length === 0) return;
  throw new PodwrightError(
    'invalid-argument',
    `The backend "${backend}" is not complete: ${missing.join('; ')}. A backend implements what @podwright/core declares ` +
      'under these names; a method for what it cannot do fails with a PodwrightError of kind `unsupported`.',
    { details: { backend } },
  );
}
