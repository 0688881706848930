// These boot throw-away hosts: they run on the machine itself (vitest's project `boot`), not inside of a host.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findCgroups } from './cgroups.mjs';
import { lastingLeftovers, takeSnapshot } from './snapshot.mjs';
import { REPOSITORY, removeStaleHosts, ThrowawayHost, TIMED_OUT } from './throwaway-host.mjs';

const pipes = ['ignore', 'pipe', 'pipe'];

describe('a throw-away host', () => {
  const host = new ThrowawayHost(`spec-${process.pid}`);
  beforeAll(async () => {
    await removeStaleHosts('spec');
    await host.up();
  });
  afterAll(() => host.down());

  const sh = async (script, args = [], options = {}) => {
    const result = await host.exec('sh', ['-c', script, 'sh', ...args], { stdio: pipes, ...options });
    return { ...result, stdout: result.stdout.toString(), stderr: result.stderr.toString() };
  };

  it('runs systemd, D-Bus and journald', async () => {
    const script =
      'cat /proc/1/comm; systemctl is-system-running; busctl --list --no-legend | grep -c systemd1; journalctl -q -n 1 -o cat _PID=1 | wc -l';
    expect((await sh(script)).stdout).toBe('systemd\nrunning\n1\n1\n');
  });

  it('passes arguments byte for byte, the directory, the environment and the exit code', async () => {
    const args = ['a b', '$HOME', '%n', "it's", '', 'one\ntwo', '\\x41', '-x', 'grüße'];
    const { stdout, exitCode } = await sh('printf "<%s>" "$@"; pwd; echo "$A"; exit 7', args, {
      cwd: '/usr/share',
      env: { A: 'x  $y %h' },
    });
    expect(stdout).toBe(`${args.map((arg) => `<${arg}>`).join('')}/usr/share\nx  $y %h\n`);
    expect(exitCode).toBe(7);
  });

  it.each([
    ['a command that does not exist', 'no-such-command', [], 127],
    ['a command ended by a signal', 'sh', ['-c', 'kill -KILL $$'], 137],
  ])('tells the exit code of %s', async (_, command, args, exitCode) => {
    expect((await host.exec(command, args, { stdio: pipes })).exitCode).toBe(exitCode);
  });

  it('ends all that a command started when its time is over, even what ignores SIGTERM', async () => {
    const script = "(trap '' TERM; setsid sleep 4711) & (trap '' TERM; sleep 4711) & sleep 4711";
    const { exitCode, timedOut } = await host.exec('sh', ['-c', script], {
      stdio: 'ignore',
      timeoutMs: 5000,
    });
    expect({ exitCode, timedOut }).toEqual({ exitCode: TIMED_OUT, timedOut: true });
    expect((await sh('pgrep -fx "sleep 4711" | wc -l')).stdout).toBe('0\n');
  });

  it('sees the checkout, and has nothing of the network below', async () => {
    expect((await sh('cat package.json', [], { cwd: REPOSITORY })).stdout).toContain('podwright');
    expect((await sh('cat /proc/net/dev | grep -c :')).stdout).toBe('1\n');
  });

  it('enforces limits of units', async () => {
    const read =
      'cat /sys/fs/cgroup/memory$(sed -n s/^.*:memory://p /proc/self/cgroup)/memory.limit_in_bytes';
    const version2 = 'cat /sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)/memory.max';
    const { stdout } = await sh(
      `systemd-run --wait --pipe -q -p MemoryMax=64M sh -c '[ -d /sys/fs/cgroup/memory ] && ${read} || ${version2}'`,
    );
    expect(stdout).toBe(`${64 * 1024 * 1024}\n`);
  });

  it('is up once: a second up finds it', async () => {
    expect(await new ThrowawayHost(host.name).up()).toMatchObject({
      booted: false,
      leader: host.status().leader,
    });
  });
});

describe('taking a throw-away host down', () => {
  it('leaves nothing, and is no error when there is nothing', async () => {
    const host = new ThrowawayHost(`spec-down-${process.pid}`);
    const only = new RegExp(`podwright-host.${host.name}`);
    const before = takeSnapshot(only);
    await host.up();
    await host.exec('sh', ['-c', 'systemd-run -q sleep 1000; setsid sleep 1000 & mount -t tmpfs x /mnt'], {
      stdio: 'ignore',
    });
    expect(takeSnapshot(only).processes.length).toBeGreaterThan(3);
    await host.down();
    await host.down();
    expect(host.status()).toBeUndefined();
    expect(findCgroups(host.cgroupName)).toEqual([]);
    expect(await lastingLeftovers(before, { only, timeoutMs: 30_000 })).toEqual([]);
  });

  it('is done for a host whose owner was killed', async () => {
    const before = takeSnapshot(/podwright-host.spec-stale/);
    const script = `
      import { ThrowawayHost } from ${JSON.stringify(join(REPOSITORY, 'test/host/throwaway-host.mjs'))};
      await new ThrowawayHost('spec-stale-' + process.pid).up();
      process.kill(process.pid, 'SIGKILL');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
    await once(child, 'close');
    const host = new ThrowawayHost(`spec-stale-${child.pid}`);
    expect(host.status()).toBeDefined();
    await removeStaleHosts('spec-stale');
    expect(host.status()).toBeUndefined();
    const only = /podwright-host.spec-stale/;
    expect(await lastingLeftovers(before, { only, timeoutMs: 30_000 })).toEqual([]);
  });
});

describe('a host of a wrong name', () => {
  it.each(['', 'A', '../x', 'a b', '-x', 'x'.repeat(60)])('%j is refused', (name) => {
    expect(() => new ThrowawayHost(name)).toThrow(/lower-case letters/);
  });
});
