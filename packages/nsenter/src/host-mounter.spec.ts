import { PodwrightError, silentLogger } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import type { HostExecutor, HostResult, RunCommand } from './host-executor.js';
import { HostMounter } from './host-mounter.js';

const ROOT = '1 0 8:1 / / rw - ext4 /dev/sda1 rw\n';
const row = (id: number, path: string, options = 'rw') =>
  `${id} 1 0:${id} / ${path} ${options} - tmpfs tmpfs rw\n`;

interface Ran {
  readonly line: string;
  readonly command: RunCommand;
}

/** A host of which a test says the mount table and what commands do. */
class TestMounter extends HostMounter {
  readonly ran: Ran[];
  readonly warnings: string[];
  table = ROOT;
  /** One for each read of the table; then `table`. */
  reads: string[] = [];
  readsDone = 0;
  /** Of realPath and of deviceNumbers by path. */
  errors = new Map<string, PodwrightError>();
  links = new Map<string, string>();
  devices = new Map<string, string>();
  removed: string[] = [];

  constructor(
    does: (line: string, self: () => TestMounter) => Partial<HostResult> | undefined = () => undefined,
  ) {
    const ran: Ran[] = [];
    const warnings: string[] = [];
    const executor: HostExecutor = {
      run: async (command) => {
        const line = [command.command, ...command.args].join(' ');
        ran.push({ line, command });
        const result = {
          stdout: Buffer.alloc(0),
          stderr: Buffer.alloc(0),
          exitCode: 0,
          ...does(line, () => this),
        };
        if (result.exitCode !== 0 && command.okExitCodes !== 'any') {
          throw new PodwrightError('command-failed', `${line}: ${result.stderr}`);
        }
        return result;
      },
      start: () => Promise.reject(new Error('Nothing is started.')),
      which: async (name) => (name === 'systemd-run' && !this.systemdRun ? undefined : `/usr/bin/${name}`),
      hostPath: (path) => path,
    };
    super(executor, {
      ...silentLogger,
      warn: (message, fields) => void warnings.push(`${message} ${fields?.['reason']}`),
    });
    [this.ran, this.warnings] = [ran, warnings];
  }

  systemdRun = true;

  get lines(): string[] {
    return this.ran.map(({ line }) => line);
  }

  protected async readTable(): Promise<string> {
    this.readsDone++;
    return this.reads.shift() ?? this.table;
  }

  protected async realPath(path: string): Promise<string> {
    const error = this.errors.get(path);
    if (error) throw error;
    return this.links.get(path) ?? path;
  }

  protected async deviceNumbers(paths: readonly string[]): Promise<readonly string[]> {
    const failing = paths.map((path) => this.errors.get(path)).find((thrown) => thrown !== undefined);
    if (failing) throw failing;
    return paths.map((path) => this.devices.get(path) ?? '1');
  }

  protected async removeMountPoint(path: string): Promise<void> {
    this.removed.push(path);
  }
}

const failed = (stderr: string, exitCode = 32) => ({ exitCode, stderr: Buffer.from(`${stderr}\n`) });
const error = (kind: 'not-found' | 'failed-precondition', code: string) =>
  new PodwrightError(kind, code, { details: { code } });

async function errorOf(action: Promise<unknown>): Promise<PodwrightError> {
  const reason = await action.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (PodwrightError.is(reason)) return reason;
  throw new Error('It did not fail.', { cause: reason });
}

describe('the mount table', () => {
  it.each<[string, string[], number]>([
    ['stands still', [], 2],
    ['changes once', ['', ROOT], 3],
    ['changes all the time but twice', ['a', 'b', 'c', 'd', ROOT], 6],
  ])('that %s is read until two reads agree', async (_, reads, done) => {
    const mounter = new TestMounter();
    mounter.reads = reads;
    expect(await mounter.list()).toHaveLength(1);
    expect(mounter.readsDone).toBe(done);
  });

  it('that never stays the same is an error', async () => {
    const mounter = new TestMounter();
    mounter.reads = Array.from({ length: 100 }, (_, index) => row(index, '/x'));
    expect((await errorOf(mounter.list())).kind).toBe('unavailable');
  });

  it('answers what is mounted where, through links', async () => {
    const mounter = new TestMounter();
    mounter.table = ROOT + row(2, '/a') + row(3, '/b').replace('0:3', '0:2');
    mounter.links.set('/link', '/a');
    mounter.errors.set('/none', error('not-found', 'ENOENT'));
    expect(await mounter.isMountPoint('/link')).toBe(true);
    expect(await mounter.isMountPoint('/c')).toBe(false);
    expect((await mounter.getMount('/link'))?.id).toBe(2);
    expect(await mounter.getMount('/none')).toBeUndefined();
    expect((await errorOf(mounter.isMountPoint('/none'))).kind).toBe('not-found');
    expect(await mounter.getMountRefs('/link')).toEqual(['/b']);
    expect(await mounter.getMountRefs('/none')).toEqual([]);
  });
});

