import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { type ContainerRuntime, type ExecOptions, type ExecSession, PodwrightError } from '@podwright/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CliContext } from '../cli-context.js';
import { copyFromPod } from './copy-from-pod.js';
import { copyToPod } from './copy-to-pod.js';

const container = { name: 'web' };
let folder: string;
/** What the container has as its root. */
let root: string;
/** Where copies go here. */
let here: string;
let context: CliContext;
let notes: PassThrough;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'copy-'));
  root = join(folder, 'root');
  here = join(folder, 'here');
  await mkdir(root);
  await mkdir(here);
  notes = new PassThrough();
  const controller = new AbortController();
  context = {
    stderr: notes,
    signal: controller.signal,
  } as unknown as CliContext;
});

afterEach(() => rm(folder, { recursive: true }));

/** A container whose root is a directory here, with the programs of this machine. */
function realContainer(): ContainerRuntime {
  return runtimeOf(({ command }) => {
    const [program = '', ...args] = command;
    const child = spawn(
      program,
      args.map((arg) => (arg.startsWith('/') ? join(root, arg) : arg)),
      { cwd: root, stdio: 'pipe' },
    );
    const { stdin, stdout, stderr } = child;
    stdin.on('error', () => undefined);
    return { stdin, stdout, stderr, exitCode: once(child, 'close').then(([code]) => Number(code)) };
  });
}

/** A container that sends this archive, whatever is asked for. */
function hostileContainer(...entries: readonly Entry[]): ContainerRuntime {
  return runtimeOf(() => ({
    stdout: Readable.from([tarOf(entries)]),
    stderr: Readable.from([]),
    exitCode: Promise.resolve(0),
  }));
}

