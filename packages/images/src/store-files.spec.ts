import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { silentLogger } from '@podwright/core';
import type { HostExecutor } from '@podwright/nsenter';
import { firstValueFrom } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ContainersStorageImageStore } from './containers-storage-image-store.js';
import type { StorageCommand } from './storage-command.js';
import { StoreFiles } from './store-files.js';
import { bigDataFileName } from './store-records.js';
import { StoreUsage } from './store-usage.js';

const ID = 'a'.repeat(64);

describe('StoreFiles', () => {
  let host: string;
  beforeEach(() => {
    host = mkdtempSync(join(tmpdir(), 'podwright-store-'));
  });
  afterEach(() => rmSync(host, { recursive: true, force: true }));

  /** As the store's writers do: a new file in one step. */
  const write = (path: string, content: string) => {
    mkdirSync(dirname(join(host, path)), { recursive: true });
    writeFileSync(join(host, `${path}.new`), content);
    renameSync(join(host, `${path}.new`), join(host, path));
  };
  const writeImage = (root: string, layers: readonly { id: string; parent?: string }[], config = '{}') => {
    const record = {
      id: ID,
      names: ['docker.io/library/x:1'],
      layer: layers[0]?.id,
      'big-data-names': [`sha256:${ID}`],
    };
    write(`${root}/overlay-layers/layers.json`, JSON.stringify(layers));
    write(`${root}/overlay-images/${ID}/${bigDataFileName(`sha256:${ID}`)}`, config);
    for (const { id } of layers) write(`${root}/overlay/${id}/link`, `SHORT${id}`);
    write(`${root}/overlay-images/images.json`, JSON.stringify([record]));
  };

  /** The agent reaches the host's /store below a directory, as from inside a container. */
  function setUp(
    readOnlyRoots: readonly string[] = [],
    onHostPath: (path: string) => void = () => undefined,
  ) {
    const never = () => Promise.reject(new Error('no command is needed for reading'));
    const executor: HostExecutor = {
      run: never,
      start: never,
      which: never,
      hostPath: (path) => {
        onHostPath(path);
        return join(host, path);
      },
    };
    const location = { root: '/store', runRoot: '/run/store', readOnlyRoots };
    const storage = { location: () => Promise.resolve(location), transport: '', env: {}, run: never };
    const files = new StoreFiles(executor, storage as unknown as StorageCommand, silentLogger);
    const usage = new StoreUsage(executor, storage as unknown as StorageCommand, files);
    const store = new ContainersStorageImageStore(
      executor,
      storage as unknown as StorageCommand,
      files,
      usage,
      { runDir: '/run/x' },
      silentLogger,
    );
    return { files, store };
  }

  it('finds nothing in a store that was never written', async () => {
    const { store } = setUp();
    expect(await store.list()).toEqual([]);
    expect(await store.resolve('x:1')).toBeUndefined();
  });

  it('gives paths of the host, by the short links where they are', async () => {
    writeImage('/store', [{ id: 'top', parent: 'low' }, { id: 'low' }]);
    write('/store/overlay/l/SHORTtop', '');
    expect((await setUp().store.resolve('x:1'))?.lowerDirs).toEqual([
      '/store/overlay/l/SHORTtop',
      '/store/overlay/low/diff',
    ]);
  });

  it('reads again only what was written since', async () => {
    writeImage('/store', [{ id: 'low' }]);
    const reads: string[] = [];
    const { store } = setUp([], (path) => reads.push(path));
    const once = await store.resolve('x:1');
    reads.length = 0;
    expect(await store.resolve('x:1')).toBe(once);
    expect(reads).toEqual(['/store/overlay-images/images.json', '/store/overlay-layers/layers.json']);
    writeImage('/store', [{ id: 'low' }], '{"config":{"User":"app"}}');
    expect((await store.resolve('x:1'))?.image.username).toBe('app');
  });

  it('reads once more when an image was removed between its two reads', async () => {
    writeImage('/store', [{ id: 'low' }]);
    let isRemoved = false;
    const { store } = setUp([], (path) => {
      if (isRemoved || !path.endsWith('layers.json')) return;
      isRemoved = true;
      write('/store/overlay-images/images.json', '[]');
      write('/store/overlay-layers/layers.json', '[]');
    });
    expect(await store.resolve('x:1')).toBeUndefined();
    expect(isRemoved).toBe(true);
  });

  it('takes an image for gone when it was removed while it was read', async () => {
    writeImage('/store', [{ id: 'low' }]);
    const { store } = setUp([], (path) => {
      if (!path.includes(ID)) return;
      write('/store/overlay-images/images.json', '[]');
      rmSync(join(host, path), { force: true });
    });
    expect(await store.resolve('x:1')).toBeUndefined();
  });

  it('finds images of a read-only store, on layers of either', async () => {
    writeImage('/more', [{ id: 'low' }]);
    expect((await setUp(['/more']).store.resolve('x:1'))?.lowerDirs).toEqual(['/more/overlay/low/diff']);
    await expect(setUp(['/more']).store.delete(`sha256:${ID}`)).rejects.toMatchObject({
      kind: 'failed-precondition',
    });
  });

  it.each<[string, (root: string) => void, RegExp]>([
    ['no JSON', () => write('/store/overlay-images/images.json', '[{'), /images\.json cannot be read/],
    [
      'a lost layer',
      () => write('/store/overlay-layers/layers.json', '[]'),
      /lacks a layer of the image docker\.io/,
    ],
    ['a lost link', () => rmSync(join(host, '/store/overlay/low/link')), /overlay\/low\/link/],
    [
      'a lost configuration',
      () => rmSync(join(host, '/store/overlay-images', ID), { recursive: true }),
      /overlay-images\/a+/,
    ],
    [
      'a wrong configuration',
      () => writeImage('/store', [{ id: 'low' }], '{"config":{"Env":"A=b"}}'),
      /configuration of/,
    ],
  ])('tells %s as damage', async (_, damage, message) => {
    writeImage('/store', [{ id: 'low' }]);
    damage('/store');
    const reading = setUp().store.resolve('x:1');
    await expect(reading).rejects.toMatchObject({ kind: 'corrupt-state' });
    await expect(reading).rejects.toThrow(message);
  });

  it('knows which layers nothing stands on', async () => {
    writeImage('/store', [{ id: 'low' }, { id: 'idle' }, { id: 'top', parent: 'mid' }, { id: 'mid' }]);
    write('/store/overlay-containers/containers.json', '[{"id":"c","layer":"top"}]');
    const layers = await setUp().store.allLayers();
    expect(layers.map(({ id, used }) => [id, used])).toEqual(
      expect.arrayContaining([
        ['low', true],
        ['idle', false],
        ['top', true],
        ['mid', true],
      ]),
    );
  });

  it('says when layers come', async () => {
    writeImage('/store', [{ id: 'low' }]);
    const { store } = setUp();
    const change = firstValueFrom(store.layerChanges);
    // The watch begins a moment after the subscription: what counts is that some write is told.
    const writing = setInterval(() => write('/store/overlay-layers/layers.json', '[]'), 5);
    await change.finally(() => clearInterval(writing));
  });
});
