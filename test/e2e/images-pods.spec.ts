// What PodRuntime does with images, over the real store and registries: back-off, the queue of pulls, and collection.
import {
  Clock,
  EventRecorder,
  type PodEvent,
  RuntimeService,
  SystemClock,
  VolumeProvider,
} from '@podwright/core';
import type { ImagesOptions } from '@podwright/images';
import { ImageCollector, ImageEnsurer, type PodsModuleOptions, podsModule } from '@podwright/pods';
import { NEVER } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { testImages, testRegistry } from '../host/images.js';
import { GuardingRegistry } from './guarding-registry.js';
import { imagesTestBed, run } from './images-test-bed.js';

const { at, cleanups, failure, imageOf, mountTmpfs, start } = imagesTestBed();

/** A clock that a test can move on. */
class ShiftedClock extends SystemClock {
  shiftMs = 0;

  override nowMs(): number {
    return super.nowMs() + this.shiftMs;
  }
}

/** The services of images with PodRuntime's parts above them, and no containers but the given ones. */
async function startPods(options: PodsModuleOptions = {}, images: Partial<ImagesOptions> = {}) {
  const services = await start(images);
  const { container } = services;
  const clock = new ShiftedClock();
  const events: PodEvent[] = [];
  const inUse: string[] = [];
  container.bind(Clock).toConstantValue(clock);
  const runtime = { events: NEVER, listContainers: async () => inUse.map((imageId) => ({ imageId })) };
  container.bind(RuntimeService).toConstantValue(runtime as unknown as RuntimeService);
  container.bind(VolumeProvider).toConstantValue({} as VolumeProvider);
  await container.load(podsModule(options));
  (await container.rebind(EventRecorder)).toConstantValue({ record: (event) => void events.push(event) });
  const [ensurer, collector] = [container.get(ImageEnsurer), container.get(ImageCollector)];
  return { ...services, clock, events, inUse, ensurer, collector };
}

async function registryWith(delayMs = 0, atOnce = 1) {
  const registry = await GuardingRegistry.listen(testRegistry, {}, delayMs, atOnce);
  cleanups.push(() => registry.close());
  return registry;
}

describe('pulls for pods', () => {
  it('back off from a registry that fails, ask it nothing meanwhile, and recover', async () => {
    const registry = await registryWith();
    const { ensurer, clock, copies } = await startPods({}, { insecureRegistries: [registry.address] });
    const ensure = () =>
      ensurer.ensure(`${registry.address}/open/busybox:1`, 'IfNotPresent', { backOffOwner: 'uid' });
    registry.failWith = 500;
    expect(await failure(ensure())).toMatchObject({ kind: 'unreachable' });
    registry.failWith = undefined;
    const waiting = await failure(ensure());
    expect(waiting).toMatchObject({ kind: 'image-pull-back-off', cause: { kind: 'unreachable' } });
    expect(registry.served).toEqual([]);
    clock.shiftMs = Number(waiting.details['retryAtMs']) - clock.nowMs();
    expect(await ensure()).toMatchObject({ pulled: true });
    expect(copies()).toHaveLength(1);
  });

  it.each([
    ['one after the other by default', {}, 1],
    ['two at once when told so', { maxParallelPulls: 2 }, 2],
    ['all at once when told so', { maxParallelPulls: Number.POSITIVE_INFINITY }, 3],
  ])('run %s', async (_, options, most) => {
    const registry = await registryWith(50, most);
    const { ensurer, images, commands } = await startPods(options, {
      insecureRegistries: [registry.address],
    });
    const ensure = (name: string) => ensurer.ensure(`${registry.address}/open/${name}:1`, 'Always');
    await Promise.all(['web', 'layers', 'env'].map(ensure));
    expect(registry.mostAtOnce).toBe(most);
    expect(await images.listImages()).toHaveLength(3);
    expect(commands.filter(({ args }) => args.includes('copy'))).toHaveLength(3);
  });
});

