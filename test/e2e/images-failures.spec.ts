import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type ImageService, type PullOptions } from '@podwright/core';
import type { Subscription } from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import {
  absentImage,
  authRegistry,
  deadRegistry,
  testArchives,
  testImages,
  testRegistry,
} from '../host/images.js';
import { type ImagesServices, imagesTestBed, run } from './images-test-bed.js';
import { StallingProxy } from './stalling-proxy.js';

const { at, cleanups, failure, imageOf, layerIds, mountTmpfs, start } = imagesTestBed();

describe('a failed pull', () => {
  const wrong = { username: authRegistry.username, password: 'wrong' };
  it.each<[string, string, PullOptions | undefined, string, string]>([
    [
      'a missing tag',
      `${testRegistry}/podwright/busybox:absent`,
      undefined,
      'image-not-found',
      'manifest unknown',
    ],
    ['a missing repository', absentImage, undefined, 'image-not-found', 'manifest unknown'],
    [
      'a missing digest',
      `${absentImage}@sha256:${'0'.repeat(64)}`,
      undefined,
      'image-not-found',
      'manifest unknown',
    ],
    ['no credentials', authRegistry.busybox, undefined, 'unauthorized', 'authentication required'],
    ['a wrong password', authRegistry.busybox, { auth: wrong }, 'unauthorized', 'authentication required'],
    ['a registry that is not there', `${deadRegistry}/x:1`, undefined, 'unreachable', 'connection refused'],
    [
      'a host that is not there',
      'no-such-host.invalid/x:1',
      undefined,
      'unreachable',
      'no-such-host.invalid',
    ],
    ['a wrong reference', 'Busybox', undefined, 'invalid-argument', 'capital letters'],
  ])('for %s is told apart', async (_, reference, options, kind, text) => {
    const { pull, images } = await start();
    const error = await failure(pull(reference, options));
    expect(error).toMatchObject({ kind });
    expect(error.message).toContain(text);
    expect(error.message).not.toContain('wrong password');
    expect(readdirSync(at('tmp'))).toEqual([]);
    expect(await images.listImages()).toEqual([]);
  });

  it('says that a registry without TLS has to be named, also on loopback', async () => {
    const { pull } = await start({ insecureRegistries: [] });
    const error = await failure(pull(testImages.busybox));
    expect(error).toMatchObject({ kind: 'unreachable' });
    expect(error.message).toContain('insecureRegistries');
  });

  it('does without a name for it where loopback is taken so', async () => {
    const { pull } = await start({ insecureRegistries: [], insecureLoopback: true });
    expect(imageOf(await pull(testImages.busybox)).repoTags).toEqual([testImages.busybox]);
    const auth = { username: authRegistry.username, password: authRegistry.password };
    await pull(authRegistry.busybox, { auth });
    const remote = await failure(pull('no-such-host.invalid:5000/x:1'));
    expect(remote).toMatchObject({ kind: 'unreachable' });
  });

  it('honours the registries.conf it is given', async () => {
    writeFileSync(at('registries.conf'), `[[registry]]\nlocation = "${testRegistry}"\ninsecure = true\n`);
    const { pull } = await start({ insecureRegistries: [], registriesConf: at('registries.conf') });
    expect(imageOf(await pull(testImages.busybox)).repoTags).toEqual([testImages.busybox]);
  });

  it('names policy.json when that rejects the image, unless told to skip it', async () => {
    writeFileSync(at('policy.json'), '{"default":[{"type":"reject"}]}');
    const { pull, images } = await start({ policyPath: at('policy.json') });
    const error = await failure(pull(testImages.busybox));
    expect(error).toMatchObject({ kind: 'signature-rejected' });
    expect(error.message).toContain('policy.json');
    expect(await images.listImages()).toEqual([]);
    expect(await failure(images.loadImage(testArchives.oci))).toMatchObject({ kind: 'signature-rejected' });
    const lax = await start({ insecurePolicy: true });
    expect(imageOf(await lax.pull(testImages.busybox)).repoTags).toEqual([testImages.busybox]);
  });

  it('removes what a killed writer had begun', async () => {
    writeFileSync(at('policy.json'), '{"default":[{"type":"reject"}]}');
    await (await start()).pull(testImages.busybox);
    const lists = at('store/overlay-layers/layers.json');
    const id = 'f'.repeat(64);
    const layers = JSON.parse(readFileSync(lists, 'utf8')) as object[];
    writeFileSync(lists, JSON.stringify([...layers, { id, flags: { incomplete: true } }]));
    mkdirSync(at('store/overlay', id, 'diff'), { recursive: true });
    const { pull } = await start({ policyPath: at('policy.json') });
    expect(await failure(pull(testImages.web))).toMatchObject({ kind: 'signature-rejected' });
    expect(layerIds()).toHaveLength(1);
    expect(existsSync(at('store/overlay', id))).toBe(false);
  });

  it('says that a policy.json is missing', async () => {
    const { pull } = await start({ policyPath: at('absent.json') });
    expect(await failure(pull(testImages.busybox))).toMatchObject({ kind: 'missing-requirement' });
  });

  it('for want of space in the store leaves the store as it was', async () => {
    mountTmpfs(at('store'), '1600k');
    const { pull, images } = await start();
    expect(await failure(pull(testImages.busybox))).toMatchObject({ kind: 'no-space' });
    expect(await images.listImages()).toEqual([]);
    expect(layerIds()).toEqual([]);
  });

  it('for want of space for temporary files says so', async () => {
    mountTmpfs(at('tmp'), '100k');
    const { pull } = await start();
    expect(await failure(pull(testImages.busybox))).toMatchObject({ kind: 'no-space' });
    expect(readdirSync(at('tmp'))).toEqual([]);
  });
});

