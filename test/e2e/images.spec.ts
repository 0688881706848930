// Images with real skopeo, containers-storage and registries: on the throw-away host with its images.
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import {
  type Image,
  ImageService,
  Logger,
  PodwrightError,
  type PullEvent,
  type PullOptions,
  silentLogger,
} from '@podwright/core';
import { ImageStore, type ImagesOptions, ImageUsers, imagesModule } from '@podwright/images';
import { type HostCommand, HostExecutor, LocalHostExecutor, nsenterModule } from '@podwright/nsenter';
import { Container } from 'inversify';
import { lastValueFrom, type Subscription, toArray } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  absentImage,
  authRegistry,
  deadRegistry,
  testArchives,
  testImages,
  testRegistry,
} from '../host/images.js';
import { StallingProxy } from './stalling-proxy.js';

const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe' });

describe('images', () => {
  let folder: string;
  const cleanups: (() => void | Promise<void>)[] = [];

  beforeEach(() => {
    // On a tmpfs: the root file system of the throw-away host is an overlay, on which no overlay can stand.
    folder = mkdtempSync('/run/podwright-images-');
    cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  /** Services over a store of their own in `folder`, and the commands that they ran. */
  async function start(options: Partial<ImagesOptions> = {}, users: readonly string[] = [], ofHost = false) {
    const container = new Container();
    const commands: HostCommand[] = [];
    const watchers: ((command: HostCommand) => void)[] = [];
    container.bind(Logger).toConstantValue(silentLogger);
    const own = ofHost ? {} : { storeRoot: at('store'), storeRunRoot: at('store-run') };
    const paths = { runDir: at('run'), tmpDir: at('tmp'), ...own };
    mkdirSync(at('tmp'), { recursive: true });
    await container.load(
      nsenterModule({ mode: 'local' }),
      imagesModule({ ...paths, insecureRegistries: [testRegistry, authRegistry.address], ...options }),
    );
    const real = new LocalHostExecutor(silentLogger, {});
    const seen = <T extends HostCommand>(command: T): T => {
      commands.push(command);
      for (const watcher of watchers) watcher(command);
      return command;
    };
    const executor: HostExecutor = {
      run: (command) => real.run(seen(command)),
      start: (command) => real.start(seen(command)),
      which: (name) => real.which(name),
      hostPath: (path) => real.hostPath(path),
    };
    (await container.rebind(HostExecutor)).toConstantValue(executor);
    (await container.rebind(ImageUsers)).toConstantValue({ users: () => Promise.resolve(users) });
    const images = container.get(ImageService);
    const store = container.get(ImageStore);
    const pull = (reference: string, pullOptions?: PullOptions): Promise<PullEvent[]> =>
      lastValueFrom(images.pullImage(reference, pullOptions).pipe(toArray()));
    const copies = () =>
      commands.filter(({ command, args }) => command === 'skopeo' && args.includes('copy'));
    return { images, store, pull, commands, copies, watchers };
  }

  const at = (...names: string[]) => join(folder, ...names);
  const layerIds = () =>
    (JSON.parse(readFileSync(at('store/overlay-layers/layers.json'), 'utf8')) as { id: string }[]).map(
      ({ id }) => id,
    );
  const storeFlags = () => [
    ...['-g', at('store'), '-R', at('store-run'), '-s', 'overlay'],
    ...['--storage-opt', 'overlay.skip_mount_home=true'],
  ];
  const storage = (command: string, ...args: string[]) =>
    run('containers-storage', command, ...storeFlags(), ...args);
  const failure = async (work: Promise<unknown>): Promise<PodwrightError> => {
    const error = await work.then(
      () => new Error('it succeeded'),
      (thrown: unknown) => thrown,
    );
    if (!PodwrightError.is(error)) throw error;
    return error;
  };
  const imageOf = (events: readonly PullEvent[]): Image => {
    const last = events.at(-1);
    if (last?.type !== 'done') throw new Error(`the pull did not end with done: ${JSON.stringify(last)}`);
    return last.image;
  };
  const digestOf = (image: Image): string => image.repoDigests[0]?.split('@')[1] ?? '';
  const mountTmpfs = (path: string, size: string) => {
    mkdirSync(path, { recursive: true });
    run('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'podwright-test', path);
    cleanups.push(() => {
      run('umount', path);
    });
  };

  describe('pulling', () => {
    it('tells its progress, layer by layer, and ends with the image', async () => {
      const { pull, images } = await start();
      const events = await pull(testImages.layers);
      expect(events[0]).toEqual({ type: 'resolving', reference: testImages.layers });
      const layers = events.filter((event) => event.type === 'layer');
      const states = new Map<string, string[]>();
      for (const { digest, state, totalBytes } of layers) {
        expect(totalBytes).toBeGreaterThan(0);
        states.set(digest, [...(states.get(digest) ?? []), state]);
      }
      expect([...states.values()]).toEqual(Array.from({ length: 4 }, () => ['downloading', 'done']));
      expect(events.slice(-2).map(({ type }) => type)).toEqual(['storing', 'done']);
      const image = imageOf(events);
      expect(image).toMatchObject({ repoTags: [testImages.layers], uid: 0 });
      expect(image.repoDigests).toEqual([
        expect.stringMatching(/^127\.0\.0\.1:5000\/podwright\/layers@sha256:/),
      ]);
      expect(await images.imageStatus(testImages.layers)).toEqual(image);
      expect(await images.listImages()).toEqual([image]);
    });

    it('says of layers that are there that they are present', async () => {
      const { pull } = await start();
      await pull(testImages.busybox);
      const again = (await pull(testImages.busybox)).flatMap((event) =>
        event.type === 'layer' ? [event.state] : [],
      );
      expect(again).toEqual(['present']);
      const web = (await pull(testImages.web)).flatMap((event) =>
        event.type === 'layer' ? [event.state] : [],
      );
      expect(web).toEqual(['present', 'downloading', 'done']);
    });

    it('gives the layers in the order that overlay wants', async () => {
      const { pull, store } = await start();
      await pull(testImages.layers);
      const stored = await store.resolve(testImages.layers);
      expect(stored?.lowerDirs).toHaveLength(4);
      mkdirSync(at('root'));
      run(
        'mount',
        '-t',
        'overlay',
        'overlay',
        '-o',
        `ro,lowerdir=${stored?.lowerDirs.join(':')}`,
        at('root'),
      );
      cleanups.push(() => {
        run('umount', at('root'));
      });
      expect(readFileSync(at('root/data/a'), 'utf8')).toBe('a of layer 2\n');
      expect(readdirSync(at('root/data')).sort()).toEqual(['a', 'c']);
      expect(readdirSync(at('root/opaque'))).toEqual(['new']);
      expect(statSync(at('root/turned')).isFile()).toBe(true);
    });

    it('reads user, environment, entrypoint and signal of the configuration', async () => {
      const { pull, store } = await start();
      expect(imageOf(await pull(testImages.nonroot))).toMatchObject({ username: 'app' });
      expect(imageOf(await pull(testImages.nonrootUid))).toMatchObject({ uid: 1000 });
      await pull(testImages.env);
      await pull(testImages.signal);
      expect((await store.resolve(testImages.env))?.config.config?.Env).toContain('LINES=one\ntwo');
      expect((await store.resolve(testImages.signal))?.config.config).toMatchObject({
        Entrypoint: ['/bin/wait-for-signal'],
        StopSignal: 'SIGUSR1',
      });
    });

    it('records digests as docker does: with tag and digest, the digest counts', async () => {
      const { pull, images } = await start();
      const tagged = imageOf(await pull(testImages.web));
      const digest = digestOf(tagged);
      await images.removeImage(testImages.web);
      const byDigest = imageOf(await pull(`${testRegistry}/podwright/web@${digest}`));
      expect(byDigest).toMatchObject({ id: tagged.id, repoTags: [], repoDigests: tagged.repoDigests });
      const byBoth = imageOf(await pull(`${testRegistry}/podwright/web:whatever@${digest}`));
      expect(byBoth).toEqual(byDigest);
      expect(await images.imageStatus(`${testRegistry}/podwright/web:other@${digest}`)).toEqual(byDigest);
      expect(await images.imageStatus(testImages.web)).toBeUndefined();
      expect(storage('images')).toContain(`name: ${testRegistry}/podwright/web@${digest}`);
    });

    it('takes the manifest for this host out of a list, and knows the image by both digests', async () => {
      const { pull, images } = await start();
      const list = await pushList('list', [
        ['s390x', testImages.web],
        [{ x64: 'amd64' }[process.arch as string] ?? process.arch, testImages.busybox],
      ]);
      const image = imageOf(await pull(`${testRegistry}/podwright/web:list`));
      const plain = imageOf(await pull(testImages.busybox));
      expect(image.id).toBe(plain.id);
      const [own] = plain.repoDigests.map((name) => name.split('@')[1]);
      for (const digest of [list, own]) {
        expect((await images.imageStatus(`${testRegistry}/podwright/web@${digest}`))?.id).toBe(image.id);
      }
      expect(imageOf(await pull(`${testRegistry}/podwright/web@${list}`)).id).toBe(image.id);
    });

    it('says when a list has nothing for this host', async () => {
      const { pull } = await start();
      await pushList('foreign', [['s390x', testImages.web]]);
      const error = await failure(pull(`${testRegistry}/podwright/web:foreign`));
      expect(error).toMatchObject({ kind: 'image-not-found' });
      expect(error.message).toContain('not made for this platform');
    });

    it('shares concurrent pulls of one reference', async () => {
      const { pull, copies } = await start();
      const [one, two] = await Promise.all([pull(testImages.web), pull(`${testRegistry}/podwright/web:1`)]);
      expect(two).toEqual(one);
      expect(copies()).toHaveLength(1);
      await pull(testImages.web);
      expect(copies()).toHaveLength(2);
    });

    it('pulls different images at once', async () => {
      const { pull, images } = await start();
      await Promise.all(
        [testImages.web, testImages.layers, testImages.stdout, testImages.nonroot].map((one) => pull(one)),
      );
      expect(await images.listImages()).toHaveLength(4);
    });

    it('leaves no mount, no temporary file and no credentials on the host', async () => {
      const { pull } = await start();
      const { username, password } = authRegistry;
      await pull(authRegistry.busybox, { auth: { username, password } });
      expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(folder);
      expect(readdirSync(at('tmp'))).toEqual([]);
      expect(readdirSync(at('run/auth'))).toEqual([]);
    });
  });

  describe('credentials', () => {
    const { busybox, username, password } = authRegistry;

    it('go through a file that only root can read, and through no command line', async () => {
      const { pull, commands, watchers } = await start();
      const modes = new Set<number>();
      watchers.push(({ args }) => {
        const path = args.find((arg) => arg.startsWith(at('run/auth/')));
        if (path !== undefined) modes.add(statSync(path).mode & 0o777);
      });
      await pull(busybox, { auth: { username, password } });
      expect([...modes]).toEqual([0o600]);
      expect(statSync(at('run/auth')).mode & 0o777).toBe(0o700);
      const encoded = Buffer.from(`${username}:${password}`).toString('base64');
      for (const { args, env } of commands) {
        const shown = JSON.stringify([args, env]);
        expect(shown).not.toContain(password);
        expect(shown).not.toContain(encoded);
      }
    });

    it('can be a file of the caller, which stays', async () => {
      const { pull } = await start();
      const auth = Buffer.from(`${username}:${password}`).toString('base64');
      writeFileSync(at('auth.json'), JSON.stringify({ auths: { [authRegistry.address]: { auth } } }));
      expect(imageOf(await pull(busybox, { authFile: at('auth.json') })).repoTags).toEqual([busybox]);
      expect(existsSync(at('auth.json'))).toBe(true);
      expect(await failure(pull(busybox, { authFile: at('absent.json') }))).toMatchObject({
        kind: 'invalid-argument',
      });
    });

    it('are not shared with somebody who pulls the same at the same time', async () => {
      const { pull } = await start();
      const [mine, theirs] = await Promise.allSettled([
        pull(busybox, { auth: { username, password } }),
        pull(busybox, { auth: { username, password: 'wrong' } }),
      ]);
      expect(mine.status).toBe('fulfilled');
      expect(theirs).toMatchObject({ status: 'rejected', reason: { kind: 'unauthorized' } });
    });
  });

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

    it('honours the registries.conf it is given', async () => {
      writeFileSync(at('registries.conf'), `[[registry]]\nlocation = "${testRegistry}"\ninsecure = true\n`);
      const { pull } = await start({ insecureRegistries: [], registriesConf: at('registries.conf') });
      expect(imageOf(await pull(testImages.busybox)).repoTags).toEqual([testImages.busybox]);
    });

    it('names policy.json when that rejects the image, unless told to skip it', async () => {
      writeFileSync(at('policy.json'), '{"default":[{"type":"reject"}]}');
      const { pull, images } = await start({ policyPath: at('policy.json') });
      const error = await failure(pull(testImages.busybox));
      expect(error).toMatchObject({ kind: 'permission-denied' });
      expect(error.message).toContain('policy.json');
      expect(await images.listImages()).toEqual([]);
      expect(await failure(images.loadImage(testArchives.oci))).toMatchObject({ kind: 'permission-denied' });
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
      expect(await failure(pull(testImages.web))).toMatchObject({ kind: 'permission-denied' });
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
    async function stalled(
      services: Awaited<ReturnType<typeof start>>,
      proxy: StallingProxy,
      toDownload = 3,
    ) {
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

  describe('loading', () => {
    it.each([
      ['an OCI archive', testArchives.oci],
      ['a docker archive', testArchives.docker],
    ])('%s brings the same image as a pull', async (_, path) => {
      const { pull, images } = await start();
      const [loaded] = await images.loadImage(path);
      expect(loaded).toMatchObject({ repoTags: [testArchives.reference], uid: 0 });
      expect(imageOf(await pull(testImages.busybox)).id).toBe(loaded?.id);
      expect(readdirSync(at('tmp'))).toEqual([]);
    });

    it('takes every image of an OCI layout directory', async () => {
      const { images } = await start();
      const layout = '/run/podwright-test/layout';
      const { manifests } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as {
        manifests: object[];
      };
      const loaded = await images.loadImage(layout);
      expect(loaded).toHaveLength(manifests.length);
      expect(await images.imageStatus('web')).toMatchObject({ repoTags: ['docker.io/library/web:latest'] });
      expect(await failure(images.loadImage(layout, { reference: 'one:1' }))).toMatchObject({
        kind: 'invalid-argument',
      });
    });

    it('takes compressed archives, paths with a colon, and a name of the caller', async () => {
      const { images } = await start();
      for (const [name, source] of Object.entries({
        'oci:1.tar.gz': testArchives.oci,
        'docker:1.tar.gz': testArchives.docker,
      })) {
        writeFileSync(at(name), gzipSync(readFileSync(source)));
        const [loaded] = await images.loadImage(at(name), { reference: `own/${name.split(':')[0]}` });
        expect(loaded?.repoTags).toContain(`docker.io/own/${name.split(':')[0]}:latest`);
      }
      expect(await images.imageStatus(testArchives.reference)).toBeUndefined();
    });

    it('takes an image without a name', async () => {
      const { images } = await start();
      run('cp', '-r', '/run/podwright-test/layout', at('layout'));
      const index = JSON.parse(readFileSync(at('layout/index.json'), 'utf8')) as {
        manifests: { annotations?: object }[];
      };
      const [first] = index.manifests;
      delete first?.annotations;
      writeFileSync(at('layout/index.json'), JSON.stringify({ ...index, manifests: [first] }));
      const [loaded] = await images.loadImage(at('layout'));
      expect(loaded).toMatchObject({ repoTags: [], repoDigests: [] });
      expect((await images.listImages()).map(({ id }) => id)).toEqual([loaded?.id]);
    });

    it.each<[string, () => string, string, string]>([
      ['a path that is not there', () => '/absent.tar', 'not-found', '/absent.tar'],
      ['a file that is no archive', () => '/etc/hostname', 'invalid-argument', 'no readable tar'],
      ['a directory that is no layout', () => '/etc', 'invalid-argument', 'no OCI layout'],
      ['an archive of something else', () => tarOf('/etc/hostname'), 'invalid-argument', 'no image'],
      ['half an archive', () => halfOf(testArchives.docker), 'invalid-argument', 'Unexpected EOF'],
    ])('%s is an error', async (_, path, kind, text) => {
      const { images } = await start();
      const error = await failure(images.loadImage(path()));
      expect(error).toMatchObject({ kind });
      expect(error.message).toContain(text);
      expect(await images.listImages()).toEqual([]);
      expect(readdirSync(at('tmp'))).toEqual([]);
    });

    const tarOf = (path: string) => {
      run('tar', '-cf', at('other.tar'), path);
      return at('other.tar');
    };
    const halfOf = (path: string) => {
      run('cp', path, at('half.tar'));
      truncateSync(at('half.tar'), 100_000);
      return at('half.tar');
    };
  });

  describe('the store', () => {
    it('is read correctly while another program writes to it', async () => {
      const { pull, store, images } = await start();
      await pull(testImages.busybox);
      const other = `containers-storage:[overlay@${at('store')}+${at('store-run')}:overlay.skip_mount_home=true]`;
      let isWriting = true;
      const writer = (async () => {
        const executor = new LocalHostExecutor(silentLogger, {});
        const copy = [
          'copy',
          '--src-tls-verify=false',
          `docker://${testImages.layers}`,
          `${other}localhost/other:1`,
        ];
        const drop = ['delete', `${other}localhost/other:1`];
        for (let round = 0; round < 8; round++) {
          await executor.run({ command: 'skopeo', args: copy });
          await executor.run({ command: 'skopeo', args: drop });
        }
        isWriting = false;
      })();
      let seen = 0;
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
      await writer;
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
      mkdirSync(at('tmp', left));
      writeFileSync(at('tmp', left, 'blob'), 'half');
      writeFileSync(at('run/auth/left.json'), '{}');
      mkdirSync(at('tmp/of-somebody-else'));
      await (await start()).pull(testImages.busybox);
      expect(readdirSync(at('tmp'))).toEqual(['of-somebody-else']);
      expect(readdirSync(at('run/auth'))).toEqual([]);
    });
  });

  /** Puts a list of manifests into the registry as `web:TAG`, one image for each architecture. @returns its digest */
  async function pushList(tag: string, entries: readonly (readonly [string, string])[]): Promise<string> {
    const layout = mkdtempSync(join(tmpdir(), 'podwright-list-'));
    cleanups.push(() => rmSync(layout, { recursive: true, force: true }));
    const manifests = entries.map(([architecture, reference]) => {
      const target = `${testRegistry}/podwright/web:${tag}-${architecture}`;
      run(
        'skopeo',
        ...['copy', '--quiet', '--src-tls-verify=false', '--dest-tls-verify=false'],
        ...[`docker://${reference}`, `docker://${target}`],
      );
      const raw = run('skopeo', 'inspect', '--raw', '--tls-verify=false', `docker://${target}`);
      writeFileSync(join(layout, 'manifest'), raw);
      return {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest: run('skopeo', 'manifest-digest', join(layout, 'manifest')).trim(),
        size: Buffer.byteLength(raw),
        platform: { os: 'linux', architecture },
      };
    });
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    const answer = await fetch(`http://${testRegistry}/v2/podwright/web/manifests/${tag}`, {
      method: 'PUT',
      headers: { 'Content-Type': mediaType },
      body: JSON.stringify({ schemaVersion: 2, mediaType, manifests }),
    });
    expect(answer.status).toBe(201);
    return answer.headers.get('Docker-Content-Digest') ?? '';
  }
});
