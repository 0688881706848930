import { type Pod, parsePod } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { evictionMessage, hasStorageLimits, type StorageUsage } from './storage-limits.js';

const disk = (name: string, sizeLimit?: string, medium = '') => ({
  name,
  emptyDir: { medium, ...(sizeLimit === undefined ? {} : { sizeLimit }) },
});

function podOf(
  volumes: readonly object[],
  limits: Readonly<Record<string, string>> = {},
  inits: Readonly<Record<string, string>> = {},
): Pod {
  const made = (all: Readonly<Record<string, string>>) =>
    Object.entries(all).map(([name, limit]) => ({
      ...{ name, image: 'i' },
      resources: limit === '' ? {} : { limits: { 'ephemeral-storage': limit } },
    }));
  return parsePod({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: {
      volumes,
      containers: [...made(limits), { name: 'plain', image: 'i' }],
      initContainers: made(inits),
    },
  });
}

function usageOf(
  volumes: Readonly<Record<string, number>>,
  layers: Readonly<Record<string, number>> = {},
): StorageUsage {
  const of = (all: Readonly<Record<string, number>>) => Object.entries(all);
  return {
    volumes: of(volumes).map(([name, usedBytes]) => ({ name, usedBytes, inodesUsed: 1 })),
    containers: of(layers).map(([name, usedBytes]) => ({
      name,
      writableLayer: { mountpoint: '/', usedBytes, inodesUsed: 1 },
    })),
  };
}

describe('evictionMessage', () => {
  it.each<[string, Pod, StorageUsage, string | undefined]>([
    ['an emptyDir at its limit', podOf([disk('v', '1Ki')]), usageOf({ v: 1024 }), undefined],
    [
      'an emptyDir above it',
      podOf([disk('v', '1Ki')]),
      usageOf({ v: 1025 }),
      'Usage of EmptyDir volume "v" exceeds the limit "1Ki".',
    ],
    ['an emptyDir whose limit is 0', podOf([disk('v', '0')]), usageOf({ v: 5 }), undefined],
    ['an emptyDir without a limit', podOf([disk('v')]), usageOf({ v: 10 ** 9 }), undefined],
    [
      'a container above its limit, and no more than the pod may have',
      podOf([], { a: '10', b: '90' }),
      usageOf({}, { a: 11 }),
      'Container a exceeded its local ephemeral storage limit "10".',
    ],
    [
      'all together above the limits together',
      podOf([disk('v')], { a: '10', b: '10' }),
      usageOf({ v: 5 }, { a: 10, b: 6 }),
      'Pod ephemeral local storage usage exceeds the total limit of containers 20.',
    ],
    [
      'a container without a limit counts for the pod',
      podOf([], { a: '10' }),
      usageOf({}, { plain: 11 }),
      'Pod ephemeral local storage usage exceeds the total limit of containers 10.',
    ],
    [
      'an emptyDir in memory is not on disk',
      podOf([disk('v', undefined, 'Memory')], { a: '10' }),
      usageOf({ v: 99 }),
      undefined,
    ],
    ['a large init container', podOf([], { a: '10' }, { i: '50' }), usageOf({}, { plain: 40 }), undefined],
    ['no limits', podOf([disk('v')]), usageOf({ v: 99 }, { plain: 99 }), undefined],
  ])('%s', (_what, pod, usage, expected) => {
    expect(evictionMessage(pod, usage)).toBe(expected);
  });
});

it.each<[string, Pod, boolean]>([
  ['none', podOf([disk('v')], { a: '' }), false],
  ['an emptyDir', podOf([disk('v', '1Ki')]), true],
  ['a container', podOf([], { a: '1Ki' }), true],
  ['an init container', podOf([], {}, { i: '1Ki' }), true],
])('limits of disk use: %s', (_what, pod, expected) => {
  expect(hasStorageLimits(pod)).toBe(expected);
});
