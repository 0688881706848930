import { randomBytes } from 'node:crypto';
import { access, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HostLayout } from '@podwright/backend-systemd';
import type { ConformanceTarget, ConformanceTargetOptions } from '@podwright/conformance';
import { ContainerRuntime, ImageService, PodwrightError, RuntimeService } from '@podwright/core';
import { createContainer } from 'podwright';
import { authRegistry, deadRegistry, testRegistry } from '../host/images.js';
import { slowness } from '../slowness.js';
import { hostView, images, kernelView, unmountBelow } from './host-target.js';

/** The systemd backend on the host that this runs on, with directories and an image store of its own. */
export async function createSystemdTarget(
  options: ConformanceTargetOptions = {},
): Promise<ConformanceTarget> {
  // On a tmpfs: the root file system of the throw-away host is an overlay, on which no overlay can stand.
  const folder = await mkdtemp('/run/podwright-conformance-');
  return startAgent(folder, options);
}

async function startAgent(folder: string, options: ConformanceTargetOptions): Promise<ConformanceTarget> {
  const layout = new HostLayout(join(folder, 'state'), join(folder, 'run'));
  const container = await createContainer({
    backend: 'systemd',
    stateDir: layout.stateDir,
    runDir: layout.runDir,
    configDir: join(folder, 'config'),
    backendOptions: {
      insecureRegistries: [testRegistry, authRegistry.address, deadRegistry],
      execHandler: options.execHandler ?? 'oci',
      allowUnconfined: options.allowUnconfined ?? false,
      supervisedRestart: options.restartsBy !== 'caller',
      restartBackoff: { initialMs: 300, maxMs: 1000, resetMs: 600_000 },
      imageStore: { root: join(folder, 'images'), runRoot: join(folder, 'images-run') },
    },
  });
  const runtime = container.get(ContainerRuntime);
  await runtime.start();
  return {
    runtime,
    runtimeService: container.get(RuntimeService),
    imageService: container.get(ImageService),
    images,
    patienceMs: 20_000 * slowness,
    kernel: kernelView(async (id) => Number(await readFile(layout.container(id).pidFile, 'utf8'))),
    host: hostView(folder),
    plantOrphan: async () => {
      const path = join(layout.containersRunDir, randomBytes(32).toString('hex'));
      await mkdir(path, { recursive: true });
      return () =>
        access(path).then(
          () => true,
          () => false,
        );
    },
    restartAgent: async () => {
      await runtime[Symbol.asyncDispose]();
      return startAgent(folder, options);
    },
    [Symbol.asyncDispose]: async () => {
      await endAll(container.get(RuntimeService));
      await runtime[Symbol.asyncDispose]();
      await unmountBelow(folder);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What a failed case has left; after an agent that could not be started again there is nobody to ask. */
async function endAll(service: RuntimeService): Promise<void> {
  try {
    for (const { id } of await service.listPodSandboxes()) await service.removePodSandbox(id);
  } catch (error) {
    if (!PodwrightError.is(error, 'closed')) throw error;
  }
}
