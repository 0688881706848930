import { describe, expect, it } from 'vitest';
import { chooseManifest, hostPlatform, parseManifest } from './manifest.js';

describe('parseManifest', () => {
  it.each([
    [
      'an image',
      '{"config":{"digest":"c"},"layers":[{"digest":"l","size":3}]}',
      { type: 'image', config: { digest: 'c' }, layers: [{ digest: 'l', size: 3 }] },
    ],
    ['a list', '{"manifests":[{"digest":"m"}]}', { type: 'index', manifests: [{ digest: 'm' }] }],
    ["docker's schema 1", '{"schemaVersion":1,"fsLayers":[]}', undefined],
    ['no JSON', '<html>', undefined],
    ['a list of something else', '{"manifests":[1]}', undefined],
    ['a number', '1', undefined],
  ])('%s', (_, text, manifest) => {
    expect(parseManifest(text)).toEqual(manifest);
  });
});

describe('chooseManifest', () => {
  const entry = (digest: string, os: string, architecture: string, variant?: string) => ({
    digest,
    platform: { os, architecture, ...(variant === undefined ? {} : { variant }) },
  });
  const all = [
    entry('windows', 'windows', 'amd64'),
    entry('amd64v3', 'linux', 'amd64', 'v3'),
    entry('amd64', 'linux', 'amd64'),
    entry('arm64v8', 'linux', 'arm64', 'v8'),
    { digest: 'attestation', platform: { os: 'unknown', architecture: 'unknown' } },
    { digest: 'bare' },
  ];
  it.each([
    ['x64', 'amd64'],
    ['arm64', 'arm64v8'],
    ['s390x', undefined],
  ])('%s → %s', (arch, digest) => {
    expect(chooseManifest(all, hostPlatform(arch))?.digest).toBe(digest);
  });
});