describe('isLikelyNotMountPoint', () => {
  it.each([
    ['/same', true],
    ['/device', false],
    ['/link', false],
    ['/', false],
  ])('of %s is %s', async (path, expected) => {
    const mounter = new TestMounter();
    mounter.devices.set('/device', '2');
    mounter.links.set('/link', '/device');
    expect(await mounter.isLikelyNotMountPoint(path)).toBe(expected);
  });
});

it('isLikelyNotMountPoint of what lies on a dead server is an error, of its mount point no', async () => {
  const mounter = new TestMounter();
  for (const path of ['/dead', '/dead/x']) mounter.errors.set(path, error('failed-precondition', 'ESTALE'));
  expect(await mounter.isLikelyNotMountPoint('/dead')).toBe(false);
  expect((await errorOf(mounter.isLikelyNotMountPoint('/dead/x'))).details['code']).toBe('ESTALE');
});

describe('a mount', () => {
  /** As the kernel: a bind takes the options of its source. */
  const binding = (line: string, self: () => TestMounter) => {
    if (line === 'mount -o bind -- /s /t') self().table += row(9, '/t', 'rw,nosuid,nodev,relatime');
    return undefined;
  };

  it('of a directory is a bind, a remount that keeps what its source has, and the propagation', async () => {
    const mounter = new TestMounter(binding);
    await mounter.mount('/s', '/t', undefined, ['bind', 'ro', 'rshared']);
    expect(mounter.lines).toEqual([
      'mount -o bind -- /s /t',
      'mount -o nosuid,nodev,relatime,remount,bind,ro -- /s /t',
      'mount --make-rshared -- /t',
    ]);
  });

  it('of what is held open is done and remounted by the handle', async () => {
    const mounter = new TestMounter(binding);
    await mounter.mount('/proc/1/fd/3', '/t', undefined, ['rbind', 'ro'], { noCanonicalize: true });
    expect(mounter.lines).toEqual([
      'mount --no-canonicalize -o rbind -- /proc/1/fd/3 /t',
      'mount --no-canonicalize -o remount,bind,ro -- /proc/1/fd/3 /t',
    ]);
  });

  it.each(['remount', '--make-rshared'])('that fails at %s leaves nothing', async (step) => {
    const mounter = new TestMounter((line, self) => {
      if (line.startsWith('umount')) self().table = ROOT + row(2, '/t/old');
      return line.includes(step) ? failed(`mount: /t: ${step} went wrong.`) : binding(line, self);
    });
    mounter.table += row(2, '/t/old');
    const { kind, message, details } = await errorOf(
      mounter.mount('/s', '/t', undefined, ['bind', 'ro', 'rshared']),
    );
    expect(kind).toBe('command-failed');
    expect(message).toContain(`mount: /t: ${step} went wrong.`);
    expect(details).toMatchObject({ exitCode: 32, path: '/t', stderr: `mount: /t: ${step} went wrong.` });
    expect(mounter.lines.at(-1)).toBe('umount -- /t');
    expect(mounter.lines.filter((line) => line.startsWith('umount'))).toHaveLength(1);
  });

  it('that was cancelled when it had mounted is undone, though its signal has fired', async () => {
    const cancel = new AbortController();
    const mounter = new TestMounter((line, self) => {
      if (line.startsWith('umount')) return undefined;
      self().table += row(9, '/t');
      cancel.abort();
      throw new PodwrightError('cancelled', 'It was cancelled.');
    });
    const options = { signal: cancel.signal };
    expect((await errorOf(mounter.mount('x', '/t', 'tmpfs', [], options))).kind).toBe('cancelled');
    expect(mounter.lines).toEqual(['mount -t tmpfs -- x /t', 'umount -- /t']);
    expect(mounter.ran[0]?.command.signal).toBe(cancel.signal);
    expect(mounter.ran[1]?.command.signal).toBeUndefined();
  });

  it.each([
    ['mount: /t: must be superuser to use mount.', 'permission-denied'],
    ['mount: /t: permission denied.', 'permission-denied'],
    ["mount: /t: unknown filesystem type 'nofs'.", 'unsupported'],
    ['mount: /t: mount point does not exist.', 'not-found'],
    ['mount: /t: special device /s does not exist.', 'not-found'],
    ['mount: /t: /s already mounted or mount point busy.', 'in-use'],
    ['mount: /t: No space left on device', 'no-space'],
    ['mount: /t: wrong fs type, bad option.', 'command-failed'],
    ['', 'command-failed'],
  ])('that fails with %j is kind %s, in its own words', async (said, kind) => {
    const mounter = new TestMounter(() => failed(said));
    const thrown = await errorOf(mounter.mount('/s', '/t', 'tmpfs'));
    expect(thrown.kind).toBe(kind);
    expect(thrown.message).toContain(said || 'exit code 32');
    expect(thrown.details['command']).toBe('mount -t tmpfs -- /s /t');
  });

  it('shows no sensitive option, not even in what the command says', async () => {
    const mounter = new TestMounter((line) =>
      line.includes('probe') ? undefined : failed('mount.cifs: bad option password=hunter2 (hunter2)'),
    );
    const thrown = await errorOf(
      mounter.mount('//srv/share', '/t', 'tmpfs', ['ro'], { sensitiveOptions: ['password=hunter2'] }),
    );
    expect(mounter.lines[0]).toContain('-o ro,password=hunter2');
    expect(mounter.ran[0]?.command.secrets).toContain('hunter2');
    expect(`${thrown.message} ${JSON.stringify(thrown.details)}`).not.toContain('hunter2');
    expect(thrown.details['command']).toContain('-o ro,***');
  });
});

