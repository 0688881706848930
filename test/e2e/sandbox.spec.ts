// Sandboxes with the real plugins, namespaces and packet filter of a host.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Clock, Logger, PodwrightError, type PortMapping, SystemClock, silentLogger } from '@podwright/core';
import { nsenterModule } from '@podwright/nsenter';
import {
  DEFAULT_SHM_SIZE_BYTES,
  type SandboxConfig,
  SandboxManager,
  type SandboxModuleOptions,
  type SandboxRecord,
  sandboxModule,
} from '@podwright/sandbox';
import { Container } from 'inversify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const BRIDGE = 'pwtest0';
const CHILDREN: ChildProcess[] = [];
/** What a manager could only log: there must be none. */
const logged: string[] = [];
let root: string;
let before: Readonly<Record<string, string>>;

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** What a sandbox changes on the host, and has to be as before when it is gone. */
function hostState(): Readonly<Record<string, string>> {
  const withoutCounters = (text: string) => text.replace(/^#.*$/gm, '').replace(/\[\d+:\d+\]/g, '');
  return {
    mounts: mountPoints('self').join('\n'),
    links: run('ip', '-o', 'link').replace(/^\d+: /gm, ''),
    iptables: withoutCounters(run('iptables-save')),
    ip6tables: withoutCounters(run('ip6tables-save')),
    nftables: run('nft', 'list', 'tables'),
  };
}

function mountPoints(pid: number | 'self'): readonly string[] {
  const lines = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').trim().split('\n');
  return lines.map((line) => line.split(' ')[4] ?? '');
}

function newManager(options: Partial<SandboxModuleOptions> = {}): SandboxManager {
  const container = new Container();
  container.bind(Logger).toConstantValue({
    ...silentLogger,
    error: (message, fields) => logged.push(`${message} ${JSON.stringify(fields)}`),
  });
  container.bind(Clock).toConstantValue(new SystemClock());
  container.load(
    nsenterModule({ mode: 'local' }),
    sandboxModule({
      stateDir: join(root, 'state'),
      runDir: join(root, 'run'),
      cniConfDir: join(root, 'net.d'),
      defaultBridge: BRIDGE,
      defaultSubnet: '10.92.0.0/16',
      ...options,
    }),
  );
  return container.get(SandboxManager);
}

function config(name: string, changes: Partial<SandboxConfig> = {}): SandboxConfig {
  return {
    metadata: { name, namespace: 'test', uid: `${name}-${randomBytes(4).toString('hex')}`, attempt: 0 },
    labels: {},
    annotations: {},
    network: 'pod',
    ipc: 'pod',
    pid: 'container',
    portMappings: [],
    ...changes,
  };
}

const tcp = (hostPort: number, hostIp?: string): PortMapping => ({
  protocol: 'TCP',
  containerPort: 80,
  hostPort,
  ...(hostIp === undefined ? {} : { hostIp }),
});

/** Words of a command inside a sandbox's namespaces. */
function enter({ namespaces }: SandboxRecord, ...command: string[]): readonly string[] {
  const { network, ipc, uts } = namespaces;
  return [`--net=${network}`, `--ipc=${ipc}`, `--uts=${uts}`, '--', ...command];
}

const inside = (record: SandboxRecord, ...command: string[]) => run('nsenter', ...enter(record, ...command));

/** Answers every connection to port 80 inside with a text; resolves when it listens. */
async function serve(record: SandboxRecord, text: string): Promise<void> {
  const server = spawn(
    'nsenter',
    enter(record, 'socat', '-d', '-d', 'TCP-LISTEN:80,fork,reuseaddr', `SYSTEM:echo ${text}`),
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  CHILDREN.push(server);
  for await (const chunk of server.stderr) {
    if (String(chunk).includes('listening on')) break;
  }
}

const ask = (address: string, port: number) =>
  run('socat', '-T', '5', '-', `TCP:${address}:${port},connect-timeout=5`);

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

beforeEach(() => {
  root = mkdtempSync('/run/podwright-sandbox-');
  mkdirSync(join(root, 'net.d'));
  before = hostState();
});

afterEach(async () => {
  await Promise.all(CHILDREN.splice(0).map(end));
  expect(logged.splice(0)).toEqual([]);
  const after = hostState();
  rmSync(root, { recursive: true, force: true });
  expect(after).toEqual(before);
});

describe('a sandbox with namespaces of its own', () => {
  it('has its own name, loopback, address, /dev/shm and kernel parameters', async () => {
    const manager = newManager();
    const record = await manager.create(
      config('web', { sysctls: { 'net.core.somaxconn': '77', 'kernel.msgmax': '4321' } }),
      'a1',
    );
    expect(inside(record, 'hostname')).toBe('web\n');
    expect(inside(record, 'ip', '-o', 'addr', 'show', 'lo')).toContain('127.0.0.1/8');
    expect(inside(record, 'ip', '-o', 'addr', 'show', 'eth0')).toContain(`${record.ips[0]}/16`);
    expect(inside(record, 'cat', '/proc/sys/net/core/somaxconn', '/proc/sys/kernel/msgmax')).toBe(
      '77\n4321\n',
    );
    expect(readFileSync('/proc/sys/kernel/msgmax', 'utf8')).not.toBe('4321\n');
    const [type, blocks, size] = run('stat', '-f', '-c', '%T %b %S', record.files.shm).trim().split(' ');
    expect(type).toBe('tmpfs');
    expect(Number(blocks) * Number(size)).toBe(DEFAULT_SHM_SIZE_BYTES);
    expect(run('stat', '-c', '%a', record.files.shm)).toBe('1777\n');
    expect(readFileSync(record.files.hosts, 'utf8')).toContain(`${record.ips[0]}\tweb\n`);
    expect(readFileSync(record.files.hostname, 'utf8')).toBe('web\n');
    expect(await manager.verify('a1')).toBe(true);
    await manager.checkNetwork('a1');
    await manager.remove('a1');
  });

  it('reaches others by address, and tells its own from theirs', async () => {
    const manager = newManager();
    const [one, two] = await Promise.all([
      manager.create(config('one'), 'b1'),
      manager.create(config('two'), 'b2'),
    ]);
    await Promise.all([serve(one, 'from-one'), serve(two, 'from-two')]);
    expect(one.ips[0]).not.toBe(two.ips[0]);
    const fromTwo = inside(two, 'socat', '-T', '5', '-', `TCP:${one.ips[0]}:80`);
    expect(fromTwo).toBe('from-one\n');
    expect(inside(one, 'socat', '-T', '5', '-', 'TCP:127.0.0.1:80')).toBe('from-one\n');
    expect(ask(two.ips[0] ?? '', 80)).toBe('from-two\n');
    await manager.stop('b1');
    expect(ask(two.ips[0] ?? '', 80)).toBe('from-two\n');
    await Promise.all(['b1', 'b2'].map((id) => manager.remove(id)));
  });

  it('is reached through a host port, on the address that was asked for', async () => {
    const manager = newManager();
    const all = await manager.create(config('all', { portMappings: [tcp(18080)] }), 'c1');
    const local = await manager.create(config('local', { portMappings: [tcp(18081, '127.0.0.1')] }), 'c2');
    await Promise.all([serve(all, 'all'), serve(local, 'local')]);
    expect(ask('127.0.0.1', 18080)).toBe('all\n');
    expect(ask('10.92.0.1', 18080)).toBe('all\n');
    expect(ask('127.0.0.1', 18081)).toBe('local\n');
    expect(() => ask('10.92.0.1', 18081)).toThrow(/refused/);
    await manager.stopNetwork('c1');
    expect(() => ask('127.0.0.1', 18080)).toThrow(/refused/);
    await Promise.all(['c1', 'c2'].map((id) => manager.remove(id)));
  });

  it('lets its namespaces go although a running container’s mount namespace has copies of the pins', async () => {
    const manager = newManager();
    const { namespaces, files } = await manager.create(config('web'), 'd1');
    const paths = [...Object.values(namespaces), files.shm];
    const holder = spawn('unshare', ['-m', '--propagation', 'unchanged', 'sh', '-c', 'echo; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    CHILDREN.push(holder);
    await once(holder.stdout, 'data');
    expect(mountPoints(holder.pid ?? 0)).toEqual(expect.arrayContaining(paths));
    await manager.remove('d1');
    const left = mountPoints(holder.pid ?? 0).filter((path) => paths.some((ours) => path.startsWith(ours)));
    expect(left).toEqual([]);
  });

  it('can be made twenty at once, each with its own address and port', async () => {
    const manager = newManager();
    const ids = Array.from({ length: 20 }, (_, index) => `e${index}`);
    const records = await Promise.all(
      ids.map((id, index) => manager.create(config(id, { portMappings: [tcp(18100 + index)] }), id)),
    );
    expect(new Set(records.flatMap(({ ips }) => ips)).size).toBe(20);
    await serve(records[13] as SandboxRecord, 'thirteen');
    expect(ask('127.0.0.1', 18113)).toBe('thirteen\n');
    await Promise.all(ids.map((id) => manager.remove(id)));
  });
});

describe('a network of the host’s own configuration', () => {
  it('is used instead of the default bridge, and left as it was added', async () => {
    const ipam = { type: 'host-local', dataDir: join(root, 'leases'), subnet: '10.95.0.0/24' };
    const plugins = [
      { type: 'ptp', ipMasq: true, ipam },
      { type: 'portmap', capabilities: { portMappings: true } },
    ];
    const path = join(root, 'net.d/10-own.conflist');
    writeFileSync(path, JSON.stringify({ cniVersion: '1.0.0', name: 'own', plugins }));
    writeFileSync(join(root, 'net.d/05-broken.conf'), 'no JSON');
    const manager = newManager();
    expect(await manager.networkStatus()).toEqual({ ready: true, reason: '', message: '' });
    const record = await manager.create(config('web', { portMappings: [tcp(18085)] }), 'k1');
    expect(record.ips[0]).toMatch(/^10\.95\.0\./);
    await serve(record, 'own');
    expect(ask('127.0.0.1', 18085)).toBe('own\n');
    const plain = await manager.create(config('plain'), 'k2');
    await manager.checkNetwork('k2');
    inside(plain, 'ip', 'addr', 'flush', 'dev', 'eth0');
    await expect(manager.checkNetwork('k2')).rejects.toThrow(/failed at CHECK of network "own"/);
    rmSync(path);
    await manager.remove('k2');
    await manager.remove('k1');
    // portmap's chains are the user's here: nobody else knows who uses them.
    run('nft', 'delete', 'table', 'ip', 'nat');
    run('nft', 'delete', 'table', 'ip6', 'nat');
  });
});

describe('a sandbox with the node’s namespaces', () => {
  it('has the node’s addresses, name, /dev/shm and hosts file', async () => {
    const manager = newManager();
    const record = await manager.create(config('node', { network: 'node', ipc: 'node' }), 'f1');
    expect(record).toMatchObject({ namespaces: {}, cni: [], hostname: run('hostname').trim() });
    expect(record.ips.length).toBeGreaterThan(0);
    expect(record.files.shm).toBe('/dev/shm');
    expect(readFileSync(record.files.hosts, 'utf8')).toBe(readFileSync('/etc/hosts', 'utf8'));
    expect(await manager.verify('f1')).toBe(true);
    await manager.remove('f1');
    expect(run('stat', '-f', '-c', '%T', '/dev/shm')).toBe('tmpfs\n');
  });

  it('keeps an IPC namespace of its own with the node’s network', async () => {
    const manager = newManager();
    const record = await manager.create(config('node', { network: 'node' }), 'f2');
    expect(Object.keys(record.namespaces)).toEqual(['ipc']);
    const own = run('nsenter', `--ipc=${record.namespaces.ipc}`, '--', 'readlink', '/proc/self/ns/ipc');
    expect(own).not.toBe(run('readlink', '/proc/self/ns/ipc'));
    await manager.remove('f2');
  });
});

describe('what goes wrong leaves nothing', () => {
  it('names the process that has a host port', async () => {
    const server = createServer().listen(18090, '127.0.0.1');
    await once(server, 'listening');
    const failed = newManager().create(config('web', { portMappings: [tcp(18090)] }), 'g1');
    await expect(failed).rejects.toSatisfy((error) => PodwrightError.is(error, 'port-in-use'));
    await expect(failed).rejects.toThrow(new RegExp(`18090/TCP is taken by process ${process.pid} `));
    server.close();
    await once(server, 'close');
  });

  it('a plugin that is not there', async () => {
    const manager = newManager({ cniBinDirs: ['/nowhere'] });
    const failed = manager.create(config('web', { portMappings: [tcp(18091)] }), 'g2');
    await expect(failed).rejects.toSatisfy((error) => PodwrightError.is(error, 'missing-requirement'));
    await expect(failed).rejects.toThrow(/"bridge" is in none of \/nowhere/);
    expect(manager.list()).toEqual([]);
  });

  it('a subnet that the host has on another interface', async () => {
    run('ip', 'link', 'add', 'pwother', 'type', 'bridge');
    run('ip', 'addr', 'add', '10.92.7.1/24', 'dev', 'pwother');
    run('ip', 'link', 'set', 'pwother', 'up');
    const failed = newManager().create(config('web'), 'g6');
    await expect(failed).rejects.toThrow(
      /10\.92\.0\.0\/16 clashes with 10\.92\.7\.1\/24 of interface pwother/,
    );
    run('ip', 'link', 'delete', 'pwother');
  });

  it('a second plugin that fails takes the first one’s interface with it', async () => {
    const plugins = [
      {
        type: 'bridge',
        bridge: 'pwtest1',
        ipam: { type: 'host-local', dataDir: join(root, 'leases'), subnet: '10.94.0.0/24' },
      },
      { type: 'tuning', sysctl: { 'net.ipv4.no.such': '1' } },
    ];
    writeFileSync(
      join(root, 'net.d/10-broken.conflist'),
      JSON.stringify({ cniVersion: '1.0.0', name: 'broken', plugins }),
    );
    const manager = newManager();
    await expect(manager.create(config('web'), 'g3')).rejects.toThrow(
      /"tuning" failed at ADD of network "broken"/,
    );
    expect(run('ip', '-o', 'link', 'show', 'type', 'veth')).toBe('');
    expect(run('find', join(root, 'leases'), '-name', '10.*')).toBe('');
    // A bridge of the user's own configuration is the user's.
    run('ip', 'link', 'delete', 'pwtest1');
  });

  it('a kernel parameter with a value that the kernel refuses', async () => {
    const failed = newManager().create(config('web', { sysctls: { 'net.core.somaxconn': 'many' } }), 'g4');
    await expect(failed).rejects.toThrow(/net\/core\/somaxconn cannot be set to many/);
  });

  it('a cancelled creation', async () => {
    const abort = new AbortController();
    const manager = newManager();
    const failed = manager.create(config('web', { portMappings: [tcp(18092)] }), 'g5', abort.signal);
    const added = (async () => {
      while (!run('ip', '-o', 'link').includes(BRIDGE)) await new Promise((next) => setImmediate(next));
      abort.abort();
    })();
    await expect(failed).rejects.toSatisfy((error) => PodwrightError.is(error, 'cancelled'));
    await added;
    expect(manager.list()).toEqual([]);
  });
});

describe('a restarted agent', () => {
  it('finds its sandboxes, and takes down what another one made', async () => {
    const made = await newManager().create(config('web', { portMappings: [tcp(18093)] }), 'h1');
    const manager = newManager();
    expect(await manager.load()).toEqual({ records: [made], errors: [] });
    expect(await manager.verify('h1')).toBe(true);
    await manager.remove('h1');
  });

  it('removes what a creation left that was broken off after the network was made', async () => {
    const made = await newManager().create(config('web', { portMappings: [tcp(18094)] }), 'h2');
    const { result: _, ...planned } = made.cni[0] ?? {};
    const record = { ...made, created: false, cni: [planned] };
    writeFileSync(join(root, 'state/sandboxes/h2/sandbox.json'), JSON.stringify(record));
    expect(await newManager().load()).toEqual({ records: [], errors: [] });
  });

  it('sees that the namespaces are gone, and removes the sandbox all the same', async () => {
    const manager = newManager();
    const { namespaces } = await manager.create(config('web', { portMappings: [tcp(18095)] }), 'h3');
    run('umount', namespaces.network ?? '');
    expect(await manager.verify('h3')).toBe(false);
    await manager.remove('h3');
    expect((await manager.removeOrphans()).errors).toEqual([]);
  });

  it('removes orphans: whatever is left of a sandbox without a record', async () => {
    await newManager().create(config('web', { portMappings: [tcp(18096)] }), 'h4');
    rmSync(join(root, 'state/sandboxes/h4'), { recursive: true });
    const manager = newManager();
    await manager.load();
    const { removed, errors } = await manager.removeOrphans();
    expect(errors).toEqual([]);
    expect(removed).toEqual([
      'namespaces and files of sandbox h4',
      expect.stringMatching(/^address 10\.92\.\d+\.\d+ leased to sandbox h4$/),
      'iptables rules of sandbox h4',
    ]);
  });
});

describe('the host’s own packet filter', () => {
  it('keeps its rules', async () => {
    run('iptables', '-t', 'nat', '-A', 'POSTROUTING', '-s', '192.0.2.0/24', '-j', 'MASQUERADE');
    const own = hostState();
    const manager = newManager();
    await manager.create(config('web', { portMappings: [tcp(18097)] }), 'i1');
    await manager.remove('i1');
    const after = hostState();
    run('nft', 'delete', 'table', 'ip', 'nat');
    expect(after).toEqual(own);
  });

  it('lets host ports and the way out through where it forwards only what it knows', async () => {
    run('iptables', '-P', 'FORWARD', 'DROP');
    run('ip', 'netns', 'add', 'pwoutside');
    run('ip', 'link', 'add', 'pwout0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'pwoutside');
    run('ip', 'addr', 'add', '198.51.100.1/24', 'dev', 'pwout0');
    run('ip', 'link', 'set', 'pwout0', 'up');
    run('ip', '-n', 'pwoutside', 'addr', 'add', '198.51.100.2/24', 'dev', 'eth0');
    run('ip', '-n', 'pwoutside', 'link', 'set', 'eth0', 'up');
    const own = hostState();
    const manager = newManager();
    const record = await manager.create(config('web', { portMappings: [tcp(18098)] }), 'i2');
    await serve(record, 'through');
    const asked = run(
      'ip',
      'netns',
      'exec',
      'pwoutside',
      'socat',
      '-T',
      '5',
      '-',
      'TCP:198.51.100.1:18098,connect-timeout=5',
    );
    await manager.remove('i2');
    const after = hostState();
    run('ip', 'link', 'delete', 'pwout0');
    run('ip', 'netns', 'delete', 'pwoutside');
    run('umount', '/run/netns');
    run('nft', 'delete', 'table', 'ip', 'filter');
    expect(asked).toBe('through\n');
    expect(after).toEqual(own);
  });
});

describe('the default bridge', () => {
  it('is not shared with another agent', async () => {
    const [one, two] = [
      newManager(),
      newManager({ stateDir: join(root, 'state2'), runDir: join(root, 'run2') }),
    ];
    await one.create(config('web'), 'j1');
    const failed = two.create(config('web'), 'j2');
    await expect(failed).rejects.toThrow(
      /pwtest0 is there already, with ports that this agent did not make \(veth/,
    );
    await one.remove('j1');
    await two.create(config('web'), 'j2');
    await two.remove('j2');
  });
});
