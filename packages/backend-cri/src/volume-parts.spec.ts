import { link, mkdir, mkdtemp, readlink, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PodwrightError } from '@podwright/core';
import type { MountCallOptions, Mounter } from '@podwright/nsenter';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BackendLayout } from './backend-layout.js';
import { VolumeParts } from './volume-parts.js';

const KEY = 'container';

let folder: string;
let actions: string[];
/** What the kernel does at a mount. */
let onMount: (source: string, target: string) => Promise<void>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'podwright-parts-'));
  await mkdir(join(folder, 'volume'));
  await writeFile(join(folder, 'volume/file'), '');
  actions = [];
});

afterEach(() => rm(folder, { recursive: true }));

async function bind(options: MountCallOptions = {}): Promise<void> {
  const mounter: Pick<Mounter, 'mount' | 'unmountIfMounted'> = {
    mount: async (source, target, type, own, more) => {
      const held = await readlink(source);
      actions.push(`mount ${type} ${held.replace(folder, '')} ${own} ${JSON.stringify(more)}`);
      await onMount(held, target);
    },
    unmountIfMounted: async (path) => {
      actions.push(`unmount ${path.replace(folder, '')}`);
      return true;
    },
  };
  const parts = new VolumeParts(new BackendLayout(folder, join(folder, 'run'), {}), mounter as Mounter);
  const mounts = [{ hostPath: join(folder, 'volume'), subPath: 'file', containerPath: '/f' }];
  await parts.reserve(KEY, mounts);
  await parts.bind(KEY, mounts, options);
}

/** A mount shows the same file, as a link does. */
const shows = async (source: string, target: string) => {
  await unlink(target);
  await link(source, target);
};

describe('a part of a volume', () => {
  it('is mounted by what was opened, and by nothing that looks at its path', async () => {
    onMount = shows;
    await bind();
    expect(actions).toEqual([
      expect.stringContaining('unmount /'),
      'mount undefined /volume/file rbind {"noCanonicalize":true}',
    ]);
  });

  it('is unmounted again when it is not what was opened', async () => {
    onMount = async () => undefined;
    await expect(bind()).rejects.toMatchObject({
      kind: 'container-start-failed',
      message: expect.stringContaining('something else was mounted'),
    });
    expect(actions.at(-1)).toBe(actions[0]);
  });

  it('that cannot be mounted says so in the words of mount(8)', async () => {
    onMount = () => Promise.reject(new PodwrightError('permission-denied', 'mount: must be superuser.'));
    await expect(bind()).rejects.toMatchObject({
      kind: 'container-start-failed',
      message: expect.stringContaining('"file" of'),
      cause: { kind: 'permission-denied', message: 'mount: must be superuser.' },
    });
  });

  it('is cancelled with its caller', async () => {
    onMount = () => Promise.reject(new PodwrightError('cancelled', 'It was cancelled.'));
    await expect(bind({ signal: new AbortController().signal })).rejects.toMatchObject({ kind: 'cancelled' });
    expect(actions.at(-1)).toContain('"signal":');
  });
});
