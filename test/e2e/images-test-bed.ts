// What the tests of images share: services over a store of their own, with real skopeo, containers-storage and
// registries, on the throw-away host with its images.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
import { lastValueFrom, toArray } from 'rxjs';
import { afterEach, beforeEach, expect } from 'vitest';
import { authRegistry, testRegistry } from '../host/images.js';

export const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe' });

/** For each test of a file a directory on a tmpfs, and what works in it. */
export function imagesTestBed() {
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
    return { images, store, pull, commands, container, copies, watchers };
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

  return { at, cleanups, digestOf, failure, imageOf, layerIds, mountTmpfs, pushList, start, storage };
}

/** Services over a store, and the commands that they ran. */
export type ImagesServices = Awaited<ReturnType<ReturnType<typeof imagesTestBed>['start']>>;
