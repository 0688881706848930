import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger, silentLogger } from '@podwright/core';
import { type HostCommand, HostExecutor, LocalHostExecutor } from '@podwright/nsenter';
import { Container } from 'inversify';
import { NEVER } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArchiveLoader } from './archive-loader.js';
import { ImageStore } from './image-store.js';
import { imagesModule } from './images-module.js';

let folder: string;
const at = (...names: readonly string[]) => join(folder, ...names);
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'podwright-loader-')));
  setPolicy({});
});
afterEach(() => rmSync(folder, { recursive: true }));

const OPEN = [{ type: 'insecureAcceptAnything' }];
const CLOSED = [{ type: 'reject' }];

/** Takes everything but by these scopes. */
function setPolicy(transports: object): void {
  writeFileSync(at('policy.json'), JSON.stringify({ default: OPEN, transports }));
}

/** A loader with the real tar; of skopeo it is noted how it was called. */
async function setUp() {
  const commands: HostCommand[] = [];
  const policies: unknown[] = [];
  const real = new LocalHostExecutor(silentLogger, {});
  const never = () => Promise.reject(new Error('not needed'));
  const container = new Container();
  container.bind(Logger).toConstantValue(silentLogger);
  container.bind(HostExecutor).toConstantValue({
    run: (command) => {
      commands.push(command);
      return real.run(command);
    },
    start: (command) => {
      commands.push(command);
      if (command.command !== 'skopeo') return real.start(command);
      policies.push(
        JSON.parse(readFileSync(command.args[command.args.indexOf('--policy') + 1] ?? '', 'utf8')),
      );
      return real.start({ command: 'true', args: [] });
    },
    which: never,
    hostPath: (path) => path,
  } satisfies HostExecutor);
  await container.load(imagesModule({ runDir: at('run'), tmpDir: folder, policyPath: at('policy.json') }));
  const image = { id: '', repoTags: [], repoDigests: [], sizeBytes: 1, labels: {} };
  (await container.rebind(ImageStore)).toConstantValue({
    resolve: async (id) => ({ image: { ...image, id }, config: {}, lowerDirs: [] }),
    list: never,
    find: never,
    allLayers: async () => [],
    copyTarget: async (name) => ({ destination: `containers-storage:${name}`, env: {} }),
    removeUnfinished: never,
    layerChanges: NEVER,
    deleteLayer: never,
    usage: never,
    setNames: never,
    delete: never,
  } satisfies ImageStore);
  return { load: (path: string) => container.get(ArchiveLoader).load(path), commands, policies };
}

/** A `docker save` archive. @returns its path */
function dockerArchive(config: string): string {
  mkdirSync(at('docker'));
  writeFileSync(at('docker', 'manifest.json'), JSON.stringify([{ Config: config, RepoTags: ['a:1'] }]));
  writeFileSync(at('docker', 'config.json'), '{}');
  // tar acts on checkpoints with every ten records of 10 KiB.
  writeFileSync(at('docker', 'layer.tar'), Buffer.alloc(1024 * 1024));
  const members = ['manifest.json', 'config.json', 'layer.tar'];
  execFileSync('tar', ['--create', '--file', at('docker.tar'), '--directory', at('docker'), ...members]);
  return at('docker.tar');
}

describe('a docker archive', () => {
  it('is loaded', async () => {
    const { load } = await setUp();
    const id = `sha256:${createHash('sha256').update('{}').digest('hex')}`;
    expect(await load(dockerArchive('config.json'))).toMatchObject([{ id }]);
  });

  it('gives tar no option, whatever its manifest.json says', async () => {
    const { load } = await setUp();
    const archive = dockerArchive(`--checkpoint-action=exec=touch ${at('done')}`);
    const error = await load(archive).catch((thrown: unknown) => thrown);
    expect(existsSync(at('done'))).toBe(false);
    expect(error).toMatchObject({ kind: 'invalid-argument' });
  });

  it('has names of its files only behind the end of the options', async () => {
    const { load, commands } = await setUp();
    await load(dockerArchive('config.json'));
    const members = commands
      .filter(({ command, args }) => command === 'tar' && args.includes('--to-stdout'))
      .map(({ args }) => args.slice(-2));
    expect(members).toEqual([
      ['--', 'manifest.json'],
      ['--', 'config.json'],
    ]);
  });
});

/** An OCI layout of one image. @returns its directory */
function layout(): string {
  const blob = (content: object) => {
    const text = JSON.stringify(content);
    const hex = createHash('sha256').update(text).digest('hex');
    mkdirSync(at('layout/blobs/sha256'), { recursive: true });
    writeFileSync(at('layout/blobs/sha256', hex), text);
    return { digest: `sha256:${hex}`, size: text.length };
  };
  const manifest = blob({ schemaVersion: 2, config: blob({}), layers: [] });
  writeFileSync(at('layout/oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(at('layout/index.json'), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
  return at('layout');
}

function ociArchive(): string {
  execFileSync('tar', ['--create', '--gzip', '--file', at('a:b.tgz'), '--directory', layout(), '.']);
  return at('a:b.tgz');
}

describe('what a policy asks of', () => {
  it.each<[string, () => string, () => object, unknown]>([
    ['OCI archives', ociArchive, () => ({ 'oci-archive': { '': CLOSED } }), CLOSED],
    [
      'an OCI archive by its path',
      ociArchive,
      () => ({ 'oci-archive': { [at('a:b.tgz')]: CLOSED } }),
      CLOSED,
    ],
    ['an OCI archive, by no scope of layouts', ociArchive, () => ({ oci: { '': CLOSED } }), OPEN],
    ['an OCI layout by its directory', layout, () => ({ oci: { [at()]: CLOSED } }), CLOSED],
    [
      'an OCI layout that is reached over a link',
      () => {
        symlinkSync(layout(), at('link'));
        return at('link');
      },
      () => ({ oci: { [at('layout')]: CLOSED } }),
      CLOSED,
    ],
  ])('%s is asked of what skopeo gets', async (_what, make, transports, expected) => {
    const path = make();
    setPolicy(transports());
    const { load, policies } = await setUp();
    expect(await load(path)).toHaveLength(1);
    expect(policies).toEqual([{ default: OPEN, transports: { ...transports(), oci: { '': expected } } }]);
  });

  it('docker archives is asked as it stands', async () => {
    setPolicy({ 'docker-archive': { '': CLOSED } });
    const { load, policies } = await setUp();
    await load(dockerArchive('config.json'));
    expect(policies).toEqual([JSON.parse(readFileSync(at('policy.json'), 'utf8'))]);
  });

  it('an archive, where it cannot be read, lets nothing be loaded', async () => {
    const path = ociArchive();
    rmSync(at('policy.json'));
    mkdirSync(at('policy.json'));
    const { load, policies } = await setUp();
    await expect(load(path)).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining(path),
    });
    expect(policies).toEqual([]);
  });
});
