import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
  folder = mkdtempSync(join(tmpdir(), 'podwright-loader-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A loader with the real tar; of skopeo it is noted how it was called. */
async function setUp() {
  const commands: HostCommand[] = [];
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
      return real.start(command.command === 'skopeo' ? { command: 'true', args: [] } : command);
    },
    which: never,
    hostPath: (path) => path,
  } satisfies HostExecutor);
  await container.load(imagesModule({ runDir: at('run'), tmpDir: folder }));
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
  return { load: (path: string) => container.get(ArchiveLoader).load(path), commands };
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
