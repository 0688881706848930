import { describe, expect, it } from 'vitest';
import { parseConfigObject } from './config-object.js';
import { parsePod } from './pod.js';
import { volumeFiles } from './volume-files.js';

type Fields = Readonly<Record<string, unknown>>;

const base64 = (text: string) => Buffer.from(text).toString('base64');
const object = (kind: string, name: string, fields: Fields, namespace = 'default') =>
  parseConfigObject({ apiVersion: 'v1', kind, metadata: { name, namespace }, ...fields });

const OBJECTS = [
  object('ConfigMap', 'site', { data: { b: 'elsewhere' } }, 'other'),
  object('ConfigMap', 'site', { data: { b: 'two', a: 'one' }, binaryData: { bin: base64('\0\x01') } }),
  object('Secret', 'site', { data: { key: base64('hidden') }, stringData: { word: 'wörd' } }),
];

function podWith(source: Fields) {
  return parsePod({
    ...{ apiVersion: 'v1', kind: 'Pod' },
    metadata: {
      ...{ name: 'p', uid: 'u-1', labels: { z: '1', app: 'web' } },
      annotations: { note: 'a "b"\n\\ \u00e4\u00a0\x01' },
    },
    spec: {
      containers: [
        {
          ...{ name: 'web', image: 'web:1' },
          resources: { limits: { cpu: '1500m' }, requests: { cpu: '250m', memory: '1' } },
        },
        { name: 'free', image: 'web:1' },
      ],
      volumes: [{ name: 'v', ...source }],
    },
  });
}

function filesOf(source: Fields, context = {}): unknown {
  const pod = podWith(source);
  const [volume] = pod.spec.volumes;
  if (!volume) throw new Error('no volume');
  return volumeFiles(pod, volume, OBJECTS, context)?.map(({ path, content, mode }) => [
    path,
    content.toString(),
    mode,
  ]);
}

const field = (path: string, fieldPath: string) => ({ path, fieldRef: { fieldPath } });
const resource = (name: string, divisor?: string, containerName = 'web') => ({
  path: 'r',
  resourceFieldRef: { containerName, resource: name, ...(divisor === undefined ? {} : { divisor }) },
});

describe('volumeFiles', () => {
  it.each<[string, Fields, unknown]>([
    ['an emptyDir has none', { emptyDir: {} }, undefined],
    [
      'a configMap has all keys, of the pod’s own namespace',
      { configMap: { name: 'site' } },
      [
        ['a', 'one', 0o644],
        ['b', 'two', 0o644],
        ['bin', '\0\x01', 0o644],
      ],
    ],
    [
      'items choose, rename and have modes of their own',
      {
        configMap: {
          ...{ name: 'site', defaultMode: 0o600 },
          items: [
            { key: 'a', path: './x//y', mode: 0 },
            { key: 'b', path: 'b' },
          ],
        },
      },
      [
        ['b', 'two', 0o600],
        ['x/y', 'one', 0],
      ],
    ],
    [
      'a secret has its bytes',
      { secret: { secretName: 'site', defaultMode: 0o400 } },
      [
        ['key', 'hidden', 0o400],
        ['word', 'wörd', 0o400],
      ],
    ],
    ['an optional object may be missing', { configMap: { name: 'none', optional: true } }, []],
    [
      'an optional key may be missing',
      { secret: { secretName: 'site', optional: true, items: [{ key: 'none', path: 'a' }] } },
      [],
    ],
    [
      'a projected volume has those of all sources, and the later of two',
      {
        projected: {
          defaultMode: 0o440,
          sources: [
            { configMap: { name: 'site' } },
            { secret: { name: 'site', items: [{ key: 'word', path: 'a', mode: 0o777 }] } },
            { downwardAPI: { items: [field('name', 'metadata.name')] } },
          ],
        },
      },
      [
        ['a', 'wörd', 0o777],
        ['b', 'two', 0o440],
        ['bin', '\0\x01', 0o440],
        ['name', 'p', 0o440],
      ],
    ],
    [
      'the downward API writes maps as Go does',
      {
        downwardAPI: {
          items: [
            field('labels', 'metadata.labels'),
            field('notes', 'metadata.annotations'),
            field('one', "metadata.labels['app']"),
            field('none', "metadata.labels['none']"),
            field('uid', 'metadata.uid'),
          ],
        },
      },
      [
        ['labels', 'app="web"\nz="1"', 0o644],
        ['none', '', 0o644],
        ['notes', 'note="a \\"b\\"\\n\\\\ ä\\u00a0\\x01"', 0o644],
        ['one', 'web', 0o644],
        ['uid', 'u-1', 0o644],
      ],
    ],
  ])('%s', (_what, source, expected) => {
    expect(filesOf(source)).toEqual(expected);
  });

  it.each<[string, string | undefined, string]>([
    ['limits.cpu', undefined, '2'],
    ['limits.cpu', '1m', '1500'],
    ['requests.cpu', '0', '1'],
    ['requests.memory', '1Ki', '1'],
    ['requests.ephemeral-storage', '1', '0'],
  ])('tells %s in units of %s', (name, divisor, expected) => {
    expect(filesOf({ downwardAPI: { items: [resource(name, divisor)] } })).toEqual([['r', expected, 0o644]]);
  });

  it('tells what the node has where there is no limit, and says so when that is not known', () => {
    const source = { downwardAPI: { items: [resource('limits.memory', '1Mi', 'free')] } };
    const capacity = { cpuMillis: 1, memoryBytes: 3 * 1024 ** 2, ephemeralStorageBytes: 1 };
    expect(filesOf(source, { capacity })).toEqual([['r', '3', 0o644]]);
    expect(() => filesOf(source)).toThrow(/limits\.memory of container "free" cannot be told/);
  });

  it.each<[Fields, RegExp]>([
    [{ configMap: { name: 'none' } }, /^Volume "v" needs the ConfigMap none in the namespace default/],
    [
      { secret: { secretName: 'site', items: [{ key: 'none', path: 'a' }] } },
      /^Volume "v" needs the key none of the Secret default\/site, .*\(it has key, word\)/,
    ],
  ])('names what is missing', (source, message) => {
    expect(() => filesOf(source)).toThrow(expect.objectContaining({ kind: 'not-found' }));
    expect(() => filesOf(source)).toThrow(message);
  });
});
