import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Logger, PodwrightError, silentLogger } from '@podwright/core';
import { Container } from 'inversify';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createFakeNsenter } from './fake-nsenter.js';
import { type HostCommand, HostExecutor, type HostResult } from './host-executor.js';
import { resolveUnderRoot } from './host-root.js';
import { HostRootNsenter } from './host-root-nsenter.js';
import { LocalHostExecutor } from './local-host-executor.js';
import { AgentExecutor, Nsenter, type NsenterOptions, REQUIRED_HOST_TOOLS } from './nsenter.js';
import { NsenterHostExecutor } from './nsenter-host-executor.js';
import { nsenterModule } from './nsenter-module.js';

let directory: string;
beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'nsenter-')));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Records what would run in the agent's container. */
class RecordingExecutor extends LocalHostExecutor {
  readonly commands: string[][] = [];
  constructor() {
    super(silentLogger, {});
  }
  override async run(command: HostCommand): Promise<HostResult> {
    this.commands.push([command.command, ...command.args]);
    return { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0), exitCode: 0 };
  }
}

const root = () => join(directory, 'rootfs');

function program(path: string): void {
  const file = join(root(), path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, '#!/bin/sh\n');
  chmodSync(file, 0o755);
}

function link(path: string, target: string): void {
  mkdirSync(dirname(join(root(), path)), { recursive: true });
  symlinkSync(target, join(root(), path));
}

/** A host as most are: /bin is a link. */
function makeHost(without: readonly string[] = []): void {
  mkdirSync(join(root(), 'proc/1/ns'), { recursive: true });
  link('/bin', 'usr/bin');
  for (const name of REQUIRED_HOST_TOOLS) if (!without.includes(name)) program(`/usr/bin/${name}`);
}

function nsenter(options: NsenterOptions = {}) {
  const executor = new RecordingExecutor();
  return { executor, nsenter: new HostRootNsenter(executor, { hostRoot: root(), ...options }) };
}

async function errorOf(promise: Promise<unknown>): Promise<PodwrightError> {
  const error = await promise.catch((reason: unknown) => reason);
  if (!PodwrightError.is(error)) throw new Error(`no PodwrightError: ${String(error)}`);
  return error;
}

describe('links of the host', () => {
  test.each([
    ['nothing', '/a/b', '/a/b'],
    ['an absolute link', '/abs/x', '/real/x'],
    ['a relative link', '/real/rel', '/real/x'],
    ['a link out of the root', '/out/etc', '/etc'],
    ['a chain', '/chain', '/real/x'],
    ['.. behind a link', '/abs/../etc', '/etc'],
    ['.. above the root', '/../../etc', '/etc'],
    ['a link to /', '/slash/real', '/real'],
  ])('%s', async (_name, path, expected) => {
    mkdirSync(join(root(), 'real'), { recursive: true });
    writeFileSync(join(root(), 'real/x'), '');
    link('/abs', '/real');
    link('/real/rel', './x');
    link('/out', '../../..');
    link('/chain', '/abs/rel');
    link('/slash', '/');
    expect(await resolveUnderRoot(root(), path)).toBe(expected);
  });

  test('a loop is an error', async () => {
    link('/a', '/b');
    link('/b', 'a');
    expect((await errorOf(resolveUnderRoot(root(), '/a/x'))).kind).toBe('failed-precondition');
    expect((await errorOf(resolveUnderRoot(root(), 'relative'))).kind).toBe('invalid-argument');
  });
});

