import {
  Clock,
  type Image,
  ImageService,
  Logger,
  PodwrightError,
  RuntimeService,
  silentLogger,
} from '@podwright/core';
import { Container } from 'inversify';
import { describe, expect, it } from 'vitest';
import { ImageCollector } from './image-collector.js';
import { ImageUses, ImageUsesFile } from './image-uses.js';
import { ManualClock } from './manual-clock.spec-helper.js';
import { PodEventHub } from './pod-event-hub.js';

const CAPACITY = 100;
const POLICY = { highPercent: 80, lowPercent: 50, minAgeMs: 0 };

/** A store of images of 20 bytes each, named by their ids, the first seen first and used never. */
async function setUp(names: readonly string[], more: Readonly<Record<string, Partial<Image>>> = {}) {
  const images = new Map<string, Image>(
    names.map((id) => [
      id,
      { id, repoTags: [`${id}:1`], repoDigests: [], sizeBytes: 20, labels: {}, ...more[id] },
    ]),
  );
  const containers: { imageId: string }[] = [];
  const events: string[] = [];
  const broken = new Map<string, Error>();
  const state = { freesNothing: false, unreadable: false };
  const service = {
    listImages: async () => [...images.values()],
    imageFsInfo: async () => {
      if (state.unreadable) throw new PodwrightError('corrupt-state', 'the store cannot be read');
      const usedBytes = [...images.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      return {
        mountpoint: '/',
        usedBytes: state.freesNothing ? 100 : usedBytes,
        inodesUsed: 1,
        capacityBytes: CAPACITY,
        availableBytes: CAPACITY - usedBytes,
      };
    },
    removeImage: async (id: string) => {
      const error = broken.get(id);
      if (error) throw error;
      images.delete(id);
    },
  };
  const clock = new ManualClock();
  const container = new Container();
  container.bind(Clock).toConstantValue(clock);
  container.bind(Logger).toConstantValue(silentLogger);
  container.bind(ImageService).toConstantValue(service as unknown as ImageService);
  const runtime = { listContainers: async () => containers };
  container.bind(RuntimeService).toConstantValue(runtime as unknown as RuntimeService);
  const hub = { recordOfNode: (reason: string, message: string) => events.push(`${reason}: ${message}`) };
  container.bind(PodEventHub).toConstantValue(hub as unknown as PodEventHub);
  container.bind(ImageUsesFile).toConstantValue(undefined);
  for (const part of [ImageUses, ImageCollector]) container.bind<object>(part).to(part).inSingletonScope();
  const collector = container.get(ImageCollector);
  const uses = container.get(ImageUses);
  await collector.detect();
  clock.time += 1000;
  return {
    collector,
    uses,
    images,
    containers,
    events,
    broken,
    state,
    clock,
    left: () => [...images.keys()],
  };
}

describe('collecting images', () => {
  it('does nothing while there is room', async () => {
    const { collector, left, events } = await setUp(['a', 'b', 'c']);
    expect(await collector.collect(POLICY)).toEqual({ removed: [], errors: [] });
    expect(left()).toEqual(['a', 'b', 'c']);
    expect(events).toEqual([]);
  });

  it('removes the least recently used ones until the low threshold is reached', async () => {
    const { collector, uses, clock, left } = await setUp(['a', 'b', 'c', 'd']);
    for (const id of ['c', 'a', 'd', 'b']) {
      uses.used(id);
      clock.time += 1;
    }
    expect(await collector.collect(POLICY)).toEqual({
      removed: ['image c:1 (20 bytes)', 'image a:1 (20 bytes)'],
      errors: [],
    });
    expect(left()).toEqual(['b', 'd']);
  });

  it('spares pinned ones and those of containers, takes dangling ones first, and says when that is too little', async () => {
    const { collector, containers, left, events } = await setUp(['a', 'b', 'c', 'd'], {
      a: { pinned: true },
      d: { repoTags: [] },
    });
    containers.push({ imageId: 'b' });
    const { removed, errors } = await collector.collect({ ...POLICY, lowPercent: 10 });
    expect(removed).toEqual(['image d (20 bytes)', 'image c:1 (20 bytes)']);
    expect(errors).toMatchObject([{ kind: 'no-space', details: { bytesToFree: 70, freed: 40 } }]);
    expect(left()).toEqual(['a', 'b']);
    expect(events).toEqual([expect.stringMatching(/^FreeDiskSpaceFailed: .*70 bytes .* only 40 bytes/)]);
  });

  it('spares the young ones', async () => {
    const { collector, left } = await setUp(['a', 'b', 'c', 'd']);
    const { errors } = await collector.collect({ ...POLICY, minAgeMs: 1001 });
    expect(errors).toMatchObject([{ kind: 'no-space' }]);
    expect(left()).toHaveLength(4);
  });

  it('only says what it would do on a dry run', async () => {
    const { collector, left, events } = await setUp(['a', 'b', 'c', 'd']);
    const { removed } = await collector.collect(POLICY, { dryRun: true });
    expect(removed).toEqual(['image a:1 (20 bytes)', 'image b:1 (20 bytes)']);
    expect(left()).toHaveLength(4);
    expect(await collector.collect({ ...POLICY, minAgeMs: 1e6 }, { dryRun: true })).toMatchObject({
      errors: [{ kind: 'no-space' }],
    });
    expect(events).toEqual([]);
  });

  it('goes on after a failure and past an image of somebody else, and tells of failures only', async () => {
    const { collector, broken, left, events } = await setUp(['a', 'b', 'c', 'd']);
    broken.set('a', new PodwrightError('command-failed', 'a is stuck'));
    broken.set('b', new PodwrightError('in-use', 'podman has it'));
    const { removed, errors } = await collector.collect(POLICY);
    expect(removed).toEqual(['image c:1 (20 bytes)', 'image d:1 (20 bytes)']);
    expect(errors.map(({ message }) => message)).toEqual(['a is stuck']);
    expect(left()).toEqual(['a', 'b']);
    expect(events).toEqual(['ImageGCFailed: Collecting unused images failed: a is stuck']);
  });

  it('counts the size of an image where the usage is not up to date', async () => {
    const { collector, state, left } = await setUp(['a', 'b', 'c', 'd']);
    state.freesNothing = true;
    await collector.collect(POLICY);
    expect(left()).toEqual(['c', 'd']);
  });

  it('tells when it cannot begin', async () => {
    const { collector, state, events } = await setUp(['a']);
    state.unreadable = true;
    expect(await collector.collect(POLICY)).toMatchObject({
      removed: [],
      errors: [{ kind: 'corrupt-state' }],
    });
    expect(events).toHaveLength(1);
  });

  it('refuses a wrong policy', async () => {
    const { collector } = await setUp([]);
    await expect(collector.collect({ ...POLICY, lowPercent: 90 })).rejects.toMatchObject({
      kind: 'invalid-argument',
    });
  });
});
