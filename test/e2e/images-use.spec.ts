import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { ImageMounter, ImagePins, ImageVolumes } from '@podwright/images';
import { describe, expect, it } from 'vitest';
import { testImages, testRegistry } from '../host/images.js';
import { imagesTestBed, run } from './images-test-bed.js';

const { at, cleanups, digestOf, failure, imageOf, start, storage } = imagesTestBed();

const mounts = () => readFileSync('/proc/self/mountinfo', 'utf8');

describe('pins', () => {
  it('keep other programs from removing an image, until nobody needs it', async () => {
    const { pull, container, images } = await start();
    const pins = container.get(ImagePins);
    const { id } = imageOf(await pull(testImages.web));
    const hex = id.slice('sha256:'.length);
    await Promise.all([pins.hold(id), pins.hold(id)]);
    await pins.hold(id);
    expect(
      storage('containers')
        .trim()
        .split('\n')
        .filter((line) => line.includes('podwright-pin-')),
    ).toHaveLength(1);
    expect(() => storage('delete-image', hex)).toThrow(/in use by a container/);
    expect(mounts()).not.toContain(at());
    await images.removeImage(testImages.web);
    expect(storage('containers').trim()).toBe('');
    expect(await images.listImages()).toEqual([]);
  });

  it('of another agent keep the image from being removed, and the error tells whose they are', async () => {
    const first = await start();
    const { id } = imageOf(await first.pull(testImages.web));
    const other = await start({ runDir: at('run-of-another') });
    await other.container.get(ImagePins).hold(id);
    const error = await failure(first.images.removeImage(testImages.web));
    expect(error).toMatchObject({ kind: 'in-use' });
    expect(error.message).toContain(at('run-of-another'));
    await other.container.get(ImagePins).releaseUnused(id);
    await first.images.removeImage(testImages.web);
    expect(await first.images.listImages()).toEqual([]);
  });

  it('are swept by who made them, but for images in use, and also after a restart', async () => {
    const first = await start({}, ['container 4f1c']);
    const { id } = imageOf(await first.pull(testImages.web));
    await first.container.get(ImagePins).hold(id);
    expect(await first.container.get(ImagePins).unused()).toEqual([]);
    const restarted = await start();
    const stranger = storage('create-container', '-n', 'of-podman', id.slice('sha256:'.length));
    expect(await restarted.container.get(ImagePins).unused()).toEqual([id]);
    await restarted.container.get(ImagePins).releaseUnused(id);
    expect(storage('containers')).toContain(stranger.trim().split('\n')[0]);
  });

  it('of an image that is not there are none', async () => {
    const { container } = await start();
    await container.get(ImagePins).hold(`sha256:${'0'.repeat(64)}`);
    await container.get(ImagePins).release(`sha256:${'0'.repeat(64)}`);
    expect(storage('containers').trim()).toBe('');
  });

  it('that are there already are not written again', async () => {
    const { pull, container } = await start();
    const { id } = imageOf(await pull(testImages.web));
    const pins = container.get(ImagePins);
    const written = () => statSync(at('store/overlay-containers/containers.json'), { bigint: true }).mtimeNs;
    await pins.hold(id);
    const first = written();
    await pins.hold(id);
    expect(written()).toBe(first);
  });
});

describe('an image mounted on the host', () => {
  it.each([
    ['of one layer', testImages.busybox, 'bin/busybox'],
    ['of four layers', testImages.layers, 'data/a'],
  ])(
    '%s shows its files, read-only, and is in use also for an agent started later',
    async (_, reference, file) => {
      const { pull, container, images } = await start();
      const { id } = imageOf(await pull(reference));
      const mounter = container.get(ImageMounter);
      const target = at('volumes/of image');
      expect(await mounter.mount(reference, target)).toEqual({ target, imageId: id, reference });
      cleanups.push(() => mounter.unmount(target));
      expect(await mounter.mount(reference, target)).toEqual({ target, imageId: id, reference });
      expect(statSync(`${target}/${file}`).isFile()).toBe(true);
      expect(() => writeFileSync(`${target}/new`, '')).toThrow(/EROFS/);
      expect(
        mounts()
          .split('\n')
          .filter((line) => line.includes(at('volumes'))),
      ).toHaveLength(1);
      const later = await start();
      expect(await later.container.get(ImageMounter).list()).toEqual([{ target, imageId: id, reference }]);
      for (const service of [images, later.images]) {
        const error = await failure(service.removeImage(reference));
        expect(error).toMatchObject({ kind: 'in-use' });
        expect(error.message).toContain(target);
      }
      await later.container.get(ImageMounter).unmount(target);
      await mounter.unmount(target);
      expect(mounts()).not.toContain(at('volumes'));
      expect(existsSync(target)).toBe(false);
      await images.removeImage(reference);
    },
  );

  it('does not take the place of another one', async () => {
    const { pull, container } = await start();
    await pull(testImages.busybox);
    await pull(testImages.web);
    const mounter = container.get(ImageMounter);
    await mounter.mount(testImages.web, at('volume'));
    cleanups.push(() => mounter.unmount(at('volume')));
    expect(await failure(mounter.mount(testImages.busybox, at('volume')))).toMatchObject({
      kind: 'already-exists',
    });
    expect(await failure(mounter.mount('absent:1', at('other')))).toMatchObject({ kind: 'image-not-found' });
    expect(existsSync(at('other'))).toBe(false);
  });

  it('stays while somebody works in it', async () => {
    const { pull, container } = await start();
    await pull(testImages.web);
    const mounter = container.get(ImageMounter);
    await mounter.mount(testImages.web, at('volume'));
    cleanups.push(() => mounter.unmount(at('volume')));
    const before = process.cwd();
    process.chdir(at('volume'));
    try {
      expect(await failure(mounter.unmount(at('volume')))).toMatchObject({ kind: 'in-use' });
      expect(await mounter.list()).toHaveLength(1);
    } finally {
      process.chdir(before);
    }
  });
});

