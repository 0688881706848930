import type { PodSummary } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { decideStaticPods } from './decide-static-pods.js';
import {
  isManifestName,
  readStaticManifests,
  STATIC_FILE_ANNOTATION,
  STATIC_HASH_ANNOTATION,
} from './static-manifests.js';

function pod(name: string, more = ''): string {
  return `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}${more}}\nspec: {containers: [{name: a, image: "i:1"}]}\n`;
}

const read = (files: Readonly<Record<string, string | Error>>) =>
  readStaticManifests(new Map(Object.entries(files)));
const uidIn = (files: Readonly<Record<string, string>>) => read(files).pods[0]?.pod.metadata.uid;

describe('readStaticManifests', () => {
  it('gives a pod the same uid each time, and another one in another file, namespace or name', () => {
    const uid = uidIn({ 'a.yaml': pod('web') });
    expect(uid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(uidIn({ 'a.yaml': pod('web') })).toBe(uid);
    expect(uidIn({ 'a.yaml': pod('web', ', namespace: default') })).toBe(uid);
    const others = [
      uidIn({ 'b.yaml': pod('web') }),
      uidIn({ 'a.yaml': pod('web', ', namespace: x') }),
      uidIn({ 'a.yaml': pod('web2') }),
    ];
    expect(new Set([uid, ...others]).size).toBe(4);
    expect(uidIn({ 'a.yaml': pod('web', ', uid: mine') })).toBe('mine');
  });

  it('gives each pod the objects of its file and namespace, and the name of its file', () => {
    const map = (namespace: string) =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: ${namespace}}\ndata: {a: b}\n`;
    const { pods } = read({
      'a.yaml': [map('default'), map('other'), pod('web')].join('---\n'),
      'b.yaml': pod('bare'),
    });
    expect(
      pods.map(({ file, objects }) => [file, objects.map(({ metadata }) => metadata.namespace)]),
    ).toEqual([
      ['a.yaml', ['default']],
      ['b.yaml', []],
    ]);
    expect(pods[0]?.pod.metadata.annotations).toMatchObject({ [STATIC_FILE_ANNOTATION]: 'a.yaml' });
  });

  it.each<[string, string, boolean]>([
    ['written in another order', pod('web').split('\n').reverse().join('\n'), true],
    ['in JSON', JSON.stringify(parse(pod('web'))), true],
    ['with another image', pod('web').replace('i:1', 'i:2'), false],
    [
      'with false where nothing was',
      pod('web').replace('{containers', '{hostUsers: false, containers'),
      false,
    ],
    ['with another label', pod('web', ', labels: {a: b}'), false],
  ])('notes of each pod what its file says of it: %s', (_what, text, same) => {
    const hashOf = (each: string) =>
      read({ 'a.yaml': each }).pods[0]?.pod.metadata.annotations[STATIC_HASH_ANNOTATION];
    expect(hashOf(pod('web'))).toMatch(/^[0-9a-f]{16}$/);
    expect(hashOf(text) === hashOf(pod('web'))).toBe(same);
  });

  it('keeps the annotations of a manifest, and refuses what are none', () => {
    const { pods, failures } = read({
      'a.yaml': pod('a', ', annotations: {mine: "1"}'),
      'b.yaml': pod('b', ', annotations: [mine]'),
      'c.yaml': pod('c', ', annotations: null'),
    });
    expect(pods.map(({ pod: { metadata } }) => [metadata.name, metadata.annotations['mine']])).toEqual([
      ['a', '1'],
      ['c', undefined],
    ]);
    expect(failures.get('b.yaml')?.message).toContain('metadata.annotations');
  });

  it('leaves out files that are wrong, and no other one', () => {
    const { pods, failures } = read({
      'bad.yaml': 'kind: [',
      'odd.yaml': 'apiVersion: v1\nkind: Deployment\nmetadata: {name: x}\n',
      'shut.yaml': new Error('EACCES'),
      'twice.yaml': pod('web'),
      'good.yaml': pod('web'),
    });
    expect(pods.map(({ file }) => file)).toEqual(['good.yaml']);
    expect([...failures.keys()]).toEqual(['bad.yaml', 'odd.yaml', 'shut.yaml', 'twice.yaml']);
    expect(failures.get('twice.yaml')?.message).toContain('good.yaml has the pod default/web already');
  });

  it.each([
    ['a.yaml', true],
    ['a.yml', true],
    ['a.json', true],
    ['.a.yaml', false],
    ['a.yaml~', false],
    ['a.txt', false],
  ])('takes %s for a manifest: %s', (name, expected) => {
    expect(isManifestName(name)).toBe(expected);
  });
});

describe('decideStaticPods', () => {
  const present = (files: Readonly<Record<string, string>>) =>
    read(files).pods.map(({ pod: { metadata } }) => ({ ...metadata, phase: 'Running' as const }));
  const decide = (
    files: Readonly<Record<string, string>>,
    before: Readonly<Record<string, string>>,
    done = false,
  ) => {
    const manifests = read(files);
    const keys = done
      ? decideStaticPods({ manifests, present: [], done: new Map() }).map(
          (action) => [action.uid, action.action === 'sync' ? action.key : ''] as const,
        )
      : [];
    return decideStaticPods({ manifests, present: present(before), done: new Map(keys) }).map((action) =>
      action.action === 'sync' ? `sync ${action.pod.file}` : `remove ${action.name} of ${action.file}`,
    );
  };

  it.each<[string, Readonly<Record<string, string>>, Readonly<Record<string, string>>, boolean, string[]]>([
    ['a new file', { 'a.yaml': pod('a') }, {}, false, ['sync a.yaml']],
    ['a file that was done', { 'a.yaml': pod('a') }, { 'a.yaml': pod('a') }, true, []],
    ['a pod that somebody removed', { 'a.yaml': pod('a') }, {}, true, ['sync a.yaml']],
    ['a file that is gone', {}, { 'a.yaml': pod('a') }, false, ['remove default/a of a.yaml']],
    ['a file that is wrong now', { 'a.yaml': 'kind: [' }, { 'a.yaml': pod('a') }, false, []],
    [
      'a file with another name: the old pod first',
      { 'b.yaml': pod('a') },
      { 'a.yaml': pod('a') },
      false,
      ['remove default/a of a.yaml'],
    ],
  ])('%s', (_what, files, before, done, expected) => {
    expect(decide(files, before, done)).toEqual(expected);
  });

  const noted = present({ 'a.yaml': pod('a') })[0]?.annotations ?? {};
  const other = pod('a').replace('i:1', 'i:2');

  it.each<[string, string, Pick<PodSummary, 'phase' | 'annotations'>, boolean, boolean]>([
    ['runs, and is as it was', pod('a'), { phase: 'Running', annotations: noted }, false, false],
    ['runs, and has changed', other, { phase: 'Running', annotations: noted }, true, false],
    ['waits, and has changed', other, { phase: 'Pending', annotations: noted }, true, false],
    ['has ended, and is as it was', pod('a'), { phase: 'Succeeded', annotations: noted }, false, false],
    ['has ended, and has changed', other, { phase: 'Succeeded', annotations: noted }, true, true],
    ['has failed, and has changed', other, { phase: 'Failed', annotations: noted }, true, true],
    [
      'has ended, and nobody knows what it was made of',
      other,
      { phase: 'Failed', annotations: {} },
      false,
      false,
    ],
  ])('of a pod that %s', (_what, text, before, changed, replaces) => {
    const manifests = read({ 'a.yaml': text });
    const there = present({ 'a.yaml': pod('a') }).map((each) => ({ ...each, ...before }));
    expect(decideStaticPods({ manifests, present: there, done: new Map() })).toMatchObject([
      { action: 'sync', changed, replaces },
    ]);
  });

  it('leaves the pods of others alone', () => {
    const other = { uid: 'u', name: 'n', namespace: 'default', annotations: {}, phase: 'Running' as const };
    expect(decideStaticPods({ manifests: read({}), present: [other], done: new Map() })).toEqual([]);
  });
});
