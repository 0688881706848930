import type { Image } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { toCriImage, toCriImageFsInfo, toImageInfo } from './to-cri-image.js';

const [A, B] = [`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`];
const IMAGE: Image = {
  id: `sha256:${'1'.repeat(64)}`,
  repoTags: ['h:5000/x:1', 'h:5000/x:2'],
  repoDigests: [`h:5000/x@${A}`],
  sizeBytes: 2 ** 40,
  labels: { a: 'b' },
};

describe('toCriImage', () => {
  it('has every name', () => {
    expect(toCriImage({ ...IMAGE, uid: 0, pinned: true })).toEqual({
      id: IMAGE.id,
      repoTags: ['h:5000/x:1', 'h:5000/x:2'],
      repoDigests: [`h:5000/x@${A}`],
      size: 1099511627776n,
      uid: { value: 0n },
      pinned: true,
    });
  });

  it.each<[Partial<Image>, object]>([
    [{}, { uid: { value: 0n } }],
    [{ uid: 0 }, { uid: { value: 0n } }],
    [{ uid: 1002 }, { uid: { value: 1002n } }],
    [{ username: 'www-data' }, { username: 'www-data' }],
  ])('of %j tells a user or an id', (user, expected) => {
    const { uid, username } = { uid: undefined, username: undefined, ...toCriImage({ ...IMAGE, ...user }) };
    expect({ ...(uid && { uid }), ...(username !== undefined && { username }) }).toEqual(expected);
  });

  it.each<[string, readonly string[], readonly string[], readonly string[]]>([
    ['a list by its digest', [], [`h/x@${A}`, `h/x@${B}`], [`h/x@${A}`]],
    ['a list by a tag', ['h/x:1'], [`h/x@${A}`, `h/x@${B}`], [`h/x@${A}`, `h/x@${B}`]],
    ['two repositories', ['h/x:1'], [`h/x@${A}`, `h/y@${B}`], [`h/x@${A}`, `h/y@${B}`]],
    ['a registry with a port', [], [`h:5000/x@${A}`, `h:5000/x@${B}`], [`h:5000/x@${A}`]],
    ['no name', [], [], []],
  ])('of %s has the digests it is called by', (_, repoTags, repoDigests, expected) => {
    expect(toCriImage({ ...IMAGE, repoTags, repoDigests }).repoDigests).toEqual(expected);
  });
});

describe('toImageInfo', () => {
  it('is JSON of labels and configuration', () => {
    const config = { architecture: 'amd64', config: { User: 'app', Cmd: ['sh'] } };
    expect(JSON.parse(toImageInfo(IMAGE, config)['info'] ?? '')).toEqual({
      labels: { a: 'b' },
      imageSpec: config,
    });
    expect(JSON.parse(toImageInfo(IMAGE, undefined)['info'] ?? '')).toEqual({ labels: { a: 'b' } });
  });
});

describe('toCriImageFsInfo', () => {
  it('tells the file system of images, and that containers are on it', () => {
    const usage = {
      timestamp: 5n,
      fsId: { mountpoint: '/store' },
      usedBytes: { value: 10n },
      inodesUsed: { value: 3n },
    };
    expect(
      toCriImageFsInfo(
        { mountpoint: '/store', usedBytes: 10, inodesUsed: 3, capacityBytes: 100, availableBytes: 90 },
        5n,
      ),
    ).toEqual({ imageFilesystems: [usage], containerFilesystems: [usage] });
  });
});
