import { gzipSync } from 'node:zlib';
import { PodwrightError, parseImageReference } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { type FileNode, FileTree } from '../machine/file-tree.js';
import { filesOfArchive, filesOfDirectory, readImageArchive, writeImageArchive } from './image-archive.js';
import { ImageStore } from './image-store.js';
import { SimulatedRegistries } from './registry.js';
import { writeTar } from './tar.js';

const AUTH = { username: 'u', password: 'p:w' };

function registries() {
  return new SimulatedRegistries(
    {
      images: [
        {
          reference: 'one',
          files: { '/f': 'x' },
          sizeBytes: 100,
          config: { User: '7:8', Labels: { a: 'b' } },
        },
        { reference: 'host:5000/two:1', sizeBytes: 100, auth: AUTH, config: { User: 'app', Cmd: ['x'] } },
      ],
      registries: ['empty.test'],
    },
    0,
  );
}

const kindOf = (action: () => unknown) => {
  try {
    action();
  } catch (error) {
    return PodwrightError.is(error) ? error.kind : error;
  }
  return 'no error';
};

describe('SimulatedRegistries', () => {
  it.each([
    ['one', undefined, 'no error'],
    ['docker.io/library/one:latest', undefined, 'no error'],
    ['one:other', undefined, 'image-not-found'],
    ['empty.test/x', undefined, 'image-not-found'],
    ['nobody.test/x', undefined, 'unreachable'],
    ['host:5000/two:1', undefined, 'unauthorized'],
    ['host:5000/two:1', { ...AUTH, password: 'x' }, 'unauthorized'],
    ['host:5000/two:1', AUTH, 'no error'],
  ])('%s with %j: %s', (reference, auth, kind) => {
    expect(kindOf(() => registries().resolve(parseImageReference(reference), auth))).toBe(kind);
  });
});

describe('ImageStore', () => {
  const one = registries().resolve(parseImageReference('one'), undefined);
  const two = registries().resolve(parseImageReference('host:5000/two:1'), AUTH);

  it('finds by every name and by the beginning of the id', () => {
    const store = new ImageStore(1000);
    store.add(one, parseImageReference('one'));
    for (const name of [
      'one',
      'one:latest',
      one.id,
      one.id.slice(7),
      one.id.slice(7, 15),
      `one@${one.digest}`,
    ]) {
      expect(store.find(name), name).toBe(one);
    }
    expect(store.find('one:other')).toBeUndefined();
    expect(store.status('one')).toMatchObject({ uid: 7, labels: { a: 'b' }, sizeBytes: 100 });
  });

  it('gives a name to one image only', () => {
    const store = new ImageStore(1000);
    store.add(one, parseImageReference('app'));
    store.add(two, parseImageReference('app'));
    expect(store.find('app')).toBe(two);
    expect(store.status(one.id)?.repoTags).toEqual([]);
    expect(store.status('app')).toMatchObject({ username: 'app' });
  });

  it('takes names away one by one, and the image with the last, if it may', () => {
    const store = new ImageStore(1000);
    const refuse = () => {
      throw new PodwrightError('in-use', 'It is in use.');
    };
    store.add(one, parseImageReference('a'));
    store.add(one, parseImageReference('b'));
    store.remove('a', refuse);
    expect(store.find('a')).toBeUndefined();
    expect(kindOf(() => store.remove('b', refuse))).toBe('in-use');
    expect(store.find('b')).toBe(one);
    store.remove('b', () => undefined);
    expect(store.list()).toEqual([]);
    store.remove('b', refuse);
  });

  it('has no room for more than its size', () => {
    const store = new ImageStore(150);
    store.add(one, parseImageReference('one'));
    expect(kindOf(() => store.add(two, parseImageReference('two')))).toBe('no-space');
    store.add(one, parseImageReference('other'));
    expect([store.usedBytes, store.count]).toEqual([100, 1]);
  });
});

describe('image archives', () => {
  const one = registries().resolve(parseImageReference('one'), undefined);
  const fileOf = (
    image: { content: { root: { entries: ReadonlyMap<string, FileNode> } } } | undefined,
    name: string,
  ) => {
    const node = image?.content.root.entries.get(name);
    return node?.kind === 'file' ? node.data.toString() : node?.kind;
  };

  it.each(['docker', 'oci'] as const)('of %s give back what was written, compressed or not', (format) => {
    const archive = writeImageArchive(one, ['a:1', 'b:2'], format);
    for (const data of [archive, gzipSync(archive)]) {
      const read = readImageArchive(filesOfArchive(data, '/x.tar'), '/x.tar');
      expect(read.flatMap(({ names }) => names)).toEqual(['a:1', 'b:2']);
      expect(read[0]?.content.config).toEqual(one.config);
      expect(fileOf(read[0], 'f')).toBe('x');
    }
  });

  it('may be a directory', () => {
    const tree = new FileTree();
    for (const [path, data] of filesOfArchive(writeImageArchive(one, ['a:1'], 'oci'), '/x.tar')) {
      tree.writeFile(`/${path}`, data);
    }
    const [read] = readImageArchive(filesOfDirectory(tree.root), '/x');
    expect([read?.names, fileOf(read, 'f')]).toEqual([['a:1'], 'x']);
  });

  it('have layers of which the upper ones change, remove and hide files', () => {
    const file = (path: string, text = '') => ({ path, data: Buffer.from(text) });
    const archive = writeTar([
      file('manifest.json', JSON.stringify([{ Config: 'c', RepoTags: ['a:1'], Layers: ['1', '2'] }])),
      file('c', '{}'),
      { path: '1', data: writeTar([file('a', '1'), file('gone', '1'), file('d/hidden', '1')]) },
      {
        path: '2',
        data: gzipSync(
          writeTar([file('a', '2'), file('.wh.gone'), file('d/.wh..wh..opq'), file('d/new', '2')]),
        ),
      },
    ]);
    const [read] = readImageArchive(filesOfArchive(archive, '/x.tar'), '/x.tar');
    expect([fileOf(read, 'a'), fileOf(read, 'gone')]).toEqual(['2', undefined]);
    const directory = read?.content.root.entries.get('d');
    expect(directory?.kind === 'directory' && [...directory.entries.keys()]).toEqual(['new']);
  });

  it.each([
    Buffer.from('text'),
    Buffer.alloc(2048),
    Buffer.alloc(600, 'x'),
    writeTar([{ path: 'index.json', data: Buffer.from('{') }]),
  ])('refuse what is none', (data) => {
    expect(kindOf(() => readImageArchive(filesOfArchive(data, '/x.tar'), '/x.tar'))).toBe('invalid-argument');
  });
});
