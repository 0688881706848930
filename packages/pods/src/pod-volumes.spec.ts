import {
  type ConfigObject,
  type PodRecord,
  PodwrightError,
  parseConfigObject,
  parsePod,
  type VolumeFile,
  type VolumeProvider,
} from '@podwright/core';
import { beforeEach, describe, expect, it } from 'vitest';
import { containerMounts } from './container-mounts.js';
import { MemoryPodStore } from './memory-pod-store.js';
import { HostNodeFacts } from './node-facts.js';
import { formatRecordFile, parseRecordFile } from './pod-record-file.js';
import { objectsOf, PodVolumes } from './pod-volumes.js';

type Fields = Readonly<Record<string, unknown>>;

function object(kind: string, fields: Fields = {}, metadata: Fields = {}): ConfigObject {
  return parseConfigObject({ apiVersion: 'v1', kind, metadata: { name: 'o', ...metadata }, ...fields });
}

function record(volumes: readonly Fields[], objects: readonly ConfigObject[]): PodRecord {
  const manifest = parsePod({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', uid: 'u1' },
    spec: { volumes, containers: [{ name: 'c', image: 'i' }] },
  });
  const { uid, namespace, name } = manifest.metadata;
  return { uid, namespace, name, manifest, createdAtMs: 1, objects, state: 'running' };
}

/** What the provider was given, by volume; `absent` are not made yet. */
const written = new Map<string, readonly VolumeFile[]>();
const absent = new Set<string>();
const provider: VolumeProvider = {
  setUp: async () => new Map(),
  update: async (_pod, volume, files) => {
    if (absent.has(volume)) throw new PodwrightError('not-found', `There is no volume ${volume}.`);
    written.set(volume, files);
  },
  usage: async () => [],
  tearDown: async () => undefined,
};

let store: MemoryPodStore;
let volumes: PodVolumes;

beforeEach(() => {
  written.clear();
  absent.clear();
  store = new MemoryPodStore();
  volumes = new PodVolumes(provider, store, new HostNodeFacts());
});

const config = { name: 'c', configMap: { name: 'o' } };
const textOf = (volume: string) => written.get(volume)?.map(({ path, content }) => `${path}=${content}`);

describe('PodVolumes.update', () => {
  const before = record(
    [config, { name: 's', secret: { secretName: 'o' } }, { name: 'e', emptyDir: {} }],
    [object('ConfigMap', { data: { a: '1' } }), object('Secret', { stringData: { k: 'x' } })],
  );

  it('replaces objects of the same kind and name, keeps the others, and remembers them', async () => {
    await volumes.update(before, [object('ConfigMap', { data: { b: '2' } })]);
    expect([textOf('c'), textOf('s'), textOf('e')]).toEqual([['b=2'], ['k=x'], undefined]);
    expect((await store.get('u1'))?.objects).toHaveLength(2);
  });

  it('leaves a volume that is not made yet to its making', async () => {
    absent.add('c');
    await volumes.update(before, [object('ConfigMap', { data: { b: '2' } })]);
    expect(textOf('s')).toEqual(['k=x']);
  });

  it('changes nothing when something is wrong', async () => {
    const needy = record(
      [{ name: 'c', configMap: { name: 'o', items: [{ key: 'a', path: 'a' }] } }],
      before.objects ?? [],
    );
    await expect(volumes.update(needy, [object('ConfigMap')])).rejects.toMatchObject({ kind: 'not-found' });
    expect([written.size, await store.get('u1')]).toEqual([0, undefined]);
  });

  it.each([
    ['its content', { data: { a: '2' }, immutable: true }],
    ['that it is immutable', { data: { a: '1' } }],
  ])('refuses to change of an immutable object %s', async (_what, fields) => {
    const fixed = record([config], [object('ConfigMap', { data: { a: '1' }, immutable: true })]);
    await expect(volumes.update(fixed, [object('ConfigMap', fields)])).rejects.toMatchObject({
      kind: 'failed-precondition',
    });
    await volumes.update(fixed, fixed.objects ?? []);
  });
});

