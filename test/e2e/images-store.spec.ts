import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { silentLogger } from '@podwright/core';
import { LocalHostExecutor } from '@podwright/nsenter';
import { describe, expect, it, vi } from 'vitest';
import { testImages } from '../host/images.js';
import { imagesTestBed, run } from './images-test-bed.js';

const { at, cleanups, failure, imageOf, layerIds, start, storage } = imagesTestBed();

describe('removing', () => {
  it('takes names one by one, and the image with its layers at the end', async () => {
    const { pull, images } = await start();
    const { id } = imageOf(await pull(testImages.web));
    storage('add-names', '-n', 'localhost/mine:1', id.slice('sha256:'.length));
    await images.removeImage(testImages.web);
    expect(await images.imageStatus(id)).toMatchObject({ repoTags: ['localhost/mine:1'] });
    await images.removeImage('localhost/mine:1');
    expect(await images.listImages()).toEqual([]);
    expect(layerIds()).toEqual([]);
    await images.removeImage('localhost/mine:1');
    await images.removeImage(id);
  });

  it('takes all names by id, and keeps what another image needs', async () => {
    const { pull, images } = await start();
    const { id } = imageOf(await pull(testImages.web));
    const busybox = imageOf(await pull(testImages.busybox));
    storage('add-names', '-n', 'localhost/mine:1', id.slice('sha256:'.length));
    await images.removeImage(id);
    expect(await images.listImages()).toEqual([busybox]);
    expect(layerIds()).toHaveLength(1);
  });

  it('takes the beginning of an id', async () => {
    const { pull, images } = await start();
    const { id } = imageOf(await pull(testImages.web));
    await images.removeImage(id.slice('sha256:'.length, 19));
    expect(await images.listImages()).toEqual([]);
  });

  it('names the containers that need the image', async () => {
    const { pull, images } = await start({}, ['container 4f1c (web/nginx)']);
    await pull(testImages.web);
    const error = await failure(images.removeImage(testImages.web));
    expect(error).toMatchObject({ kind: 'in-use' });
    expect(error.message).toContain('container 4f1c (web/nginx)');
    expect(await images.listImages()).toHaveLength(1);
  });

  it('respects the containers of podman', async () => {
    const { pull, images } = await start();
    const { id } = imageOf(await pull(testImages.web));
    const container = storage('create-container', id.slice('sha256:'.length)).trim().split('\n')[0] ?? '';
    const error = await failure(images.removeImage(testImages.web));
    expect(error).toMatchObject({ kind: 'in-use' });
    expect(error.message).toContain(container);
  });

  it('removes an image whose configuration is lost', async () => {
    const { pull, images } = await start();
    const { id } = imageOf(await pull(testImages.web));
    const hex = id.slice('sha256:'.length);
    rmSync(at('store/overlay-images', hex, `=${Buffer.from(id).toString('base64')}`));
    const fresh = await start();
    expect(await failure(fresh.images.imageStatus(testImages.web))).toMatchObject({
      kind: 'corrupt-state',
    });
    expect(await fresh.images.listImages()).toEqual([]);
    await images.removeImage(testImages.web);
    expect(layerIds()).toEqual([]);
  });
});

