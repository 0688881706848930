import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@podwright/core';
import { LocalHostExecutor, LocalMounter, type Mounter } from '@podwright/nsenter';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { expectFailure } from './support/failure.js';
import { MountingAgent } from './support/mounting-agent.js';

type Call = <K extends keyof Mounter>(
  method: K,
  ...args: Parameters<Mounter[K]>
) => Promise<Awaited<ReturnType<Mounter[K]>>>;

const local = new LocalMounter(new LocalHostExecutor(silentLogger, {}), silentLogger);
/** A mount of its own, so that whatever a test leaves ends with it. */
const base = realpathSync(mkdtempSync(join(tmpdir(), 'mounter e2e-')));
const inBase = (name: string) => join(base, name);
const agents: MountingAgent[] = [];

function startAgent(...args: Parameters<typeof MountingAgent.start>): MountingAgent {
  const agent = MountingAgent.start(...args);
  agents.push(agent);
  return agent;
}

function directory(name: string): string {
  mkdirSync(inBase(name), { recursive: true });
  return inBase(name);
}

beforeAll(async () => {
  await local.mount('tests', base, 'tmpfs', ['rshared']);
  contained = MountingAgent.start(CONTAINER_OPTIONS, IN_CONTAINER);
});
afterEach(async () => {
  for (const path of (await local.list()).map((mount) => mount.path).toReversed()) {
    if (path.startsWith(`${base}/`)) await local.unmountIfMounted(path, { lazy: true });
  }
  for (const agent of agents.splice(0)) await agent.stop();
  execFileSync('find', [base, '-mindepth', '1', '-delete']);
});
afterAll(async () => {
  await contained.stop();
  await local.unmountTree(base);
  rmSync(base, { recursive: true });
});

/** A mount namespace of its own with the host's root at /rootfs, a copy that sees nothing of what the host mounts later. */
const IN_CONTAINER = [
  ...['unshare', '--mount', '--propagation=private', 'sh', '-c'],
  `mount -t tmpfs root /mnt && mkdir /mnt/rootfs && mount --rbind / /mnt/rootfs && mount -t tmpfs hidden "$1" && shift &&
   exec "$@"`,
  ...['sh', base],
];
const CONTAINER_OPTIONS = { mode: 'in-container', hostRoot: '/mnt/rootfs' } as const;

const onHost: Call = (method, ...args) => Reflect.apply(local[method], local, args);
let contained: MountingAgent;
const inContainer: Call = (method, ...args) => contained.call(method, ...args);

