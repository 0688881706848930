import { describe, expect, it } from 'vitest';
import { PodwrightError } from '../errors.js';
import { configContent, parseConfigObject } from './config-object.js';
import { parseManifests } from './manifests.js';

type Fields = Readonly<Record<string, unknown>>;

const base64 = (text: string) => Buffer.from(text).toString('base64');
const pod = (name: string, metadata: Fields = {}) => ({
  ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, ...metadata } },
  spec: { containers: [{ name: 'web', image: 'web:1' }] },
});
const configMap = (fields: Fields = {}) => ({
  ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' } },
  ...fields,
});
const secret = (fields: Fields = {}) => ({
  ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' } },
  ...fields,
});

function failureOf(read: () => unknown): PodwrightError {
  try {
    read();
  } catch (error) {
    if (PodwrightError.is(error, 'invalid-manifest')) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('parseConfigObject', () => {
  it('reads a ConfigMap, and what comes out again', () => {
    const object = parseConfigObject(configMap({ data: { a: 'ä' }, binaryData: { b: ' AAE=\n'.trim() } }));
    expect(object).toEqual({
      ...{
        apiVersion: 'v1',
        kind: 'ConfigMap',
        data: { a: 'ä' },
        binaryData: { b: 'AAE=' },
        immutable: false,
      },
      metadata: { name: 'c', namespace: 'default', labels: {}, annotations: {} },
    });
    expect(parseConfigObject(JSON.parse(JSON.stringify(object)))).toEqual(object);
    expect([...configContent(object)]).toEqual([
      ['a', Buffer.from('ä')],
      ['b', Buffer.from([0, 1])],
    ]);
  });

  it('merges the texts of a Secret into its data', () => {
    const object = parseConfigObject(
      secret({ data: { a: base64('old'), b: 'AA\r\nE=' }, stringData: { a: 'new' }, immutable: true }),
    );
    expect(object).toMatchObject({ type: 'Opaque', data: { a: base64('new'), b: 'AAE=' }, immutable: true });
    expect(object).not.toHaveProperty('stringData');
    expect(parseConfigObject(object)).toEqual(object);
  });

  const dockerType = 'kubernetes.io/dockerconfigjson';
  it.each<[string, unknown, string, RegExp]>([
    ['another kind', { kind: 'Job' }, 'kind', /ConfigMap/],
    ['a bad key', configMap({ data: { 'a/b': '' } }), 'data["a/b"]', /letters/],
    ['a key for a path', configMap({ data: { '..': '' } }), 'data[".."]', /\.\./],
    ['a key twice', configMap({ data: { a: '' }, binaryData: { a: '' } }), 'binaryData.a', /data too/],
    ['a number', configMap({ data: { a: 1 } }), 'data.a', /in quotes/],
    ['nothing', configMap({ data: { a: null } }), 'data.a', /has to be a text/],
    ['no base64', secret({ data: { a: 'hunter2!' } }), 'data.a', /base64/],
    ['too much', configMap({ data: { a: 'x'.repeat(1048577) } }), 'data', /1048576/],
    ['a bad label', configMap({ metadata: { name: 'c', labels: { a: '-' } } }), 'metadata.labels.a', /begin/],
    ['no credentials', secret({ type: dockerType }), 'data', /needs \.dockerconfigjson/],
    [
      'credentials that are none',
      secret({ type: dockerType, stringData: { '.dockerconfigjson': 'hunter2' } }),
      'data[".dockerconfigjson"]',
      /JSON object/,
    ],
    [
      'half a certificate',
      secret({ type: 'kubernetes.io/tls', stringData: { 'tls.crt': '' } }),
      'data',
      /needs tls\.key/,
    ],
    ['a misspelt field', secret({ stringdata: { a: 'hunter2' } }), 'stringdata', /"stringData"/],
    [
      'what a server wrote',
      secret({ metadata: { name: 's', resourceVersion: '1' } }),
      'metadata.resourceVersion',
      /API server/,
    ],
  ])('refuses %s, and never shows content', (_what, input, path, message) => {
    const error = failureOf(() => parseConfigObject(input));
    expect(error.details['problems']).toEqual([
      expect.objectContaining({ path, message: expect.stringMatching(message) }),
    ]);
    expect(JSON.stringify([error.message, error.details, String(error.cause)])).not.toContain('hunter2');
  });
});

describe('parseManifests', () => {
  it('sorts documents and lists of them', () => {
    const list = { apiVersion: 'v1', kind: 'List', metadata: {}, items: [secret(), pod('b')] };
    const { pods, objects } = parseManifests([pod('a'), null, configMap(), list]);
    expect(pods.map(({ metadata }) => metadata.name)).toEqual(['a', 'b']);
    expect(objects.map(({ kind }) => kind)).toEqual(['ConfigMap', 'Secret']);
  });

  it.each<[string, unknown[], RegExp]>([
    [
      'another kind',
      [pod('a'), { apiVersion: 'apps/v1', kind: 'Deployment' }],
      /^Document 2: .*"Deployment".*nothing here/,
    ],
    ['no object', [pod('a'), 'text'], /^Document 2: .*no kind/],
    ['a pod twice', [pod('a'), pod('a')], /^Document 2: The Pod default\/a stands in Document 1/],
    ['a uid twice', [pod('a', { uid: 'x' }), pod('b', { uid: 'x' })], /uid x stands in Document 1/],
    [
      'an object twice',
      [{ apiVersion: 'v1', kind: 'List', items: [secret(), secret()] }],
      /Secret default\/s stands in Document 1, items\[0\]/,
    ],
  ])('refuses %s', (_what, documents, message) => {
    expect(failureOf(() => parseManifests(documents)).message).toMatch(message);
  });

  it('tells of all documents at once', () => {
    const error = failureOf(() => parseManifests([pod('A'), pod('b'), configMap({ data: 1 })]));
    expect(error.message).toMatch(/^Document 1: .*metadata\.name.*\nDocument 3: .*data/);
    expect(error.details['problems']).toEqual([
      expect.objectContaining({ path: 'Document 1: metadata.name' }),
      expect.objectContaining({ path: 'Document 3: data' }),
    ]);
  });

  it('takes the same name in another namespace or of another kind', () => {
    const documents = [pod('a'), pod('a', { namespace: 'n' }), { ...configMap(), metadata: { name: 'a' } }];
    expect(parseManifests(documents).pods).toHaveLength(2);
  });
});
