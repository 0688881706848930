import { describe, expect, it } from 'vitest';
import { archiveKind, dockerArchiveEntries, layoutManifests, layoutNames } from './image-archive.js';

describe('archiveKind', () => {
  it.each([
    ['an OCI archive', ['blobs/', 'index.json', 'oci-layout'], 'oci'],
    ['one made with a leading dot', ['./', './index.json', './oci-layout'], 'oci'],
    ['docker save since version 25', ['manifest.json', 'oci-layout', 'index.json'], 'oci'],
    ['docker save before', ['a.json', 'a/layer.tar', 'manifest.json', 'repositories'], 'docker'],
    ['an ordinary tar file', ['etc/', 'etc/manifest.json'], undefined],
    ['half a layout', ['oci-layout'], undefined],
  ])('%s', (_, members, kind) => {
    expect(archiveKind(members)).toBe(kind);
  });
});

const DIGEST = `sha256:${'a'.repeat(64)}`;

describe('an OCI layout', () => {
  it('lists its manifests', () => {
    expect(layoutManifests(JSON.stringify({ manifests: [{ digest: DIGEST }] }), '/a')).toEqual([
      { digest: DIGEST },
    ]);
  });

  it.each(['{}', '{"manifests":[]}', '[]', '{"manifests":[{"digest":"../../etc/shadow"}]}', 'x'])(
    'refuses %s',
    (text) => {
      expect(() => layoutManifests(text, '/a.tar')).toThrow(/\/a\.tar/);
    },
  );

  it.each([
    [
      { 'org.opencontainers.image.ref.name': '1', 'io.containerd.image.name': 'docker.io/library/x:1' },
      ['docker.io/library/x:1'],
    ],
    [{ 'org.opencontainers.image.ref.name': 'foo/one:1' }, ['foo/one:1']],
    [{}, []],
    [undefined, []],
  ])('names %j', (annotations, names) => {
    expect(layoutNames({ digest: DIGEST, ...(annotations && { annotations }) })).toEqual(names);
  });
});

describe('a docker archive', () => {
  it('lists its images', () => {
    const text =
      '[{"Config":"a.json","RepoTags":["x:1","y:2"],"Layers":[]},{"Config":"b.json","RepoTags":null}]';
    expect(dockerArchiveEntries(text, '/a')).toEqual([
      { config: 'a.json', names: ['x:1', 'y:2'] },
      { config: 'b.json', names: [] },
    ]);
  });

  it.each(['[]', '{}', '[{}]', '[{"Config":"a","RepoTags":[1]}]', 'x'])('refuses %s', (text) => {
    expect(() => dockerArchiveEntries(text, '/a.tar')).toThrow(/\/a\.tar/);
  });

  it.each(['--checkpoint-action=exec=sh', '-C', '/etc/shadow', '../a.json', 'a/../../b.json', ''])(
    'refuses a configuration of the name %j',
    (config) => {
      const text = JSON.stringify([{ Config: config, RepoTags: [] }]);
      expect(() => dockerArchiveEntries(text, '/a.tar')).toThrow(
        expect.objectContaining({ kind: 'invalid-argument', message: expect.stringContaining('/a.tar') }),
      );
    },
  );
});