describe('a mount whose helper may leave a daemon', () => {
  const SCOPE = '/usr/bin/systemd-run --quiet --scope --collect';

  it('is in a scope, and systemd is asked once', async () => {
    const mounter = new TestMounter();
    await mounter.mount('/s', '/t', 'fuse.x', ['ro'], { sensitiveOptions: ['key=secret'] });
    await mounter.mount('/s', '/u\n', 'fuse.x');
    await mounter.mount('x', '/v', 'tmpfs');
    expect(mounter.lines).toEqual([
      `${SCOPE} --description=Podwright: whether systemd runs -- /usr/bin/true`,
      `${SCOPE} --description=Podwright: mount of fuse.x at /t -- /usr/bin/mount -t fuse.x -o ro,key=secret -- /s /t`,
      `${SCOPE} --description=Podwright: mount of fuse.x at /u? -- /usr/bin/mount -t fuse.x -- /s /u\n`,
      'mount -t tmpfs -- x /v',
    ]);
    expect(mounter.warnings).toEqual([]);
  });

  it.each([
    ['there is no systemd-run', false, 'the host has no systemd-run'],
    ['systemd does not run', true, 'not been booted with systemd'],
  ])('is a plain one with one warning when %s', async (_, systemdRun, reason) => {
    const mounter = new TestMounter((line) =>
      line.includes('systemd-run')
        ? failed('System has not been booted with systemd as init system', 1)
        : undefined,
    );
    mounter.systemdRun = systemdRun;
    await Promise.all([mounter.mount('/s', '/t', 'fuse.x'), mounter.mount('/s', '/u', 'fuse.x')]);
    expect(mounter.lines.slice(-2)).toEqual(['mount -t fuse.x -- /s /t', 'mount -t fuse.x -- /s /u']);
    expect(mounter.warnings).toHaveLength(1);
    expect(mounter.warnings[0]).toContain(reason);
  });
});

describe('a systemd that gives no scope now', () => {
  it.each(['Failed to start transient scope unit: Connection timed out', 'it took longer than 10000 ms'])(
    'is asked again for the next mount: %s',
    async (reason) => {
      let isBusy = true;
      const mounter = new TestMounter((line) =>
        isBusy && line.includes('systemd-run') ? failed(reason, 1) : undefined,
      );
      await mounter.mount('/s', '/t', 'fuse.x');
      await mounter.mount('/s', '/u', 'fuse.x');
      expect(mounter.warnings).toEqual([expect.stringContaining(reason), expect.stringContaining(reason)]);
      isBusy = false;
      await mounter.mount('/s', '/v', 'fuse.x');
      expect(mounter.lines.filter((line) => line.endsWith('fuse.x -- /s /t'))).toEqual([
        'mount -t fuse.x -- /s /t',
      ]);
      expect(mounter.lines.at(-1)).toMatch(/^\/usr\/bin\/systemd-run .* -t fuse\.x -- \/s \/v$/);
      expect(mounter.warnings).toHaveLength(2);
    },
  );
});