describe('PodVolumes.refresh', () => {
  it('leaves a volume alone whose object is missing, and gives the others their content', async () => {
    const name = { path: 'name', fieldRef: { fieldPath: 'metadata.name' } };
    const needy = record([config, { name: 'd', downwardAPI: { items: [name] } }], []);
    await volumes.refresh(needy, {});
    expect([textOf('c'), textOf('d')]).toEqual([undefined, ['name=web']]);
  });
});

describe('objectsOf', () => {
  it('refuses objects of other namespaces', () => {
    expect(() => objectsOf('default', [object('ConfigMap', {}, { namespace: 'x' })])).toThrow('x/o');
    expect(objectsOf('default', [object('Secret')])).toHaveLength(1);
  });
});

describe('the record file', () => {
  it('keeps objects', () => {
    const full = record([config], [object('Secret', { stringData: { k: 'x' } })]);
    expect(parseRecordFile('/x/u1.json', formatRecordFile(full))).toEqual(full);
  });
});

describe('HostNodeFacts', () => {
  it('always has a name, an address and a capacity', async () => {
    const node = new HostNodeFacts();
    expect(node.name()).not.toBe('');
    expect((await node.ips()).length).toBeGreaterThan(0);
    for (const amount of Object.values(await node.capacity())) expect(amount).toBeGreaterThan(0);
  });
});

describe('containerMounts', () => {
  const mountsOf = (mount: Fields, recursiveReadOnly = true) => {
    const pod = parsePod({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'web' },
      spec: {
        volumes: [
          { name: 'h', hostPath: { path: '/h' } },
          { name: 'c', configMap: { name: 'o' } },
          { name: 'i', image: { reference: 'x' } },
        ],
        containers: [{ name: 'c', image: 'i', volumeMounts: [{ mountPath: '/m', ...mount }] }],
      },
    });
    const [container] = pod.spec.containers;
    if (!container) throw new Error('It has a container.');
    const volumePaths = new Map(['h', 'c', 'i'].map((name) => [name, `/${name}`]));
    const env = [{ name: 'A', value: 'x' }];
    return containerMounts({ pod, container, volumePaths, env, recursiveReadOnly });
  };
  const plain = { containerPath: '/m', propagation: 'private' };

  it.each<[Fields, Fields]>([
    [{ name: 'h' }, { hostPath: '/h', readOnly: false }],
    [{ name: 'c' }, { hostPath: '/c', readOnly: true }],
    [{ name: 'i' }, { hostPath: '/i', readOnly: true }],
    [
      { name: 'h', subPath: 'a/b' },
      { hostPath: '/h', readOnly: false, subPath: 'a/b' },
    ],
    [
      { name: 'h', subPathExpr: 'a-$(A)' },
      { hostPath: '/h', readOnly: false, subPath: 'a-x' },
    ],
    [
      { name: 'h', readOnly: true, recursiveReadOnly: 'Enabled' },
      { hostPath: '/h', readOnly: true, recursiveReadOnly: true },
    ],
    [
      { name: 'h', readOnly: true, recursiveReadOnly: 'IfPossible' },
      { hostPath: '/h', readOnly: true, recursiveReadOnly: true },
    ],
  ])('of %j are %j', (mount, expected) => {
    expect(mountsOf(mount)).toEqual([{ ...plain, ...expected }]);
  });

  it('are recursively read-only only where the backend can, or refused', () => {
    const mount = (recursiveReadOnly: string) => ({ name: 'h', readOnly: true, recursiveReadOnly });
    expect(mountsOf(mount('IfPossible'), false)).toEqual([{ ...plain, hostPath: '/h', readOnly: true }]);
    expect(() => mountsOf(mount('Enabled'), false)).toThrow('IfPossible');
  });

  it('of an expression with an unknown variable are refused', () => {
    expect(() => mountsOf({ name: 'h', subPathExpr: '$(B)' })).toThrow('B');
  });
});
