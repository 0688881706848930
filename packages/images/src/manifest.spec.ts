import { describe, expect, it } from 'vitest';
import { chooseManifest, hostPlatform, parseManifest } from './manifest.js';

const [C, L] = [`sha256:${'c'.repeat(64)}`, `sha256:${'1'.repeat(64)}`];

describe('parseManifest', () => {
  it.each([
    [
      'an image',
      { config: { digest: C }, layers: [{ digest: L, size: 3 }] },
      { type: 'image', config: { digest: C }, layers: [{ digest: L, size: 3 }] },
    ],
    ['a list', { manifests: [{ digest: L }] }, { type: 'index', manifests: [{ digest: L }] }],
    ['a digest that leads elsewhere', { config: { digest: 'sha256:../../x' }, layers: [] }, undefined],
    ["docker's schema 1", { schemaVersion: 1, fsLayers: [] }, undefined],
    ['a list of something else', { manifests: [1] }, undefined],
    ['a number', 1, undefined],
  ])('%s', (_, content, manifest) => {
    expect(parseManifest(JSON.stringify(content))).toEqual(manifest);
  });

  it('takes no JSON for no manifest', () => {
    expect(parseManifest('<html>')).toBeUndefined();
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