describe('the store', () => {
  it('has an image mended by a pull whose configuration was lost', async () => {
    const { pull } = await start();
    const image = imageOf(await pull(testImages.web));
    const hex = image.id.slice('sha256:'.length);
    rmSync(at('store/overlay-images', hex, `=${Buffer.from(image.id).toString('base64')}`));
    const fresh = await start();
    expect(imageOf(await fresh.pull(testImages.web))).toEqual(image);
    expect(await fresh.images.imageStatus(testImages.web)).toEqual(image);
  });

  it('is read correctly while another program writes to it', async () => {
    const { pull, store, images } = await start();
    await pull(testImages.busybox);
    const other = `containers-storage:[overlay@${at('store')}+${at('store-run')}:overlay.skip_mount_home=true]`;
    let isWriting = true;
    let isReading = true;
    let seen = 0;
    const writer = (async () => {
      const executor = new LocalHostExecutor(silentLogger, {});
      const copy = [
        'copy',
        '--src-tls-verify=false',
        `docker://${testImages.layers}`,
        `${other}localhost/other:1`,
      ];
      const drop = ['delete', `${other}localhost/other:1`];
      // Until it was seen, too: who is slower than the other is chance.
      for (let round = 0; isReading && (round < 8 || seen === 0); round++) {
        await executor.run({ command: 'skopeo', args: copy });
        await executor.run({ command: 'skopeo', args: drop });
      }
    })().finally(() => {
      isWriting = false;
    });
    const reader = (async () => {
      while (isWriting) {
        expect(await images.imageStatus(testImages.busybox)).toBeDefined();
        const found = await store.resolve('localhost/other:1');
        if (found !== undefined) {
          seen++;
          expect(found.lowerDirs).toHaveLength(4);
        }
        expect((await images.listImages()).length).toBeLessThanOrEqual(2);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })().finally(() => {
      isReading = false;
    });
    const ends = await Promise.allSettled([reader, writer]);
    expect(ends).toEqual([reader, writer].map(() => ({ status: 'fulfilled', value: undefined })));
    expect(seen).toBeGreaterThan(0);
  });

  it('tells how much space it takes, and counts a shared layer once', async () => {
    const { pull, images } = await start();
    expect(await images.imageFsInfo()).toMatchObject({
      mountpoint: at('store'),
      usedBytes: 0,
      inodesUsed: 0,
    });
    await pull(testImages.busybox);
    const one = await images.imageFsInfo();
    expect(one.usedBytes).toBeGreaterThan(1_000_000);
    expect(one.inodesUsed).toBeGreaterThan(10);
    expect(one.capacityBytes).toBeGreaterThan(one.availableBytes);
    await pull(testImages.web);
    const two = await images.imageFsInfo();
    expect(two.usedBytes - one.usedBytes).toBeLessThan(200_000);
    await images.removeImage(testImages.web);
    expect(await images.imageFsInfo()).toMatchObject({
      usedBytes: one.usedBytes,
      inodesUsed: one.inodesUsed,
    });
  });

  it('is by default the one that podman uses', async () => {
    const { images, pull } = await start({}, [], true);
    await pull(testImages.busybox);
    cleanups.push(() => images.removeImage(testImages.busybox));
    expect(run('containers-storage', 'images')).toContain(`name: ${testImages.busybox}`);
    expect((await images.imageFsInfo()).mountpoint).toBe('/var/lib/containers/storage');
  });

  it('has to be an overlay store', async () => {
    writeFileSync(
      at('storage.conf'),
      `[storage]\ndriver = "vfs"\ngraphroot = "${at('vfs')}"\nrunroot = "${at('vfs-run')}"\n`,
    );
    vi.stubEnv('CONTAINERS_STORAGE_CONF', at('storage.conf'));
    cleanups.push(() => {
      vi.unstubAllEnvs();
    });
    const { images } = await start({}, [], true);
    const error = await failure(images.listImages());
    expect(error).toMatchObject({ kind: 'unsupported' });
    expect(error.message).toContain('vfs');
  });

  it('of a killed agent is rid of its temporary files by the next one', async () => {
    const before = await start();
    let left = '';
    before.watchers.push(() => {
      left ||= readdirSync(at('tmp'))[0] ?? '';
    });
    await before.pull(testImages.busybox);
    // The names of a process with this PID that started earlier, so that it is not there any more.
    const stale = left.replace(/-\d+\.\d+-/, `-${process.pid}.1-`);
    mkdirSync(at('tmp', stale));
    writeFileSync(at('tmp', stale, 'blob'), 'half');
    writeFileSync(at('run/auth', `${stale}.json`), '{}');
    mkdirSync(at('tmp/of-somebody-else'));
    await (await start()).pull(testImages.busybox);
    expect(readdirSync(at('tmp'))).toEqual(['of-somebody-else']);
    expect(readdirSync(at('run/auth'))).toEqual([]);
  });
});
