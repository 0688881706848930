import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger, PodwrightError, type PullEvent, silentLogger } from '@podwright/core';
import { HostExecutor, type RunCommand } from '@podwright/nsenter';
import { Container } from 'inversify';
import { lastValueFrom, NEVER, tap } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ImageStore, type StoredImage } from './image-store.js';
import { imagesModule } from './images-module.js';
import type { ImagesOptions } from './images-options.js';
import { SharedPulls } from './shared-pulls.js';

const NAME = 'registry.test/library/x:1';
const LAYER = `sha256:${'1'.repeat(64)}`;
const MANIFEST = JSON.stringify({
  config: { digest: `sha256:${'c'.repeat(64)}` },
  layers: [{ digest: LAYER }],
});
const DIGEST = `sha256:${createHash('sha256').update(MANIFEST).digest('hex')}`;
const IMAGE = {
  id: `sha256:${'a'.repeat(64)}`,
  repoTags: [NAME],
  repoDigests: [`registry.test/library/x@${DIGEST}`],
  sizeBytes: 1,
  uid: 0,
  labels: {},
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'podwright-puller-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Pulls, and tells whether skopeo was asked to copy; that fails. */
async function pull(
  resolve: () => Promise<StoredImage | undefined>,
  options: Partial<ImagesOptions> = { insecurePolicy: true },
) {
  const commands: string[] = [];
  const never = () => Promise.reject(new Error('not needed'));
  const executor: HostExecutor = {
    run: async ({ args }: RunCommand) => {
      commands.push(args.find((arg) => arg === 'inspect') ?? args.join(' '));
      return { stdout: Buffer.from(MANIFEST), stderr: Buffer.alloc(0), exitCode: 0 };
    },
    start: async () => {
      commands.push('copy');
      throw new PodwrightError('command-failed', 'no copy');
    },
    which: never,
    hostPath: (path) => path,
  };
  const store: ImageStore = {
    resolve,
    list: never,
    find: never,
    allLayers: async () => [{ id: 'l', compressedDigest: LAYER, sizeBytes: 1, used: true }],
    copyTarget: async (name) => ({ destination: `containers-storage:${name}`, env: {} }),
    removeUnfinished: async () => undefined,
    layerChanges: NEVER,
    deleteLayer: never,
    usage: never,
    setNames: never,
    delete: never,
  };
  const container = new Container();
  container.bind(Logger).toConstantValue(silentLogger);
  container.bind(HostExecutor).toConstantValue(executor);
  await container.load(imagesModule({ runDir: join(folder, 'run'), tmpDir: folder, ...options }));
  (await container.rebind(ImageStore)).toConstantValue(store);
  const events: PullEvent[] = [];
  const pulled = container
    .get(SharedPulls)
    .pull(NAME)
    .pipe(tap((event) => events.push(event)));
  const last = await lastValueFrom(pulled).catch(() => undefined);
  return { commands, last, events };
}

const stored = (changes: Partial<typeof IMAGE> = {}): StoredImage => ({
  image: { ...IMAGE, ...changes },
  config: {},
  lowerDirs: [],
});

describe('what the store has under this name, as the registry has it', () => {
  it('is not copied again', async () => {
    const { commands, last, events } = await pull(async () => stored());
    expect(commands).toEqual(['inspect']);
    expect(last).toEqual({ type: 'done', image: IMAGE });
    expect(events).toMatchObject([
      { type: 'resolving' },
      { type: 'layer', digest: LAYER, state: 'present' },
      { type: 'done' },
    ]);
  });

  it.each<[string, () => Promise<StoredImage | undefined>, Partial<ImagesOptions>]>([
    ['where a policy may ask for more', async () => stored(), { policyPath: '/nowhere/policy.json' }],
    [
      'when the registry has another one by now',
      async () => stored({ repoDigests: [] }),
      { insecurePolicy: true },
    ],
    ['when it has other names only', async () => stored({ repoTags: [] }), { insecurePolicy: true }],
    ['when there is none', async () => undefined, { insecurePolicy: true }],
    [
      'when it is damaged',
      async () => {
        throw new PodwrightError('corrupt-state', 'A layer is missing.');
      },
      { insecurePolicy: true },
    ],
  ])('is copied %s', async (_what, resolve, options) => {
    expect((await pull(resolve, options)).commands).toEqual(['inspect', 'copy']);
  });
});