describe('tools', () => {
  test('are found in the order of the directories, and named by that path', async () => {
    makeHost(['mount', 'ls']);
    program('/usr/sbin/mount');
    program('/mount');
    program('/usr/bin/busybox');
    link('/usr/sbin/ls', '/usr/bin/busybox');
    const host = nsenter();
    await host.nsenter.start();
    expect(host.nsenter.absHostPath('mount')).toBe('/mount');
    expect(host.nsenter.absHostPath('findmnt')).toBe('/bin/findmnt');
    // Not the link's target: busybox looks at the name it is called by.
    expect(host.nsenter.absHostPath('ls')).toBe('/usr/sbin/ls');
    expect(host.nsenter.absHostPath('vgs')).toBe('vgs');
    expect(host.nsenter.absHostPath('/opt/x')).toBe('/opt/x');
  });

  test('a link is followed on the host, not in the container', async () => {
    makeHost(['sh']);
    // There is a /bin/sh where this test runs; there is none on that host.
    link('/usr/bin/sh', '/bin/dash-of-nowhere');
    const error = await errorOf(nsenter().nsenter.start());
    expect(error.kind).toBe('missing-requirement');
    expect(error.message).toContain('lacks sh:');
    program('/usr/bin/dash-of-nowhere');
    await nsenter().nsenter.start();
  });

  test.each(REQUIRED_HOST_TOOLS)('a missing %s is named', async (name) => {
    makeHost([name]);
    const error = await errorOf(nsenter().nsenter.start());
    expect(error.kind).toBe('missing-requirement');
    expect(error.message).toContain(`lacks ${name}: not found in /, /bin, /usr/sbin, /usr/bin`);
  });

  test('what is missing is named at once, and looked for again at the next start', async () => {
    makeHost(['stat', 'touch']);
    const host = nsenter();
    expect((await errorOf(host.nsenter.start())).details['missing']).toEqual(['stat', 'touch']);
    program('/usr/bin/stat');
    program('/usr/bin/touch');
    await host.nsenter.start();
  });

  test('a file that cannot be executed and a directory are no tools', async () => {
    makeHost(['stat', 'touch']);
    mkdirSync(join(root(), 'usr/bin/stat'));
    writeFileSync(join(root(), 'usr/bin/touch'), '', { mode: 0o644 });
    expect((await errorOf(nsenter().nsenter.start())).details['missing']).toEqual(['stat', 'touch']);
  });

  test('systemd-run is optional', async () => {
    makeHost();
    const without = nsenter().nsenter;
    await without.start();
    expect(without.supportsSystemd()).toBeUndefined();
    program('/usr/bin/systemd-run');
    const host = nsenter().nsenter;
    await host.start();
    expect(host.supportsSystemd()).toBe('/bin/systemd-run');
  });

  test('a configured path wins', async () => {
    makeHost();
    program('/opt/mount');
    program('/opt/crun');
    const host = nsenter({ binaries: { mount: '/opt/mount', crun: '/opt/crun', runc: '/opt/none' } }).nsenter;
    await host.start();
    expect(host.absHostPath('mount')).toBe('/opt/mount');
    expect(await host.which('crun')).toBe('/opt/crun');
    expect(await host.which('runc')).toBeUndefined();
    expect(await host.which('stat')).toBe('/bin/stat');
  });

  test('a root that is not there is named', async () => {
    const error = await errorOf(nsenter().nsenter.start());
    expect(error.kind).toBe('missing-requirement');
    expect(error.message).toContain(`The host's root is not at ${root()}`);
  });
});

describe('commands', () => {
  test('enter the mount namespace of the host’s first process', async () => {
    makeHost();
    mkdirSync(join(root(), 'srv'));
    link('/data', '/srv');
    const { executor, nsenter: host } = nsenter();
    await host.exec({ command: '/bin/ls', args: ['-l', '/x y'], cwd: '/data' });
    const enter = `--mount=${root()}/proc/1/ns/mnt`;
    expect(executor.commands).toEqual([
      ['nsenter', enter, '--', '/bin/sh', '-c', ':'],
      [
        'nsenter',
        enter,
        '--',
        '/bin/sh',
        '-c',
        'cd -P -- "$1" && shift && exec "$@"',
        'sh',
        '/data',
        '/bin/ls',
        '-l',
        '/x y',
      ],
    ]);
  });

  test('a working directory that is not on the host is named', async () => {
    makeHost();
    const error = await errorOf(nsenter().nsenter.exec({ command: '/bin/ls', args: [], cwd: '/none' }));
    expect(error.kind).toBe('not-found');
    expect(error.message).toContain('/none');
  });

  test('a host that cannot be entered is kind permission-denied, with nsenter’s words', async () => {
    makeHost();
    const executor = new LocalHostExecutor(silentLogger, {});
    const host = new HostRootNsenter(executor, { hostRoot: root() });
    const error = await errorOf(host.exec({ command: '/bin/ls', args: [] }));
    expect(error.kind).toBe('permission-denied');
    expect(error.message).toContain('has to be privileged');
    expect(error.message).toContain(`${root()}/proc/1/ns/mnt`);
  });

  test('the agent sees the host’s paths below the root', () => {
    const host = nsenter().nsenter;
    expect(host.hostPath('/var/lib/x')).toBe(`${root()}/var/lib/x`);
    expect(host.hostPath('/')).toBe(`${root()}/`);
    expect(host.hostPath('/../../etc/passwd')).toBe(`${root()}/etc/passwd`);
    expect(new HostRootNsenter(new RecordingExecutor(), {}).hostPath('/x')).toBe('/rootfs/x');
  });
});