describe('collecting images', () => {
  const IMAGES = [testImages.web, testImages.layers, testImages.env, testImages.args];

  /** A store on a small disk, with images that share their lowest layer. */
  async function filled(pinnedImages: readonly string[] = []) {
    mountTmpfs(at('store'), '40m');
    const stateDir = at('state');
    const services = await startPods({ stateDir }, { pinnedImages });
    const ids = new Map<string, string>();
    for (const reference of IMAGES) ids.set(reference, imageOf(await services.pull(reference)).id);
    await services.collector.detect();
    const idOf = (reference: string) => ids.get(reference) ?? '';
    const left = async () => (await services.images.listImages()).flatMap(({ repoTags }) => repoTags).sort();
    return { ...services, idOf, left, stateDir };
  }
  /** Fills the disk with something else, up to a share in percent. */
  async function fillTo(percent: number, { images }: Awaited<ReturnType<typeof filled>>) {
    const { capacityBytes, availableBytes } = await images.imageFsInfo();
    const bytes = Math.floor((capacityBytes * percent) / 100) - (capacityBytes - availableBytes);
    run('fallocate', '-l', String(bytes), at('store/ballast'));
  }

  it('does nothing below the high threshold, and then frees until the low one, the least recently used first', async () => {
    const disk = await filled();
    const { collector, ensurer, clock, left, images } = disk;
    clock.shiftMs += 1000;
    for (const reference of [testImages.env, testImages.web, testImages.args]) {
      clock.shiftMs += 1000;
      await ensurer.ensure(reference, 'IfNotPresent');
    }
    clock.shiftMs += 1000;
    await fillTo(84, disk);
    expect(await collector.collect({ highPercent: 86, lowPercent: 80, minAgeMs: 0 })).toEqual({
      removed: [],
      errors: [],
    });
    // The images are small and share layers: hardly anything comes free, so all go, in their order.
    const { removed, errors } = await collector.collect({ highPercent: 80, lowPercent: 50, minAgeMs: 0 });
    expect(removed.map((text) => /\/podwright\/(\w+):1/.exec(text)?.[1])).toEqual([
      'layers',
      'env',
      'web',
      'args',
    ]);
    expect(errors).toMatchObject([{ kind: 'no-space' }]);
    expect(disk.events).toMatchObject([
      { reason: 'FreeDiskSpaceFailed', type: 'Warning', object: { kind: 'Node' } },
    ]);
    expect(await left()).toEqual([]);
    expect((await images.imageFsInfo()).usedBytes).toBe(0);
  });

  it('stops when enough is free', async () => {
    const disk = await filled();
    const { collector, clock, left, images, idOf } = disk;
    disk.inUse.push(idOf(testImages.web), idOf(testImages.env), idOf(testImages.args));
    clock.shiftMs += 1000;
    await collector.detect();
    disk.inUse.length = 0;
    clock.shiftMs += 1000;
    await fillTo(85, disk);
    const { capacityBytes, availableBytes } = await images.imageFsInfo();
    const usage = 100 - Math.floor((availableBytes * 100) / capacityBytes);
    const policy = { highPercent: usage, lowPercent: usage, minAgeMs: 0 };
    // A little more than the threshold allows: one small image is enough.
    run('fallocate', '-l', '8192', at('store/more'));
    expect(await collector.collect(policy)).toMatchObject({ errors: [] });
    const now = await left();
    expect(now.length).toBeLessThan(4);
    expect(now).toContain(testImages.args);
    expect(now).not.toContain(testImages.layers);
  });

  it('spares what is used, pinned or young, on a dry run everything, and remembers uses over restarts', async () => {
    const disk = await filled([testImages.web]);
    const { collector, clock, left, idOf, inUse, stateDir } = disk;
    const policy = { highPercent: 0, lowPercent: 0, minAgeMs: 60_000 };
    expect((await collector.collect(policy)).removed).toEqual([]);
    clock.shiftMs += 60_000;
    inUse.push(idOf(testImages.layers));
    const dry = await collector.collect(policy, { dryRun: true });
    expect(dry.removed).toHaveLength(2);
    expect(await left()).toHaveLength(4);

    const restarted = await startPods({ stateDir }, { pinnedImages: [testImages.web] });
    restarted.clock.shiftMs = clock.shiftMs;
    restarted.inUse.push(...inUse);
    const { removed } = await restarted.collector.collect(policy);
    expect(removed).toHaveLength(2);
    expect(await left()).toEqual([testImages.layers, testImages.web].sort());
  });
});
