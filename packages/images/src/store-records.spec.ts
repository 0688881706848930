import { describe, expect, it } from 'vitest';
import {
  bigDataFileName,
  configKey,
  type LayerRecord,
  layerChain,
  layersBelow,
  manifestDigests,
  parseRecords,
} from './store-records.js';

const layers = (...entries: LayerRecord[]) => new Map(entries.map((entry) => [entry.id, entry]));

describe('parseRecords', () => {
  it.each([
    ['', []],
    ['\n', []],
    ['null', []],
    ['[{"id":"a"}]', [{ id: 'a' }]],
  ])('%j', (text, records) => {
    expect(parseRecords(text, '/s/images.json')).toEqual(records);
  });

  it.each(['{', '{}', '[1]', '[{"names":[]}]', '[null]'])('%s is told as damage with its path', (text) => {
    expect(() => parseRecords(text, '/s/images.json')).toThrow(/\/s\/images\.json cannot be read/);
  });
});

describe('layerChain', () => {
  const store = layers({ id: 'top', parent: 'mid' }, { id: 'mid', parent: 'low' }, { id: 'low' });
  it.each([
    ['top', ['top', 'mid', 'low'], true],
    ['low', ['low'], true],
    [undefined, [], true],
    ['', [], true],
    ['gone', [], false],
  ])('from %s', (top, ids, isWhole) => {
    const chain = layerChain(top, store);
    expect([chain.layers.map(({ id }) => id), chain.isWhole]).toEqual([ids, isWhole]);
  });

  it('ends where a layer is missing or leads back to itself', () => {
    expect(layerChain('top', layers({ id: 'top', parent: 'x' }))).toMatchObject({
      layers: [{ id: 'top' }],
      isWhole: false,
    });
    expect(layerChain('a', layers({ id: 'a', parent: 'b' }, { id: 'b', parent: 'a' })).isWhole).toBe(false);
  });

  it('finds everything below several layers', () => {
    expect([...layersBelow(['mid', undefined, 'gone'], store)]).toEqual(['mid', 'low', 'gone']);
  });
});

describe('an image record', () => {
  // As skopeo 1.9.3 wrote it for an image out of a list of platforms.
  const record = {
    id: 'c5c1',
    digest: 'sha256:instance',
    'big-data-names': [`sha256:${'0'.repeat(64)}`, 'manifest-sha256:list', 'manifest', 'signature-27ad'],
    'big-data-digests': {
      manifest: 'sha256:instance',
      'manifest-sha256:list': 'sha256:list',
      'signature-27ad': 'sha256:e3b0',
    },
  };

  it('has the digests of its own manifest and of the list', () => {
    expect(manifestDigests(record)).toEqual(['sha256:instance', 'sha256:list']);
    expect(manifestDigests({ id: 'x' })).toEqual([]);
  });

  it.each([
    [record, `sha256:${'0'.repeat(64)}`],
    [
      { id: '1'.repeat(64), 'big-data-names': [`sha256:${'0'.repeat(64)}`, `sha256:${'1'.repeat(64)}`] },
      `sha256:${'1'.repeat(64)}`,
    ],
    [{ id: 'x', 'big-data-names': ['manifest'] }, undefined],
    [{ id: 'x' }, undefined],
  ])('knows its configuration', (one, key) => {
    expect(configKey(one)).toBe(key);
  });

  it.each([
    ['manifest', 'manifest'],
    [
      'sha256:c5c13de17d781649cae415bf83a3f541248600e10f0a7d57a31a69cb60589634',
      '=c2hhMjU2OmM1YzEzZGUxN2Q3ODE2NDljYWU0MTViZjgzYTNmNTQxMjQ4NjAwZTEwZjBhN2Q1N2EzMWE2OWNiNjA1ODk2MzQ=',
    ],
  ])('keeps %s in the file %s', (key, file) => {
    expect(bigDataFileName(key)).toBe(file);
  });
});
