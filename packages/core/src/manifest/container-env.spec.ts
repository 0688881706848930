import { describe, expect, it } from 'vitest';
import { parseConfigObject } from './config-object.js';
import { containerEnv, expandSubPath } from './container-env.js';
import { parsePod } from './pod.js';

type Fields = Readonly<Record<string, unknown>>;

const base64 = (text: string) => Buffer.from(text).toString('base64');
const object = (kind: string, name: string, fields: Fields) =>
  parseConfigObject({ apiVersion: 'v1', kind, metadata: { name }, ...fields });

const CONTEXT = {
  objects: [
    object('ConfigMap', 'c', { data: { A: 'map $(X)', 'a.b': '1', '1x': 'no' }, binaryData: { BIN: '' } }),
    object('Secret', 's', { data: { A: base64('secret'), NUL: base64('a\0b') } }),
  ],
  podIps: ['10.0.0.2', 'fd00::2'],
  hostIps: ['192.0.2.1', '2001:db8::1'],
  nodeName: 'node-1',
};

function envOf(container: Fields) {
  const pod = parsePod({
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', labels: { app: 'web' } } },
    spec: { containers: [{ name: 'web', image: 'web:1', ...container }] },
  });
  const [web] = pod.spec.containers;
  if (!web) throw new Error('no container');
  const { env, skipped } = containerEnv(pod, web, CONTEXT);
  return { env: Object.fromEntries(env.map(({ name, value }) => [name, value])), skipped };
}

const fromField = (fieldPath: string) => ({ env: [{ name: 'V', valueFrom: { fieldRef: { fieldPath } } }] });
const fromKey = (source: string, reference: Fields) => ({
  env: [{ name: 'V', valueFrom: { [source]: reference } }],
});

describe('containerEnv', () => {
  it('has the objects first, the later winning, then the variables, which may refer to all before them', () => {
    const { env, skipped } = envOf({
      envFrom: [
        { configMapRef: { name: 'c' } },
        { prefix: 'S_', secretRef: { name: 'none', optional: true } },
      ],
      env: [
        { name: 'X', value: 'x' },
        { name: 'SEES', value: '$(A) $(X) $(LATER)' },
        { name: 'a.b', value: 'own' },
        { name: 'COPY', valueFrom: { configMapKeyRef: { name: 'c', key: 'A' } } },
      ],
    });
    // What is taken from elsewhere is not expanded; binary data is for files.
    expect(env).toEqual({
      ...{ A: 'map $(X)', 'a.b': 'own', X: 'x', SEES: 'map $(X) x $(LATER)', COPY: 'map $(X)' },
    });
    expect(skipped).toEqual([{ kind: 'ConfigMap', name: 'c', keys: ['1x'] }]);
  });

  it('makes names of a prefix and a key', () => {
    expect(envOf({ envFrom: [{ prefix: 'P_', configMapRef: { name: 'c' } }] })).toEqual({
      env: { P_A: 'map $(X)', 'P_a.b': '1', P_1x: 'no' },
      skipped: [],
    });
  });

  it.each<[string, string]>([
    ['metadata.name', 'p'],
    ["metadata.labels['app']", 'web'],
    ["metadata.annotations['none']", ''],
    ['spec.nodeName', 'node-1'],
    ['status.podIP', '10.0.0.2'],
    ['status.podIPs', '10.0.0.2,fd00::2'],
    ['status.hostIP', '192.0.2.1'],
    ['status.hostIPs', '192.0.2.1,2001:db8::1'],
  ])('%s', (path, expected) => {
    expect(envOf(fromField(path)).env).toEqual({ V: expected });
  });

  it.each<[string, Fields, string | undefined]>([
    ['secretKeyRef', { name: 's', key: 'A' }, 'secret'],
    ['secretKeyRef', { name: 's', key: 'B', optional: true }, undefined],
    ['configMapKeyRef', { name: 'none', key: 'B', optional: true }, undefined],
    ['resourceFieldRef', { resource: 'requests.cpu' }, '0'],
  ])('%s %o', (source, reference, expected) => {
    expect(envOf(fromKey(source, reference)).env['V']).toBe(expected);
  });

  it.each<[Fields, string, RegExp]>([
    [
      fromKey('secretKeyRef', { name: 's', key: 'B' }),
      'not-found',
      /variable V of container "web" needs the key B/,
    ],
    [
      { envFrom: [{ secretRef: { name: 'none' } }] },
      'not-found',
      /envFrom of container "web" needs the Secret none/,
    ],
    [fromKey('secretKeyRef', { name: 's', key: 'NUL' }), 'invalid-argument', /variable V .* NUL/],
  ])('says what is wrong', (container, kind, message) => {
    expect(() => envOf(container)).toThrow(expect.objectContaining({ kind }));
    expect(() => envOf(container)).toThrow(message);
  });
});

describe('expandSubPath', () => {
  const env = [
    { name: 'A', value: 'a' },
    { name: 'UP', value: '../x' },
  ];

  it.each([
    ['$(A)/b', 'a/b'],
    ['$$(NONE)', '$(NONE)'],
  ])('%s', (expression, expected) => {
    expect(expandSubPath(expression, env)).toBe(expected);
  });

  it.each([
    ['$(NONE)/b', /no variable NONE/],
    ['$(UP)', /must not contain/],
  ])('refuses %s', (expression, message) => {
    expect(() => expandSubPath(expression, env)).toThrow(message);
  });
});
