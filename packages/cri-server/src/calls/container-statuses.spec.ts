import { type ImageService, PodwrightError } from '@podwright/core';
import { expect, it, onTestFinished } from 'vitest';
import { MemoryPods, sandboxConfig } from '../stats/memory-pods.spec-helper.js';
import { ContainerStatuses } from './container-statuses.js';

it('a container whose image is damaged has a status all the same', async () => {
  const host = await MemoryPods.start();
  onTestFinished(() => host[Symbol.asyncDispose]());
  await host.pull('busybox');
  const id = await host.create(await host.runtime.runPodSandbox(sandboxConfig('u1')), 'main');
  const damaged: Pick<ImageService, 'imageStatus' | 'listImages'> = {
    imageStatus: () => Promise.reject(new PodwrightError('corrupt-state', 'its manifest is missing')),
    listImages: () => host.images.listImages(),
  };
  const status = await host.runtime.containerStatus(id);
  const told = await new ContainerStatuses(damaged).toCri(status, {});
  expect(told).toMatchObject({ id, imageRef: status.imageId, imageId: status.imageId });
});