describe.each([
  ['on the host', onHost],
  ['from inside a container', inContainer],
])('%s', (_, call) => {
  const rowOf = async (path: string) => (await call('list')).find((mount) => mount.path === path);

  test('a tmpfs is mounted, seen and unmounted', async () => {
    const path = directory('tmpfs');
    expect([await call('isMountPoint', path), await call('isLikelyNotMountPoint', path)]).toEqual([
      false,
      true,
    ]);
    await call('mount', 'my tmpfs', path, 'tmpfs', ['size=64k', 'mode=0711', 'noexec']);
    const row = await rowOf(path);
    expect(row).toMatchObject({ device: 'my tmpfs', type: 'tmpfs', root: '/', path });
    expect(row?.options).toContain('noexec');
    expect(row?.superOptions).toContain('size=64k');
    expect(row?.parentId).toBe((await rowOf(base))?.id);
    expect([await call('isMountPoint', path), await call('isLikelyNotMountPoint', path)]).toEqual([
      true,
      false,
    ]);
    // The host itself sees it.
    expect(execFileSync('stat', ['-c', '%a', path], { encoding: 'utf8' })).toBe('711\n');
    await call('unmount', path);
    expect(await rowOf(path)).toBeUndefined();
    await expectFailure(() => call('unmount', path), 'failed-precondition', /umount: .*tmpfs: not mounted/);
  });

  test('a read-only bind mount cannot be written, and keeps what its source has', async () => {
    const [source, target] = [directory('source'), directory('target')];
    await call('mount', 'x', source, 'tmpfs', ['nosuid', 'nodev', 'noatime']);
    await call('mount', source, target, undefined, ['bind', 'ro']);
    writeFileSync(join(source, 'file'), 'written');
    expect(readFileSync(join(target, 'file'), 'utf8')).toBe('written');
    expect(() => writeFileSync(join(target, 'file'), '')).toThrow('EROFS');
    expect((await rowOf(target))?.options).toEqual(
      expect.arrayContaining(['ro', 'nosuid', 'nodev', 'noatime']),
    );
    expect((await rowOf(source))?.options).toContain('rw');
  });

  test('propagation is what was asked for', async () => {
    const [shared, copy, alone] = [directory('shared'), directory('copy'), directory('alone')];
    await call('mount', 'x', shared, 'tmpfs', ['rshared']);
    await call('mount', shared, copy, undefined, ['bind', 'rslave']);
    await call('mount', shared, alone, undefined, ['bind', 'private']);
    const { peerGroup } = (await rowOf(shared))?.propagation ?? {};
    expect(peerGroup).toBeGreaterThan(0);
    expect((await rowOf(copy))?.propagation).toEqual({ masterGroup: peerGroup, unbindable: false });
    expect((await rowOf(alone))?.propagation).toEqual({ unbindable: false });
    mkdirSync(join(shared, 'below'));
    await call('mount', 'y', join(shared, 'below'), 'tmpfs');
    expect(await call('isMountPoint', join(copy, 'below'))).toBe(true);
    expect(await call('isMountPoint', join(alone, 'below'))).toBe(false);
    await call('setPropagation', copy, 'unbindable');
    expect((await rowOf(copy))?.propagation).toEqual({ unbindable: true });
  });

  test('links are followed', async () => {
    const path = directory('real');
    symlinkSync('real', inBase('link'));
    await call('mount', 'x', inBase('link'), 'tmpfs');
    expect((await rowOf(path))?.device).toBe('x');
    for (const each of [path, inBase('link')]) {
      expect([await call('isMountPoint', each), await call('isLikelyNotMountPoint', each)]).toEqual([
        true,
        false,
      ]);
    }
    expect(await call('unmountIfMounted', inBase('link'))).toBe(true);
    expect(await call('unmountIfMounted', inBase('link'))).toBe(false);
    expect(await call('isMountPoint', path)).toBe(false);
  });

  test.each(['a b', 'line\nfeed', 'tab\tand \\ and \\040', '-o', 'ü,ro', '#'])(
    'a mount point named %j',
    async (name) => {
      const path = directory(name);
      await call('mount', name, path, 'tmpfs', ['ro']);
      expect((await rowOf(path))?.device).toBe(name);
      expect(await call('isMountPoint', path)).toBe(true);
      await call('mount', path, directory('copy'), undefined, ['bind']);
      expect(await call('getMountRefs', inBase('copy'))).toEqual([path]);
      await call('cleanUpMountPoint', path);
      await expectFailure(() => call('isMountPoint', path), 'not-found', /No such file|ENOENT/);
    },
  );

  test('the other mount points of the same directory are found', async () => {
    const [source, one, two] = [directory('source'), directory('one'), directory('two')];
    await call('mount', 'x', source, 'tmpfs');
    mkdirSync(join(source, 'sub'));
    await call('mount', join(source, 'sub'), one, undefined, ['bind']);
    await call('mount', join(source, 'sub'), two, undefined, ['bind']);
    await call('mount', source, directory('whole'), undefined, ['bind']);
    expect(await call('getMountRefs', one)).toEqual([two]);
    expect(await call('getMountRefs', join(source, 'sub'))).toEqual([one, two]);
    expect(await call('getMountRefs', source)).toEqual([inBase('whole')]);
    expect(await call('getMountRefs', inBase('none'))).toEqual([]);
    // A bind mount of the same file system has the device of the directory it lies in.
    const near = directory('near');
    await call('mount', directory('beside'), near, undefined, ['bind']);
    expect([await call('isLikelyNotMountPoint', near), await call('isMountPoint', near)]).toEqual([
      true,
      true,
    ]);
  });

  test('errors tell what the commands said', async () => {
    const path = directory('target');
    await expectFailure(
      () => call('mount', 'x', inBase('none'), 'tmpfs'),
      'not-found',
      /mount: .*none: mount point does not exist/,
    );
    await expectFailure(
      () => call('mount', inBase('none'), path, undefined, ['bind']),
      'not-found',
      /special device .*none does not exist/,
    );
    const failure = await expectFailure(
      () => call('mount', 'x', path, 'tmpfs', ['ro'], { sensitiveOptions: ['passphrase=hunter2'] }),
      'command-failed',
      /could not be mounted at .*bad option/,
    );
    expect(failure.details).toMatchObject({ path, exitCode: 32 });
    expect(String(failure.details['command'])).toContain('-o ro,***');
    expect(JSON.stringify(failure.details)).not.toContain('hunter2');
    expect(await call('isMountPoint', path)).toBe(false);
    await expectFailure(
      () => call('unmount', inBase('none')),
      'not-found',
      /umount: .*none: no mount point specified/,
    );
  });

  test('what is busy is not unmounted, but lazily', async () => {
    const path = directory('busy');
    await call('mount', 'x', path, 'tmpfs');
    const user = spawn('sh', ['-c', 'echo in; exec sleep 60'], {
      cwd: path,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      await once(user.stdout, 'data');
      await expectFailure(() => call('unmount', path), 'in-use', /umount: .*busy: target is busy/);
      expect(await call('isMountPoint', path)).toBe(true);
      await call('unmount', path, { lazy: true });
      expect(await call('isMountPoint', path)).toBe(false);
    } finally {
      user.kill('SIGKILL');
    }
  });

  test('a tree with mounts above each other is unmounted', async () => {
    const path = directory('tree/a');
    for (const each of [path, path]) await call('mount', 'x', each, 'tmpfs');
    mkdirSync(join(path, 'deep'));
    await call('mount', 'x', join(path, 'deep'), 'tmpfs');
    await call('mount', 'x', directory('tree beside'), 'tmpfs');
    expect(await call('unmountTree', inBase('tree'))).toEqual([join(path, 'deep'), path, path]);
    expect(await call('unmountTree', inBase('tree'))).toEqual([]);
    expect(await call('isMountPoint', inBase('tree beside'))).toBe(true);
  });

  test('many at once', async () => {
    const paths = Array.from({ length: 20 }, (_, index) => directory(`many/${index}`));
    await Promise.all(paths.map((path) => local.mount('x', path, 'tmpfs')));
    const seen = (await call('list')).map(({ path }) => path);
    expect(seen).toEqual(expect.arrayContaining(paths));
    await Promise.all(paths.map((path) => local.unmountIfMounted(path)));
    expect(await call('unmountTree', inBase('many'))).toEqual([]);
  });
});

describe('a FUSE daemon that a mount starts', () => {
  const scopes = () =>
    execFileSync('systemctl', ['list-units', '--type=scope', '--no-legend'], { encoding: 'utf8' });
  const bindfsAt = (target: string) =>
    execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.includes('bindfs') && line.includes(target));
  let unit = 0;

  /** Mounts by an agent that is a unit of its own, as agents are, and kills the agent. */
  async function mountAndKill(
    options: Parameters<typeof MountingAgent.start>[0],
    wrapper: readonly string[] = [],
  ) {
    const name = `podwright-mounter-${process.pid}-${++unit}.service`;
    const inUnit = ['systemd-run', '--quiet', '--pipe', '--wait', '--collect', `--unit=${name}`, '--'];
    const agent = startAgent(options, [...inUnit, ...wrapper]);
    const [source, target] = [directory('source'), directory('target')];
    writeFileSync(join(source, 'file'), 'through FUSE');
    await agent.call('mount', source, target, 'fuse.bindfs', ['ro']);
    expect(readFileSync(join(target, 'file'), 'utf8')).toBe('through FUSE');
    expect(bindfsAt(target)).toHaveLength(1);
    execFileSync('systemctl', ['kill', '--signal=KILL', '--kill-whom=all', name]);
    // Ends when systemd has ended all that was in the unit.
    await agent.ended();
    return { target, warnings: agent.warnings };
  }

  test.each([
    ['on the host', { mode: 'local' } as const, []],
    ['from inside a container', CONTAINER_OPTIONS, IN_CONTAINER],
  ])('outlives the agent that was killed: %s', async (_, options, wrapper) => {
    const { target, warnings } = await mountAndKill(options, wrapper);
    expect(warnings).toEqual([]);
    expect(readFileSync(join(target, 'file'), 'utf8')).toBe('through FUSE');
    expect(scopes()).toContain(`Podwright: mount of fuse.bindfs at ${target}`);
    expect((await local.getMount(target))?.type).toMatch(/^fuse/);
    await local.unmount(target);
    expect(await local.isMountPoint(target)).toBe(false);
  });

  test('ends with it without a scope; what it leaves can be cleaned up', async () => {
    const binaries = { 'systemd-run': '/bin/false' };
    const { target, warnings } = await mountAndKill({ mode: 'local', binaries });
    expect(warnings).toHaveLength(1);
    expect(() => readFileSync(join(target, 'file'))).toThrow('ENOTCONN');
    for (const call of [onHost, inContainer]) {
      expect(await call('isMountPoint', target)).toBe(true);
      expect(await call('isLikelyNotMountPoint', target)).toBe(false);
      expect((await call('getMount', target))?.type).toMatch(/^fuse/);
    }
    await inContainer('cleanUpMountPoint', target, { extensiveCheck: false });
    await expectFailure(() => local.isMountPoint(target), 'not-found', /ENOENT/);
  });

  test('is mounted plainly with one warning where systemd does not run', async () => {
    const withoutSystemd = [
      ...['unshare', '--mount', '--propagation=private', 'sh', '-c'],
      'for path in /run/systemd /run/dbus; do mount -t tmpfs none "$path"; done; exec "$@"',
      'sh',
    ];
    const agent = startAgent({ mode: 'local' }, withoutSystemd);
    const source = directory('source');
    for (const name of ['one', 'two']) {
      await agent.call('mount', source, directory(name), 'fuse.bindfs', ['ro']);
      expect(await agent.call('isMountPoint', inBase(name))).toBe(true);
    }
    expect(agent.warnings).toHaveLength(1);
    expect(agent.warnings[0]).toMatch(/without a systemd scope.*not been booted with systemd/);
    for (const name of ['one', 'two']) await agent.call('unmount', inBase(name));
  });
});