describe('the fake runs in the same mount namespace', () => {
  const fake = () => createFakeNsenter({ rootfsLink: root() });

  test('links are followed by realpath', async () => {
    const host = await fake();
    mkdirSync(join(directory, 'real'));
    symlinkSync('real', join(directory, 'link'));
    symlinkSync('loop', join(directory, 'loop'));
    const resolve = (name: string, mustExist: boolean) =>
      host.evalSymlinks(join(directory, name), { mustExist });
    expect(await resolve('link', true)).toBe(join(directory, 'real'));
    expect(await resolve('link/none/deep', false)).toBe(join(directory, 'real/none/deep'));
    expect(await resolve('loop/x', false)).toBe(join(directory, 'loop/x'));
    const none = await errorOf(resolve('link/none', true));
    expect(none.kind).toBe('not-found');
    expect(none.message).toContain('link/none');
    expect((await errorOf(resolve('loop', true))).kind).toBe('failed-precondition');
    mkdirSync(join(directory, 'two\nlines\n'));
    expect(await resolve('two\nlines\n', true)).toBe(join(directory, 'two\nlines\n'));
  });

  test('an executor over it runs, streams, looks up and has the working directory', async () => {
    const executor = new NsenterHostExecutor(await fake());
    const result = await executor.run({
      command: 'sh',
      args: ['-c', 'pwd; echo "$1" $X', '-', 'a b'],
      cwd: directory,
      env: { X: 'y' },
    });
    expect(result.stdout.toString()).toBe(`${directory}\na b y\n`);
    const child = await executor.start({ command: 'cat', args: [] });
    child.stdin.end('through');
    expect(await text(child.stdout)).toBe('through');
    expect(await executor.which('sh')).toMatch(/^\/.*\/sh$/);
    expect(executor.hostPath('/x')).toBe(`${root()}/x`);
    const error = await errorOf(executor.run({ command: 'no-such-program-here', args: [] }));
    expect(error.kind).toBe('missing-requirement');
    expect(error.message).toContain('no-such-program-here was not found on the host');
    const failure = await errorOf(executor.run({ command: 'ls', args: ['/no/such/file'] }));
    expect(failure.kind).toBe('command-failed');
  });
});

describe('the module', () => {
  function container(options: Parameters<typeof nsenterModule>[0]): Container {
    const bound = new Container();
    bound.bind(Logger).toConstantValue(silentLogger);
    bound.load(nsenterModule(options));
    return bound;
  }

  test('local', async () => {
    const bound = container({ mode: 'local', binaries: { mine: '/bin/sh' } });
    const executor = bound.get(HostExecutor);
    expect(executor).toBeInstanceOf(LocalHostExecutor);
    expect(bound.get(HostExecutor)).toBe(executor);
    expect(await executor.which('mine')).toBe('/bin/sh');
    expect(bound.isBound(Nsenter)).toBe(false);
  });

  test('in a container', async () => {
    makeHost();
    program('/opt/crun');
    const bound = container({ mode: 'in-container', hostRoot: root(), binaries: { crun: '/opt/crun' } });
    const executor = bound.get(HostExecutor);
    expect(executor).toBeInstanceOf(NsenterHostExecutor);
    expect(executor.hostPath('/etc')).toBe(`${root()}/etc`);
    expect(await executor.which('crun')).toBe('/opt/crun');
    expect(existsSync(executor.hostPath('/opt/crun'))).toBe(true);
    expect(await bound.get(AgentExecutor).which('crun')).not.toBe('/opt/crun');
  });
});
