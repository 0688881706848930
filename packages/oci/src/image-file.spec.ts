import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { HostExecutor } from '@podwright/nsenter';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { opaqueDirectories, readImageFile } from './image-file.js';

let root: string;
/** Uppermost first, as everywhere. */
let layers: string[];
let opaque: Set<string>;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'podwright-image-file-'));
  layers = ['top', 'middle', 'base'].map((name) => join(root, name));
  for (const layer of layers) mkdirSync(layer);
  opaque = new Set();
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

type LayerName = 'top' | 'middle' | 'base';

function place(layer: LayerName, path: string): string {
  const full = join(root, layer, path);
  mkdirSync(dirname(full), { recursive: true });
  return full;
}
const file = (layer: LayerName, path: string, text: string) => writeFileSync(place(layer, path), text);
const link = (layer: LayerName, path: string, target: string) => symlinkSync(target, place(layer, path));
/** A character device 0:0, which anybody may make. */
const whiteout = (layer: LayerName, path: string) =>
  execFileSync('mknod', [place(layer, path), 'c', '0', '0']);
const read = async (path: string, limitBytes?: number) => {
  const isOpaque = (directory: string) => Promise.resolve(opaque.has(directory));
  const content = await readImageFile(layers, path, {
    isOpaque,
    ...(limitBytes !== undefined && { limitBytes }),
  });
  return content?.toString();
};

describe('readImageFile', () => {
  it('takes the uppermost layer that has the file', async () => {
    file('base', 'etc/passwd', 'base');
    file('top', 'etc/other', 'other');
    expect(await read('/etc/passwd')).toBe('base');
    file('middle', 'etc/passwd', 'middle');
    expect(await read('/etc/passwd')).toBe('middle');
    expect(await read('etc//./passwd')).toBe('middle');
  });

  it('knows no file that is absent, or below something that is no directory', async () => {
    file('base', 'etc/passwd', 'x');
    expect(await read('/etc/group')).toBeUndefined();
    expect(await read('/usr/lib/passwd')).toBeUndefined();
    expect(await read('/etc/passwd/x')).toBeUndefined();
  });

  it('honours whiteouts of files and directories', async () => {
    file('base', 'etc/passwd', 'x');
    file('base', 'opt/file', 'x');
    whiteout('middle', 'etc/passwd');
    whiteout('top', 'opt');
    expect(await read('/etc/passwd')).toBeUndefined();
    expect(await read('/opt/file')).toBeUndefined();
    file('top', 'etc/passwd', 'again');
    expect(await read('/etc/passwd')).toBe('again');
  });

  it('does not look below an opaque directory, nor below a file or link of an upper layer', async () => {
    file('base', 'etc/passwd', 'base');
    file('middle', 'etc/hosts', 'hosts');
    opaque.add(join(root, 'middle', 'etc'));
    expect(await read('/etc/passwd')).toBeUndefined();
    expect(await read('/etc/hosts')).toBe('hosts');
    file('base', 'a/file', 'x');
    file('middle', 'a', 'a file now');
    expect(await read('/a/file')).toBeUndefined();
    mkdirSync(join(root, 'top', 'a'));
    // The directory is new in the top layer: what lies below the file stays hidden.
    expect(await read('/a/file')).toBeUndefined();
  });

  it.each([
    ['relative', 'etc/passwd', '../usr/real'],
    ['absolute', 'etc/passwd', '/usr/real'],
    ['above the root', 'etc/passwd', '../../../../usr/real'],
  ])('follows a %s link inside the image', async (_, from, target) => {
    link('top', from, target);
    file('base', 'usr/real', 'found');
    expect(await read(`/${from}`)).toBe('found');
  });

  it('follows links of directories across layers, with .. as overlayfs has it', async () => {
    link('base', 'etc', 'usr/etc');
    file('middle', 'usr/etc/passwd', 'found');
    file('top', 'usr/x', 'x');
    expect(await read('/etc/passwd')).toBe('found');
    expect(await read('/etc/../x')).toBe('x');
  });

  it('never leaves the image', async () => {
    const secret = join(root, 'secret');
    writeFileSync(secret, 'of the host');
    link('top', 'etc/passwd', secret);
    link('base', 'etc/dir', root);
    link('middle', 'up', '../../..');
    expect(await read('/etc/passwd')).toBeUndefined();
    expect(await read('/etc/dir/secret')).toBeUndefined();
    expect(await read(`/up${secret}`)).toBeUndefined();
    expect(await read(`/../../..${secret}`)).toBeUndefined();
    // A lower layer's link must not be followed where an upper one has a directory.
    mkdirSync(join(root, 'top', 'etc', 'dir'), { recursive: true });
    expect(await read('/etc/dir/secret')).toBeUndefined();
  });

  it('refuses loops, directories, devices and large files', async () => {
    link('base', 'a', 'b');
    link('top', 'b', '/a');
    await expect(read('/a')).rejects.toThrow('its symbolic links are a loop');
    mkdirSync(join(root, 'base', 'etc'));
    await expect(read('/etc')).rejects.toThrow('it is a directory');
    execFileSync('mkfifo', [place('top', 'pipe')]);
    await expect(read('/pipe')).rejects.toThrow('it is no regular file');
    file('top', 'large', 'x'.repeat(11));
    await expect(read('/large', 10)).rejects.toThrow('it has 11 bytes, and 10 are the limit');
    expect(await read('/large', 11)).toHaveLength(11);
  });
});

describe('opaqueDirectories', () => {
  it.each([
    ['28 SCHILY.xattr.trusted.overlay.opaque=y\n', true],
    ['28 SCHILY.xattr.user.overlay.opaque=y\n', true],
    ['28 SCHILY.xattr.trusted.overlay.opaque=x\n', false],
    ['', false],
  ])('finds %j', async (output, expected) => {
    const run: HostExecutor['run'] = ({ command, args }) => {
      expect([command, args.slice(-2)]).toEqual(['tar', ['/layer/etc', '.']]);
      return Promise.resolve({ stdout: Buffer.from(output), stderr: Buffer.alloc(0), exitCode: 0 });
    };
    const isOpaque = opaqueDirectories({ run } as HostExecutor, (path) => path.replace('/rootfs', ''));
    expect(await isOpaque('/rootfs/layer/etc')).toBe(expected);
  });
});