describe('unmounting', () => {
  /** As the kernel: the uppermost mount goes. */
  const unmounting = (line: string, self: () => TestMounter) => {
    const path = line.split('-- ')[1];
    const lines = self().table.trimEnd().split('\n');
    const index = lines.findLastIndex((each) => each.split(' ')[4] === path);
    if (index < 0) return failed(`umount: ${path}: not mounted.`);
    self().table = `${lines.toSpliced(index, 1).join('\n')}\n`;
    return undefined;
  };

  it.each([
    ['umount: /t: not mounted.', 'failed-precondition'],
    ['umount: /t: no mount point specified.', 'not-found'],
    ['umount: /t: target is busy.', 'in-use'],
    ['umount: /t: must be superuser to unmount.', 'permission-denied'],
  ])('%s is kind %s', async (said, kind) => {
    const thrown = await errorOf(new TestMounter(() => failed(said)).unmount('/t'));
    expect([thrown.kind, thrown.message]).toEqual([kind, `/t could not be unmounted: ${said}`]);
  });

  it('lazily says so to umount(8)', async () => {
    const mounter = new TestMounter();
    await mounter.unmount('/t', { lazy: true });
    expect(mounter.lines).toEqual(['umount --lazy -- /t']);
  });

  it('what is mounted takes all that is there, once more nothing', async () => {
    const mounter = new TestMounter(unmounting);
    mounter.table += row(2, '/t') + row(3, '/t').replace('3 1', '3 2') + row(4, '/t/below');
    expect(await mounter.unmountIfMounted('/t')).toBe(true);
    expect(mounter.lines).toEqual(['umount -- /t', 'umount -- /t']);
    expect(await mounter.unmountIfMounted('/t')).toBe(false);
    mounter.errors.set('/t', error('not-found', 'ENOENT'));
    expect(await mounter.unmountIfMounted('/t')).toBe(false);
  });

  it('a tree begins with what was mounted last, and leaves its neighbours', async () => {
    const mounter = new TestMounter(unmounting);
    mounter.links.set('/link', '/t');
    mounter.table += row(2, '/t/a') + row(3, '/t/a/b') + row(4, '/tx') + row(5, '/t');
    expect(await mounter.unmountTree('/link')).toEqual(['/t', '/t/a/b', '/t/a']);
    expect(mounter.table).toBe(ROOT + row(4, '/tx'));
  });

  it('something that another has unmounted meanwhile is no error', async () => {
    const mounter = new TestMounter((line, self) => {
      self().table = ROOT;
      return unmounting(line, self);
    });
    mounter.table += row(2, '/t/a') + row(3, '/t/b');
    expect(await mounter.unmountTree('/t')).toHaveLength(2);
  });

  it('something busy is an error, and nothing is removed', async () => {
    const mounter = new TestMounter(() => failed('umount: /t: target is busy.'));
    mounter.table += row(2, '/t');
    expect((await errorOf(mounter.cleanUpMountPoint('/t'))).kind).toBe('in-use');
    expect(mounter.removed).toEqual([]);
  });

  it.each<[string, boolean, string[]]>([
    ['a bind mount of the same device is found by the table', true, ['umount -- /t']],
    ['but not by its device', false, []],
  ])('cleans up: %s', async (_, extensiveCheck, lines) => {
    const mounter = new TestMounter(unmounting);
    mounter.table += row(2, '/t');
    await mounter.cleanUpMountPoint('/t', { extensiveCheck });
    expect(mounter.lines).toEqual(lines);
    expect(mounter.removed).toEqual(['/t']);
  });

  it.each(['ENOTCONN', 'ESTALE', 'EIO', 'EHOSTDOWN'])(
    'cleans up a mount whose server is dead: %s',
    async (code) => {
      for (const extensiveCheck of [true, false]) {
        const mounter = new TestMounter(unmounting);
        mounter.table += row(2, '/real/t');
        mounter.links.set('/dir', '/real');
        mounter.errors.set('/dir/t', error('failed-precondition', code));
        mounter.errors.set('/real/t', error('failed-precondition', code));
        await mounter.cleanUpMountPoint('/dir/t', { extensiveCheck });
        expect(mounter.lines).toEqual(['umount -- /real/t']);
        expect(mounter.removed).toEqual(['/real/t']);
      }
    },
  );

  it('cleans up what is not there', async () => {
    const mounter = new TestMounter();
    mounter.errors.set('/none', error('not-found', 'ENOENT'));
    await mounter.cleanUpMountPoint('/none');
    expect([mounter.lines, mounter.removed]).toEqual([[], []]);
  });
});