describe('the volumes that an image declares', () => {
  it('begin with what the image has there, and keep what is written to them', async () => {
    const { pull, container, store } = await start();
    await pull(testImages.layers);
    const stored = await store.resolve(testImages.layers);
    if (stored === undefined) throw new Error('the image is not there');
    const volumes = container.get(ImageVolumes);
    const create = () => volumes.create(stored, ['/data', '/opaque', '/not/there', '/turned'], at('volumes'));
    const made = await create();
    expect(made.map(({ containerPath }) => containerPath)).toEqual([
      '/data',
      '/opaque',
      '/not/there',
      '/turned',
    ]);
    const [data, opaque, absent, file] = made.map(({ hostPath }) => hostPath);
    expect(readdirSync(data ?? '').sort()).toEqual(['a', 'c']);
    expect(readFileSync(`${data}/a`, 'utf8')).toBe('a of layer 2\n');
    expect(readdirSync(opaque ?? '')).toEqual(['new']);
    expect(readdirSync(absent ?? '')).toEqual([]);
    expect(readdirSync(file ?? '')).toEqual([]);
    writeFileSync(`${data}/a`, 'written');
    expect(await create()).toEqual(made);
    expect(readFileSync(`${data}/a`, 'utf8')).toBe('written');
    expect(readdirSync(at('volumes')).sort()).toEqual(['0', '1', '2', '3']);
    expect(mounts()).not.toContain(at('volumes'));
  });

  it('keep owner and mode of the image, and follow no link of it', async () => {
    const { container, pull, images, store } = await start();
    await pull(testImages.busybox);
    mkdirSync(at('build'));
    run(
      'skopeo',
      ...['copy', '-q', '--src-tls-verify=false'],
      `docker://${testImages.busybox}`,
      `oci:${at('build/oci')}:1`,
    );
    run('umoci', 'unpack', '--image', `${at('build/oci')}:1`, at('build/bundle'));
    const root = at('build/bundle/rootfs');
    run('install', '-d', '-o', '1234', '-g', '2345', '-m', '2750', `${root}/srv/db`);
    writeFileSync(`${root}/srv/db/seed`, 'seed', { mode: 0o640 });
    run('chown', '1234:2345', `${root}/srv/db/seed`);
    run('ln', '-s', '/etc', `${root}/srv/link`);
    run('umoci', 'repack', '--image', `${at('build/oci')}:2`, at('build/bundle'));
    run('umoci', 'config', '--image', `${at('build/oci')}:2`, '--config.volume', '/srv/db');
    run('umoci', 'rm', '--image', `${at('build/oci')}:1`);
    const [loaded] = await images.loadImage(at('build/oci'), { reference: 'localhost/db:1' });
    expect(loaded?.volumes).toEqual(['/srv/db']);
    const stored = await store.resolve('localhost/db:1');
    if (stored === undefined) throw new Error('the image is not there');
    const paths = ['/srv/db', '/srv/link/passwd', '/srv/link'];
    const made = await container.get(ImageVolumes).create(stored, paths, at('volumes'));
    const [db, ...links] = made.map(({ hostPath }) => hostPath);
    expect(statSync(db ?? '')).toMatchObject({ uid: 1234, gid: 2345 });
    expect(statSync(db ?? '').mode & 0o7777).toBe(0o2750);
    expect(statSync(`${db}/seed`)).toMatchObject({ uid: 1234, size: 4 });
    for (const link of links) expect(readdirSync(link)).toEqual([]);
  });
});

describe('pinned images', () => {
  it('are marked by name, by pattern and by digest', async () => {
    const plain = await start();
    const digest = digestOf(imageOf(await plain.pull(testImages.busybox)));
    const pinnedImages = [testImages.web, '*/layers:*', `${testRegistry}/podwright/busybox@${digest}`];
    const { pull, images } = await start({ pinnedImages });
    for (const reference of [testImages.web, testImages.layers, testImages.env]) await pull(reference);
    const pinned = (await images.listImages())
      .filter((image) => image.pinned)
      .flatMap(({ repoTags }) => repoTags);
    expect(pinned.sort()).toEqual([testImages.busybox, testImages.layers, testImages.web].sort());
    expect((await images.imageStatus(testImages.env))?.pinned).toBeUndefined();
  });
});
