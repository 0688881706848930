import { describe, expect, it } from 'vitest';
import { BrokenPipeError, BytePipe } from './byte-pipe.js';
import { ContainerFiles } from './container-files.js';
import { absolutePath, FileTree } from './file-tree.js';
import { signalNumber } from './signals.js';

describe('BytePipe', () => {
  it('gives lines without a byte more, and the rest at the end', async () => {
    const pipe = new BytePipe();
    await pipe.write(Buffer.from('one\ntw'));
    await pipe.write(Buffer.from('o\nrest'));
    pipe.end();
    expect(String(await pipe.readLine())).toBe('one\n');
    expect(String(await pipe.readLine())).toBe('two\n');
    expect(String(await pipe.read())).toBe('rest');
    expect(await pipe.read()).toBeUndefined();
    expect(await pipe.readLine()).toBeUndefined();
  });

  it('holds a writer up while it is full', async () => {
    const pipe = new BytePipe();
    let written = false;
    const writing = pipe.write(Buffer.alloc(100_000)).then(() => {
      written = true;
    });
    await Promise.resolve();
    expect(written).toBe(false);
    expect((await pipe.read())?.length).toBe(100_000);
    await writing;
  });

  it('takes a line that is longer than itself', async () => {
    const pipe = new BytePipe();
    const line = pipe.readLine();
    await pipe.write(Buffer.alloc(100_000, 'x'));
    await pipe.write(Buffer.from('\n'));
    expect((await line)?.length).toBe(100_001);
  });

  it('breaks when nobody reads any more', async () => {
    const pipe = new BytePipe();
    const writing = pipe.write(Buffer.alloc(100_000));
    pipe.closeReader();
    await writing;
    await expect(pipe.write(Buffer.from('x'))).rejects.toThrow(BrokenPipeError);
  });
});

describe('ContainerFiles', () => {
  const host = new FileTree();
  host.writeFile('/shared/a', 'host');
  host.writeFile('/shared/deep/b', 'deep');
  const mount = (path: string, containerPath: string, readOnly = false) => ({
    containerPath,
    node: host.get(path),
    readOnly,
  });

  it('sees the longest mount first, and writes through to the host', () => {
    const files = new ContainerFiles(new FileTree(), false, [
      mount('/shared', '/m'),
      mount('/shared/deep', '/m/x'),
    ]);
    expect(files.readFile('/m/a').toString()).toBe('host');
    expect(files.readFile('/m/x/b').toString()).toBe('deep');
    files.write('/m/../m/new', Buffer.from('1'), false);
    files.write('/m/new', Buffer.from('2'), true);
    expect(host.readFile('/shared/new').toString()).toBe('12');
    expect(files.list('/')).toEqual(['m']);
  });

  it('refuses writes where it is read-only', () => {
    const files = new ContainerFiles(new FileTree(), true, [
      mount('/shared', '/m', true),
      mount('/shared/a', '/file'),
    ]);
    expect(() => files.write('/x', Buffer.from(''), false)).toThrow('Read-only');
    expect(() => files.write('/m/x', Buffer.from(''), false)).toThrow('Read-only');
    expect(() => files.remove('/m/a')).toThrow('Read-only');
    files.write('/file', Buffer.from('changed'), false);
    expect(host.readFile('/shared/a').toString()).toBe('changed');
  });

  it('says what is wrong with a path', () => {
    const files = new ContainerFiles(new FileTree(), false, []);
    files.makeDirectory('/d');
    files.write('/f', Buffer.from(''), false);
    expect(() => files.readFile('/none')).toThrow('No such file');
    expect(() => files.readFile('/d')).toThrow('Is a directory');
    expect(() => files.write('/f/x', Buffer.from(''), false)).toThrow('Not a directory');
    expect(() => files.write('/none/x', Buffer.from(''), false)).toThrow('No such file');
  });
});

it.each([
  ['/a/./b//c/..', '/', '/a/b'],
  ['x', '/a', '/a/x'],
  ['../../x', '/a', '/x'],
  ['', '/', '/'],
])('absolutePath(%j, %j) is %j', (path, cwd, result) => {
  expect(absolutePath(path, cwd)).toBe(result);
});

it.each([
  ['SIGTERM', 15],
  ['term', 15],
  ['9', 9],
  ['0', undefined],
  ['65', undefined],
  ['NOPE', undefined],
])('signalNumber(%j) is %j', (text, number) => {
  expect(signalNumber(text)).toBe(number);
});
