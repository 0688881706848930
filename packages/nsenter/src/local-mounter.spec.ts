import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ErrorKind, Logger, PodwrightError, silentLogger } from '@podwright/core';
import { Container } from 'inversify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFakeNsenter } from './fake-nsenter.js';
import { LocalMounter } from './local-mounter.js';
import { Mounter } from './mounter.js';
import { NsenterHostExecutor } from './nsenter-host-executor.js';
import { nsenterModule } from './nsenter-module.js';
import { NsenterMounter } from './nsenter-mounter.js';

async function expectKind(action: Promise<unknown>, kind: ErrorKind): Promise<PodwrightError> {
  const thrown = await action.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!PodwrightError.is(thrown, kind))
    throw new Error(`It was no error of kind ${kind}.`, { cause: thrown });
  return thrown;
}

describe('mounters look at files', () => {
  let directory: string;
  beforeEach(() => {
    directory = realpathSync(mkdtempSync(join(tmpdir(), 'mounter-')));
    mkdirSync(join(directory, 'a b\nc'));
    mkdirSync(join(directory, 'full'));
    writeFileSync(join(directory, 'full/file'), '');
    symlinkSync('a b\nc', join(directory, 'link'));
    symlinkSync('loop', join(directory, 'loop'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const mounters: [string, () => Promise<Mounter>][] = [
    ['on the host', async () => localMounter()],
    [
      'from inside a container',
      async () => {
        const nsenter = await createFakeNsenter({ rootfsLink: join(directory, 'rootfs') });
        return new NsenterMounter(new NsenterHostExecutor(nsenter), nsenter, silentLogger);
      },
    ],
  ];

  function localMounter(): Mounter {
    const container = new Container();
    container.bind(Logger).toConstantValue(silentLogger);
    container.load(nsenterModule({ mode: 'local' }));
    return container.get(Mounter);
  }

  describe.each(mounters)('%s', (_, make) => {
    it('finds mount points, through links too', async () => {
      const mounter = await make();
      expect((await mounter.list()).some(({ path }) => path === '/proc')).toBe(true);
      expect(await mounter.isMountPoint('/proc')).toBe(true);
      expect(await mounter.isLikelyNotMountPoint('/proc')).toBe(false);
      expect(await mounter.isMountPoint(join(directory, 'link'))).toBe(false);
      expect(await mounter.isLikelyNotMountPoint(join(directory, 'link'))).toBe(true);
    });

    it('tells what is not there and what runs in a circle', async () => {
      const mounter = await make();
      const none = join(directory, 'none');
      await expectKind(mounter.isLikelyNotMountPoint(none), 'not-found');
      await expectKind(mounter.isMountPoint(none), 'not-found');
      expect(await mounter.getMountRefs(none)).toEqual([]);
      await expectKind(mounter.isMountPoint(join(directory, 'loop')), 'failed-precondition');
    });

    it('removes a mount point, and never what is in it', async () => {
      const mounter = await make();
      await mounter.cleanUpMountPoint(join(directory, 'a b\nc'));
      await mounter.cleanUpMountPoint(join(directory, 'full/file'));
      await mounter.cleanUpMountPoint(join(directory, 'none'));
      await expectKind(mounter.isMountPoint(join(directory, 'a b\nc')), 'not-found');
      writeFileSync(join(directory, 'full/file'), '');
      await expectKind(mounter.cleanUpMountPoint(join(directory, 'full')), 'in-use');
    });
  });

  it('is chosen with the executor', async () => {
    expect(localMounter()).toBeInstanceOf(LocalMounter);
    const container = new Container();
    container.bind(Logger).toConstantValue(silentLogger);
    container.load(nsenterModule({ mode: 'in-container', hostRoot: '/host' }));
    expect(container.get(Mounter)).toBeInstanceOf(NsenterMounter);
    const { details } = await expectKind(container.get(Mounter).list(), 'missing-requirement');
    expect(details['path']).toBe('/host/proc/1/mountinfo');
  });
});