describe('a cancelled pull', () => {
  /** A pull through a registry that never ends the last layer, when the others are in the store. */
  async function stalled(services: ImagesServices, proxy: StallingProxy, toDownload = 3) {
    const manifest = JSON.parse(
      run('skopeo', 'inspect', '--raw', '--tls-verify=false', `docker://${testImages.layers}`),
    ) as { layers: { digest: string }[] };
    proxy.stall(manifest.layers.at(-1)?.digest ?? '');
    const reference = `${proxy.address}/podwright/layers:1`;
    const errors: unknown[] = [];
    let done = 0;
    const subscription = await new Promise<Subscription>((resolve) => {
      const running = services.images.pullImage(reference).subscribe({
        next: (event) => {
          if (event.type === 'layer' && event.state === 'done') done++;
          if (done === toDownload) void proxy.stalled.then(() => resolve(running));
        },
        error: (error) => errors.push(error),
      });
    });
    expect(layerIds()).toHaveLength(3);
    return { reference, subscription, errors };
  }

  async function startWithProxy() {
    const proxy = await StallingProxy.listen(testRegistry);
    cleanups.push(() => proxy.close());
    const services = await start({ insecureRegistries: [proxy.address, testRegistry] });
    return { proxy, services };
  }

  it('ends skopeo and leaves no half image', async () => {
    const { proxy, services } = await startWithProxy();
    const { reference, subscription, errors } = await stalled(services, proxy);
    subscription.unsubscribe();
    await proxy.hungUp;
    await vi.waitFor(() => expect(layerIds()).toEqual([]), { timeout: 20_000 });
    await vi.waitFor(() => expect(readdirSync(at('tmp'))).toEqual([]), { timeout: 20_000 });
    expect(errors).toEqual([]);
    expect(await services.images.imageStatus(reference)).toBeUndefined();
    expect(imageOf(await services.pull(testImages.layers)).repoTags).toEqual([testImages.layers]);
  });

  it('ends when the service is closed, which waits for it', async () => {
    const { proxy, services } = await startWithProxy();
    const { errors } = await stalled(services, proxy);
    await (services.images as ImageService & AsyncDisposable)[Symbol.asyncDispose]();
    expect(errors).toMatchObject([{ kind: 'cancelled' }]);
    expect(layerIds()).toEqual([]);
    expect(readdirSync(at('tmp'))).toEqual([]);
    expect(await failure(services.pull(testImages.web))).toMatchObject({ kind: 'closed' });
  });

  it('goes on while another subscriber wants the image', async () => {
    const { proxy, services } = await startWithProxy();
    const { reference, subscription } = await stalled(services, proxy);
    const other = services.pull(reference);
    subscription.unsubscribe();
    proxy.release();
    expect(imageOf(await other).repoTags).toEqual([reference]);
    expect(services.copies()).toHaveLength(1);
  });

  it('keeps a removal waiting that would take its layers', async () => {
    const { proxy, services } = await startWithProxy();
    await services.pull(testImages.busybox);
    const { reference } = await stalled(services, proxy, 2);
    const other = services.pull(reference);
    const order: string[] = [];
    const removal = services.images.removeImage(testImages.busybox).then(() => order.push('removed'));
    const pulled = other.then(() => order.push('pulled'));
    proxy.release();
    await Promise.all([removal, pulled]);
    expect(order).toEqual(['pulled', 'removed']);
    expect((await services.store.resolve(reference))?.lowerDirs).toHaveLength(4);
  });
});