function runtimeOf(start: (options: ExecOptions) => Omit<ExecSession, 'resize' | 'kill'>): ContainerRuntime {
  return {
    execInContainer: async (_ref: unknown, options: ExecOptions) => start(options),
    runInContainer: async (_ref: unknown, command: readonly string[]) => {
      const { exitCode } = start({ command });
      return { exitCode: await exitCode, stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
    },
  } as unknown as ContainerRuntime;
}

interface Entry {
  readonly path: string;
  readonly type?: 'file' | 'symlink' | 'fifo' | 'directory';
  readonly content?: string;
  readonly target?: string;
  readonly mode?: number;
}

const TYPES = { file: '0', symlink: '2', directory: '5', fifo: '6' };

/** A tar archive (POSIX ustar) with whatever names a hostile container may choose. */
function tarOf(entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap(({ path, type = 'file', content = '', target = '', mode = 0o755 }) => {
    const header = Buffer.alloc(512);
    const octal = (value: number, at: number, length: number) =>
      header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at);
    header.write(path, 0);
    octal(mode, 100, 8);
    octal(0, 108, 8);
    octal(0, 116, 8);
    octal(content.length, 124, 12);
    octal(0, 136, 12);
    header.write(`        ${TYPES[type]}${target}`, 148);
    header.write('ustar\x0000', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [header, Buffer.from(content.padEnd(Math.ceil(content.length / 512) * 512, '\0'))];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

const from = (runtime: ContainerRuntime, path: string, local: string) =>
  copyFromPod(context, runtime, { local: join(here, local), container, path });
const to = (local: string, path: string) =>
  copyToPod(context, realContainer(), { local: join(here, local), container, path });

describe('out of a container', () => {
  beforeEach(async () => {
    await mkdir(join(root, 'site/sub'), { recursive: true });
    await writeFile(join(root, 'site/index.html'), 'hello');
    await writeFile(join(root, 'site/sub/a b'), 'deep');
    await symlink('index.html', join(root, 'site/link'));
  });

  it('a file gets the name of the target, or goes into a directory that is there', async () => {
    await from(realContainer(), '/site/index.html', 'new.html');
    await from(realContainer(), '/site/index.html', '.');
    expect((await readdir(here)).sort()).toEqual(['index.html', 'new.html']);
    expect(await readFile(join(here, 'new.html'), 'utf8')).toBe('hello');
  });

  it('a directory comes with all in it, and is merged with one that is there', async () => {
    await from(realContainer(), '/site', 'copy');
    expect((await readdir(join(here, 'copy'))).sort()).toEqual(['index.html', 'link', 'sub']);
    expect(await readlink(join(here, 'copy/link'))).toBe('index.html');
    await mkdir(join(here, 'site'));
    await writeFile(join(here, 'site/own'), 'mine');
    await writeFile(join(here, 'site/index.html'), 'old');
    await from(realContainer(), '/site/', '.');
    expect(await readFile(join(here, 'site/index.html'), 'utf8')).toBe('hello');
    expect(await readFile(join(here, 'site/own'), 'utf8')).toBe('mine');
    expect(await readFile(join(here, 'site/sub/a b'), 'utf8')).toBe('deep');
  });

  it('says in tar’s words what is not there, and leaves nothing behind', async () => {
    await expect(from(realContainer(), '/nosuch', 'x')).rejects.toMatchObject({ kind: 'not-found' });
    await expect(from(realContainer(), '/site', 'no/such/x')).rejects.toMatchObject({ kind: 'not-found' });
    expect(await readdir(here)).toEqual([]);
  });

  it.each<[string, Entry[]]>([
    ['a name that climbs out', [{ path: 'x/../../../evil', content: 'evil' }]],
    ['an absolute name', [{ path: '/evil', content: 'evil' }]],
    ['another name', [{ path: 'x' }, { path: 'evil', content: 'evil' }]],
    ['nothing', []],
    [
      'a file through a link of its own',
      [
        { path: 'x', type: 'symlink', target: '..' },
        { path: 'x/evil', content: 'evil' },
      ],
    ],
  ])('takes nothing of an archive with %s', async (_what, entries) => {
    await expect(from(hostileContainer(...entries), '/x', 'x')).rejects.toMatchObject({
      kind: 'command-failed',
    });
    expect(await readdir(here)).toEqual([]);
    expect((await readdir(folder)).sort()).toEqual(['here', 'root']);
  });

  it('leaves out what is no file, and takes set-user-ID bits away', async () => {
    const runtime = hostileContainer(
      { path: 'x/', type: 'directory' },
      { path: 'x/pipe', type: 'fifo' },
      { path: 'x/su', content: 'program', mode: 0o4755 },
    );
    await from(runtime, '/x', 'x');
    expect(await readdir(join(here, 'x'))).toEqual(['su']);
    expect((await lstat(join(here, 'x/su'))).mode & 0o7111).toBe(0o111);
    expect(String(notes.read())).toContain('x/pipe');
  });

  it('replaces a link that an earlier copy brought, instead of writing through it', async () => {
    await writeFile(join(folder, 'precious'), 'mine');
    await mkdir(join(here, 'x'));
    await symlink('../../precious', join(here, 'x/f'));
    const runtime = hostileContainer({ path: 'x/', type: 'directory' }, { path: 'x/f', content: 'evil' });
    await from(runtime, '/x', '.');
    expect(await readFile(join(folder, 'precious'), 'utf8')).toBe('mine');
    expect(await readFile(join(here, 'x/f'), 'utf8')).toBe('evil');
  });
});

describe('into a container', () => {
  beforeEach(async () => {
    await mkdir(join(here, 'site/sub'), { recursive: true });
    await writeFile(join(here, 'site/-index & co'), 'hello');
    await chmod(join(here, 'site/-index & co'), 0o640);
    await symlink('./-index & co', join(here, 'site/link'));
    await mkdir(join(root, 'srv'));
  });

  it('a directory gets the name of the target, or goes into one that is there', async () => {
    await to('site', '/copy,&x');
    await to('site', '/srv');
    await to('site', '/srv/');
    for (const path of ['copy,&x', 'srv/site']) {
      expect((await readdir(join(root, path))).sort()).toEqual(['-index & co', 'link', 'sub']);
      expect(await readlink(join(root, path, 'link'))).toBe('./-index & co');
      expect((await lstat(join(root, path, '-index & co'))).mode & 0o777).toBe(0o640);
    }
  });

  it('a file gets the name of the target, or goes into a directory that is there', async () => {
    await to('site/-index & co', '/srv/new');
    await to('site/-index & co', '/srv');
    expect((await readdir(join(root, 'srv'))).sort()).toEqual(['-index & co', 'new']);
    expect(await readFile(join(root, 'srv/new'), 'utf8')).toBe('hello');
  });

  it('says what is not there, on either side', async () => {
    await expect(to('nosuch', '/srv')).rejects.toMatchObject({ kind: 'not-found' });
    await expect(to('site', '/no/such/site')).rejects.toMatchObject({
      message: expect.stringContaining('/no/such'),
    });
  });

  /** A container whose tar takes one chunk of the archive, closes its input and ends with 0. */
  const sated = () =>
    runtimeOf(() => ({
      stdin: new Writable({
        write(_chunk, _encoding, done) {
          this.destroy();
          done();
        },
      }),
      stdout: Readable.from([]),
      stderr: Readable.from([]),
      exitCode: Promise.resolve(0),
    }));

  it('does not mind that the container’s tar reads no further than the end of the archive', async () => {
    await copyToPod(context, sated(), { local: join(here, 'site'), container, path: '/srv/' });
  });

  it('fails when the container’s tar reads less than the archive, whatever its exit code', async () => {
    await writeFile(join(here, 'site/large'), Buffer.alloc(1_000_000));
    const request = { local: join(here, 'site'), container, path: '/srv/' };
    await expect(copyToPod(context, sated(), request)).rejects.toMatchObject({ kind: 'command-failed' });
  });

  it('says so when the container has no tar', async () => {
    const runtime = runtimeOf(({ command }) => {
      throw new PodwrightError('command-failed', `${command[0]}: not found`);
    });
    await expect(
      copyToPod(context, runtime, { local: join(here, 'site'), container, path: '/x' }),
    ).rejects.toMatchObject({
      kind: 'missing-requirement',
      message: expect.stringContaining('no program tar'),
    });
    await expect(from(runtime, '/x', 'x')).rejects.toMatchObject({ kind: 'missing-requirement' });
  });
});
