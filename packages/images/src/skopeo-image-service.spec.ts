import { ImageService, Logger, silentLogger } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { Container } from 'inversify';
import { NEVER } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { ImageMounter } from './image-mounter.js';
import { ImagePins } from './image-pins.js';
import { ImageStore, type StoredRecord } from './image-store.js';
import { ImageUsers } from './image-users.js';
import { imagesModule } from './images-module.js';
import { StoreLocks } from './store-locks.js';

const NAME = 'docker.io/library/x:1';
const RECORD: StoredRecord = {
  id: `sha256:${'a'.repeat(64)}`,
  names: [NAME],
  layers: [{ id: 'l', diffDigest: 'sha256:d', compressedDigest: 'sha256:c', sizeBytes: 1, used: true }],
};

interface Uses {
  readonly users?: readonly string[];
  /** Places where the image is mounted. */
  readonly mounts?: readonly string[];
}

async function setUp(record: StoredRecord = RECORD, { users = [], mounts = [] }: Uses = {}) {
  const calls: string[] = [];
  const state: { record: StoredRecord | undefined } = { record };
  const never = () => Promise.reject(new Error('not needed'));
  const store: ImageStore = {
    resolve: never,
    list: () => Promise.resolve([]),
    find: () => Promise.resolve(state.record),
    allLayers: never,
    copyTarget: never,
    removeUnfinished: never,
    layerChanges: NEVER,
    deleteLayer: never,
    usage: never,
    setNames: async (id, names) => {
      calls.push(`names ${id.slice(0, 8)} ${names.join(' ')}`);
    },
    delete: async (id) => {
      calls.push(`delete ${id.slice(0, 8)}`);
    },
  };
  const executor: HostExecutor = { run: never, start: never, which: never, hostPath: (path) => path };
  const container = new Container();
  container.bind(Logger).toConstantValue(silentLogger);
  container.bind(HostExecutor).toConstantValue(executor);
  await container.load(imagesModule({ runDir: '/run/x' }));
  (await container.rebind(ImageStore)).toConstantValue(store);
  (await container.rebind(ImageUsers)).toConstantValue({
    users: async (id) => {
      calls.push(`users ${id.slice(0, 8)}`);
      return users;
    },
  });
  (await container.rebind(ImagePins)).toConstantValue({
    hold: never,
    release: async (id) => {
      calls.push(`release ${id.slice(0, 8)}`);
    },
    unused: never,
    releaseUnused: never,
  });
  (await container.rebind(ImageMounter)).toConstantValue({
    mount: never,
    unmount: never,
    list: async () => mounts.map((target) => ({ target, imageId: record.id })),
  });
  return { images: container.get(ImageService), locks: container.get(StoreLocks), calls, state };
}

describe('removing an image', () => {
  it('asks who uses it and then deletes', async () => {
    const { images, calls } = await setUp();
    await images.removeImage('x:1');
    expect(calls).toEqual(['users sha256:a', 'release sha256:a', 'delete sha256:a']);
  });

  it('only takes the name away while there are others', async () => {
    const { images, calls } = await setUp(
      { ...RECORD, names: [NAME, 'localhost/y:1'] },
      { users: ['somebody'] },
    );
    await images.removeImage('x:1');
    expect(calls).toEqual(['names sha256:a localhost/y:1']);
  });

  it('names who uses it', async () => {
    const { images, calls } = await setUp(RECORD, { users: ['container web'], mounts: ['/volumes/x'] });
    await expect(images.removeImage('x:1')).rejects.toMatchObject({
      kind: 'in-use',
      message: expect.stringContaining('container web, the mount at /volumes/x') as string,
      details: { imageId: RECORD.id, users: ['container web', 'the mount at /volumes/x'] },
    });
    expect(calls).toEqual(['users sha256:a']);
  });

  it.each(['sha256:d', 'sha256:c', RECORD.id])('waits for who holds %s', async (key) => {
    const { images, locks, calls } = await setUp();
    const lease = await locks.shared([key]);
    const removal = images.removeImage('x:1');
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls).toEqual([]);
    lease[Symbol.dispose]();
    await removal;
    expect(calls).toEqual(['users sha256:a', 'release sha256:a', 'delete sha256:a']);
  });

  it('looks again when it had to wait: the name may mean another image by now', async () => {
    const { images, locks, calls, state } = await setUp();
    const lease = await locks.shared([RECORD.id]);
    const removal = images.removeImage('x:1');
    await new Promise((resolve) => setImmediate(resolve));
    state.record = { ...RECORD, id: `sha256:${'b'.repeat(64)}` };
    lease[Symbol.dispose]();
    await removal;
    expect(calls).toEqual(['users sha256:b', 'release sha256:b', 'delete sha256:b']);
  });

  it('is done when the image is gone', async () => {
    const { images, calls, state } = await setUp();
    state.record = undefined;
    await images.removeImage('x:1');
    expect(calls).toEqual([]);
  });
});
