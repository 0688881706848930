// Sandboxes with the real plugins, namespaces and packet filter of a host.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import {
  Clock,
  Logger,
  type PodSandboxConfig,
  PodwrightError,
  SystemClock,
  silentLogger,
} from '@podwright/core';
import { nsenterModule } from '@podwright/nsenter';
import {
  DEFAULT_SHM_SIZE_BYTES,
  SandboxManager,
  type SandboxModuleOptions,
  sandboxModule,
} from '@podwright/sandbox';
import { Container } from 'inversify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/** What is on the host and has to be the same after every test. */
function hostState(): Record<string, string> {
  return {
    mounts: run('cat', '/proc/self/mountinfo')
      .split('\n')
      .map((line) => line.split(' ')[4])
      .join('\n'),
    links: run('ip', '-br', 'link')
      .split('\n')
      .map((line) => line.split(' ')[0])
      .join('\n'),
    nat: counters(run('iptables-save')),
    nat6: counters(run('ip6tables-save')),
    ruleset: run('nft', 'list', 'ruleset'),
    processes: run('ps', '-eo', 'comm=')
      .split('\n')
      .filter((name) => /unshare|bridge|host-local|portmap/.test(name))
      .join('\n'),
  };
}

function counters(saved: string): string {
  return saved.replace(/^#.*$/gm, '').replace(/\[\d+:\d+\]/g, '');
}

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

let root: string;
let before: Record<string, string>;

function managerOf(options: Partial<SandboxModuleOptions> = {}): SandboxManager {
  const container = new Container();
  container.bind(Logger).toConstantValue(silentLogger);
  container.bind(Clock).toConstantValue(new SystemClock());
  container.load(
    nsenterModule({ mode: 'local' }),
    sandboxModule({
      stateDir: join(root, 'state'),
      runDir: join(root, 'run'),
      cniConfDir: join(root, 'net.d'),
      defaultBridge: 'pwtest0',
      defaultSubnet: '10.92.0.0/16',
      ...options,
    }),
  );
  return container.get(SandboxManager);
}

function config(name: string, changes: Partial<PodSandboxConfig> = {}): PodSandboxConfig {
  return {
    metadata: { name, namespace: 'test', uid: `uid-${name}-${randomBytes(4).toString('hex')}`, attempt: 0 },
    labels: {},
    annotations: {},
    network: 'pod',
    ipc: 'pod',
    pid: 'container',
    portMappings: [],
    ...changes,
  };
}

beforeEach(() => {
  root = mkdtempSync('/run/podwright-test-');
  mkdirSync(join(root, 'net.d'));
  before = hostState();
});

afterEach(() => {
  const after = hostState();
  rmSync(root, { recursive: true, force: true });
  expect(after).toEqual(before);
});

describe('a sandbox with a network of its own', () => {
  it('is complete, keeps no process, and leaves nothing', async () => {
    const manager = managerOf();
    await manager.load();
    const started = performance.now();
    const record = await manager.create(config('web'), 'a1');
    const createdMs = performance.now() - started;
    console.log('create', createdMs);
    const { network = '', uts = '', ipc = '' } = record.namespaces;
    const inside = (...command: string[]) =>
      run('nsenter', `--net=${network}`, `--uts=${uts}`, `--ipc=${ipc}`, '--', ...command);
    expect(inside('hostname').trim()).toBe('web');
    expect(inside('ip', '-br', 'addr', 'show', 'lo')).toContain('127.0.0.1/8');
    expect(record.ips).toEqual([expect.stringMatching(/^10\.92\.0\./)]);
    expect(inside('ip', '-br', 'addr', 'show', 'eth0')).toContain(`${record.ips[0]}/16`);
    expect(readFileSync(record.files.hosts, 'utf8')).toContain(`${record.ips[0]}\tweb\n`);
    expect(readFileSync(record.files.hostname, 'utf8')).toBe('web\n');
    expect(run('stat', '-f', '-c', '%T', record.files.shm).trim()).toBe('tmpfs');
    await manager.checkNetwork('a1');
    expect(await manager.verify('a1')).toBe(true);
    let s = performance.now();
    await manager.stop('a1');
    console.log('stop', performance.now() - s);
    s = performance.now();
    await manager.remove('a1');
    console.log('remove', performance.now() - s);
  });
});
