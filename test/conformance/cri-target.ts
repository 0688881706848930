import { randomBytes } from 'node:crypto';
import { access, chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConformanceTarget, KernelView } from '@podwright/conformance';
import { ContainerRuntime, ImageService, PodwrightError, RuntimeService } from '@podwright/core';
import { createContainer } from 'podwright';
import { lastValueFrom } from 'rxjs';
import { authRegistry } from '../host/images.js';
import { slowness } from '../slowness.js';
import { hostView, images, kernelView, unmountBelow } from './host-target.js';

/** A runtime behind a CRI socket, and how it is ended. */
export interface RuntimeUnderTest {
  readonly address: string;
  stop(): Promise<void>;
}

/** The CRI backend with directories of its own over a runtime on the host that this runs on. */
export async function createCriTarget(runtime: RuntimeUnderTest): Promise<ConformanceTarget> {
  const folder = await mkdtemp('/run/podwright-conformance-');
  // Users of other ids pass through it to what is mounted.
  await chmod(folder, 0o711);
  const target = await startAgent(folder, runtime);
  // Also for the first case after one that failed.
  await lastValueFrom(target.imageService.pullImage(target.images.busybox));
  return target;
}

async function startAgent(folder: string, under: RuntimeUnderTest): Promise<ConformanceTarget> {
  const stateDir = join(folder, 'state');
  const container = await createContainer({
    backend: 'cri',
    stateDir,
    runDir: join(folder, 'run'),
    configDir: join(folder, 'config'),
    // Often and soon, so that the cases do not wait for it.
    backendOptions: {
      address: under.address,
      relistMs: 50,
      restartBackoff: { initialMs: 300, maxMs: 1000, resetMs: 600_000 },
    },
  });
  const runtime = container.get(ContainerRuntime);
  const service = container.get(RuntimeService);
  await runtime.start();
  return {
    runtime,
    runtimeService: service,
    imageService: container.get(ImageService),
    images: {
      ...images,
      // Another image than busybox: the CRI removes an image with all of its names.
      denied: { ...images.denied, reference: authRegistry.stdout },
    },
    patienceMs: 20_000 * slowness,
    kernel: kernelOf(service),
    host: hostView(folder),
    plantOrphan: async () => {
      const path = join(stateDir, 'cri/containers', randomBytes(16).toString('hex'));
      await mkdir(path, { recursive: true });
      return () =>
        access(path).then(
          () => true,
          () => false,
        );
    },
    restartAgent: async () => {
      await runtime[Symbol.asyncDispose]();
      return startAgent(folder, under);
    },
    [Symbol.asyncDispose]: async () => {
      try {
        for (const { id } of await service.listPodSandboxes()) await service.removePodSandbox(id);
      } catch (error) {
        if (!PodwrightError.is(error, 'closed')) throw error;
      }
      await runtime[Symbol.asyncDispose]();
      await under.stop();
      await unmountBelow(folder);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The runtime says itself which process is a container's first. */
function kernelOf(service: RuntimeService): KernelView {
  return kernelView(async (id) => {
    const { processId } = await service.containerStatus(id);
    if (processId === undefined) throw new Error(`The runtime does not tell the process of container ${id}.`);
    return processId;
  });
}
