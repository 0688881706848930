import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Clock, Logger, PodwrightError, SystemClock, silentLogger } from '@podwright/core';
import { HostExecutor, type RunCommand } from '@podwright/nsenter';
import { Container } from 'inversify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SandboxManager } from './sandbox-manager.js';
import { type SandboxModuleOptions, sandboxModule } from './sandbox-module.js';
import type { SandboxConfig } from './sandbox-record.js';

const NSFS = '6e736673';
const RESULT = {
  cniVersion: '0.4.0',
  interfaces: [{ name: 'eth0', sandbox: '/ns' }],
  ips: [{ version: '4', interface: 0, address: '10.91.0.2/16' }],
};

/** A host that is a folder, and on which every command is told by one word or two: `unshare`, `bridge ADD`. */
class FakeHost implements HostExecutor {
  readonly commands: string[] = [];
  /** Called before each command; what it throws is the command's failure. */
  onCommand: (name: string) => void | Promise<void> = () => undefined;

  constructor(readonly root: string) {}

  async run(command: RunCommand) {
    const name = nameOf(command);
    this.commands.push(name);
    await this.onCommand(name);
    if (command.signal?.aborted) throw new PodwrightError('cancelled', `${name} was cancelled`);
    return { stdout: Buffer.from(this.#answer(name, command)), stderr: Buffer.alloc(0), exitCode: 0 };
  }

  start = () => Promise.reject(new Error('not used'));
  which = async () => undefined;
  hostPath = (path: string) => join(this.root, path);

  #answer(name: string, command: RunCommand): string {
    if (name === 'stat')
      return command.args
        .slice(4)
        .map(() => `${NSFS}\n`)
        .join('');
    return name.endsWith(' ADD') ? JSON.stringify(RESULT) : '';
  }
}

function nameOf({ command, env, args }: RunCommand): string {
  const verb = env?.['CNI_COMMAND'];
  if (verb !== undefined) return `${command.split('/').at(-1)} ${verb}`;
  return command === 'sh' ? `sh ${args[2]}` : command;
}

let root: string;
let host: FakeHost;

function newManager(options: Partial<SandboxModuleOptions> = {}): SandboxManager {
  const container = new Container();
  container.bind(Logger).toConstantValue(silentLogger);
  container.bind(Clock).toConstantValue(new SystemClock());
  container.bind(HostExecutor).toConstantValue(host);
  container.load(sandboxModule({ stateDir: '/state', runDir: '/run', ...options }));
  return container.get(SandboxManager);
}

function config(name = 'web', changes: Partial<SandboxConfig> = {}): SandboxConfig {
  return {
    metadata: { name, namespace: 'default', uid: `uid-${name}`, attempt: 0 },
    labels: { 'a/b': 'ü "\n' },
    annotations: { note: ' as it is ' },
    network: 'pod',
    ipc: 'pod',
    pid: 'container',
    portMappings: [{ protocol: 'TCP', containerPort: 80, hostPort: 8080 }],
    ...changes,
  };
}

/** What takes apart a sandbox that was made whole. */
const UNDO_ALL = ['portmap DEL', 'bridge DEL', 'umount'];

const recordPath = (id: string) => join(root, `state/sandboxes/${id}/sandbox.json`);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'podwright-sandbox-'));
  host = new FakeHost(root);
  for (const folder of ['usr/lib/cni', 'proc/sys/kernel/random'])
    mkdirSync(join(root, folder), { recursive: true });
  for (const plugin of ['bridge', 'portmap', 'host-local']) {
    writeFileSync(join(root, 'usr/lib/cni', plugin), '');
    chmodSync(join(root, 'usr/lib/cni', plugin), 0o755);
  }
  writeFileSync(join(root, 'proc/sys/kernel/random/boot_id'), 'boot-1\n');
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('create', () => {
  it('makes everything and records what a restart needs', async () => {
    const manager = newManager();
    const record = await manager.create(
      config('web', { cgroupParent: 'podwright-x.slice', sysctls: { 'net.core.somaxconn': '99' } }),
      'id1',
    );
    expect(record).toMatchObject({
      version: 2,
      id: 'id1',
      bootId: 'boot-1',
      hostname: 'web',
      labels: { 'a/b': 'ü "\n' },
      annotations: { note: ' as it is ' },
      cgroupParent: 'podwright-x.slice',
      namespaces: {
        network: '/run/sandboxes/id1/ns/net',
        ipc: '/run/sandboxes/id1/ns/ipc',
        uts: '/run/sandboxes/id1/ns/uts',
      },
      ips: ['10.91.0.2'],
      cni: [{ containerId: 'id1', ifName: 'eth0', result: RESULT }],
      files: { hosts: '/state/sandboxes/id1/hosts', shm: '/run/sandboxes/id1/shm' },
      created: true,
      networkStopped: false,
      stopped: false,
    });
    expect(statSync(recordPath('id1')).mode & 0o777).toBe(0o600);
    expect(statSync(join(root, record.files.hosts)).mode & 0o777).toBe(0o644);

    const next = newManager();
    expect(await next.load()).toEqual({ records: [record], errors: [] });
    expect(next.get('id1')).toEqual(record);
    expect(await next.verify('id1')).toBe(true);
  });

  it('gives the node’s namespaces no path and leaves its network alone', async () => {
    const record = await newManager().create(config('web', { network: 'node', ipc: 'node' }), 'id1');
    expect(record.namespaces).toEqual({});
    expect(record.files.shm).toBe('/dev/shm');
    expect(record.cni).toEqual([]);
    expect(host.commands.filter((name) => name !== 'cat')).toEqual(['sh prepare']);
  });

  it.each<[string, string[]]>([
    ['sh prepare', []],
    ['ss', []],
    ['unshare', ['umount']],
    ['iptables-save', []],
    ['bridge ADD', UNDO_ALL],
    ['portmap ADD', UNDO_ALL],
  ])('undoes all before it in reverse when "%s" fails', async (failing, undone) => {
    host.onCommand = (name) => {
      if (name === failing) throw new PodwrightError('command-failed', `${name} broke`);
    };
    const manager = newManager();
    await expect(manager.create(config(), 'id1')).rejects.toThrow(`${failing} broke`);
    const after = host.commands.slice(host.commands.indexOf(failing) + 1);
    const undo = after.filter((name) => / DEL$|^umount$/.test(name));
    // The last umount is of the directory that all sandboxes share: there is none left.
    expect(undo).toEqual([...undone, 'umount']);
    expect(manager.list()).toEqual([]);
    expect(existsSync(join(root, 'state/sandboxes/id1'))).toBe(false);
    expect(existsSync(join(root, 'run/sandboxes/id1'))).toBe(false);
    host.onCommand = () => undefined;
    await manager.create(config(), 'id1');
  });

  it.each(['sh prepare', 'ss', 'unshare', 'bridge ADD', 'portmap ADD'])(
    'undoes all when it is cancelled at "%s"',
    async (at) => {
      const abort = new AbortController();
      host.onCommand = (name) => {
        if (name === at) abort.abort();
      };
      const manager = newManager();
      await expect(manager.create(config(), 'id1', abort.signal)).rejects.toSatisfy((error) =>
        PodwrightError.is(error, 'cancelled'),
      );
      expect(manager.list()).toEqual([]);
      expect(existsSync(join(root, 'state/sandboxes/id1'))).toBe(false);
      expect(existsSync(join(root, 'run/sandboxes/id1'))).toBe(false);
    },
  );

  it('keeps the record of what could not be undone, until it is removed', async () => {
    host.onCommand = (name) => {
      if (name === 'portmap ADD' || name === 'bridge DEL')
        throw new PodwrightError('command-failed', `${name} broke`);
    };
    const manager = newManager();
    await expect(manager.create(config(), 'id1')).rejects.toThrow(
      /portmap ADD broke.*bridge DEL broke.*Remove sandbox id1/,
    );
    expect(manager.get('id1')).toMatchObject({ created: false });
    expect(await manager.verify('id1')).toBe(false);
    host.onCommand = () => undefined;
    await manager.remove('id1');
    expect(manager.list()).toEqual([]);
    expect(existsSync(join(root, 'state/sandboxes/id1'))).toBe(false);
  });

  it.each<[string, SandboxConfig, string, string]>([
    ['the same id', config('other', { portMappings: [] }), 'id1', 'already-exists'],
    ['the same attempt of the pod', config('web', { portMappings: [] }), 'id2', 'already-exists'],
    ['the same host port', config('other'), 'id2', 'port-in-use'],
    ['an empty id', config('other', { portMappings: [] }), '', 'empty-id'],
    [
      'a user namespace with the node’s network',
      config('other', { portMappings: [], network: 'node', userNamespace: 'pod' }),
      'id2',
      'invalid-argument',
    ],
    ['an id that is a path', config('other', { portMappings: [] }), '../x', 'invalid-argument'],
    ['a bad host name', config('other', { portMappings: [], hostname: 'a_b' }), 'id2', 'invalid-argument'],
    [
      'a name server that would be two lines',
      config('other', {
        portMappings: [],
        dns: { servers: ['1.1.1.1\noptions x'], searches: [], options: [] },
      }),
      'id2',
      'invalid-argument',
    ],
    [
      'a host alias with a blank',
      config('other', { portMappings: [], hostAliases: [{ ip: '10.0.0.1', hostnames: ['a b'] }] }),
      'id2',
      'invalid-argument',
    ],
    [
      'a kernel parameter of the host',
      config('other', { portMappings: [], sysctls: { 'vm.x': '1' } }),
      'id2',
      'invalid-argument',
    ],
  ])('refuses %s, also while the other is being made', async (_what, second, id, kind) => {
    const manager = newManager();
    const first = manager.create(config(), 'id1');
    await expect(manager.create(second, id)).rejects.toSatisfy((error) =>
      PodwrightError.is(error, kind as never),
    );
    await first;
    await expect(manager.create(second, id)).rejects.toSatisfy((error) =>
      PodwrightError.is(error, kind as never),
    );
    expect(manager.list().map((record) => record.id)).toEqual(['id1']);
  });

  it('frees a host port when the network is stopped', async () => {
    const manager = newManager();
    await manager.create(config(), 'id1');
    await manager.stopNetwork('id1');
    await manager.create(config('other'), 'id2');
  });

  it('refuses host ports that the configured network cannot map', async () => {
    mkdirSync(join(root, 'etc/cni/net.d'), { recursive: true });
    writeFileSync(join(root, 'etc/cni/net.d/10-x.conf'), '{"cniVersion":"1.0.0","name":"x","type":"bridge"}');
    const manager = newManager();
    await expect(manager.create(config(), 'id1')).rejects.toSatisfy((error) =>
      PodwrightError.is(error, 'unsupported'),
    );
    const record = await manager.create(config('web', { portMappings: [] }), 'id1');
    expect(record.cni[0]?.network).toMatchObject({ name: 'x', cniVersion: '1.0.0' });
  });
});

describe('stop and remove', () => {
  it('does each once, joins calls at once, and is idempotent', async () => {
    const manager = newManager();
    await manager.create(config(), 'id1');
    host.commands.length = 0;
    await Promise.all([manager.stop('id1'), manager.stop('id1'), manager.stopNetwork('id1')]);
    await manager.stop('id1');
    expect(host.commands.filter((name) => name.endsWith('DEL'))).toEqual(['portmap DEL', 'bridge DEL']);
    expect(manager.get('id1')).toMatchObject({ networkStopped: true, stopped: true, ips: ['10.91.0.2'] });
    expect(await manager.verify('id1')).toBe(false);
    expect((await newManager().load()).records[0]).toMatchObject({ networkStopped: true, stopped: true });
    await Promise.all([manager.remove('id1'), manager.remove('id1')]);
    await manager.remove('id1');
    await manager.stop('id1');
    expect(manager.list()).toEqual([]);
    expect(existsSync(join(root, 'state/sandboxes/id1'))).toBe(false);
  });

  it('keeps the namespaces while the network cannot be taken down, and tries again what failed', async () => {
    const manager = newManager();
    await manager.create(config(), 'id1');
    host.onCommand = (name) => {
      if (name === 'bridge DEL') throw new PodwrightError('command-failed', 'bridge broke');
    };
    await expect(manager.remove('id1')).rejects.toThrow('bridge broke');
    expect(host.commands).not.toContain('umount');
    host.onCommand = () => undefined;
    const next = newManager();
    await next.load();
    await next.remove('id1');
    expect(next.list()).toEqual([]);
  });

  it.each(['bridge DEL', 'umount'])(
    'is not ready any more when its stop broke off at "%s"',
    async (failing) => {
      const manager = newManager();
      await manager.create(config(), 'id1');
      host.onCommand = (name) => {
        if (name === failing) throw new PodwrightError('command-failed', `${name} broke`);
      };
      await expect(manager.stop('id1')).rejects.toThrow(`${failing} broke`);
      expect(manager.get('id1')).toMatchObject({ stopping: true, stopped: false });
      expect(await manager.verify('id1')).toBe(false);
      await expect(manager.restore('id1')).rejects.toThrow(/was stopped/);
      await manager[Symbol.asyncDispose]();
    },
  );

  it('does what an earlier agent was asked for and could not do, after a reboot too', async () => {
    const first = newManager();
    await first.create(config(), 'id1');
    host.onCommand = (name) => {
      if (name === 'bridge DEL') throw new PodwrightError('command-failed', 'bridge broke');
    };
    await expect(first.stop('id1')).rejects.toThrow('bridge broke');
    await first[Symbol.asyncDispose]();
    writeFileSync(join(root, 'proc/sys/kernel/random/boot_id'), 'boot-2\n');
    host = new FakeHost(root);
    const next = newManager({ teardownRetryMs: { initial: 1, max: 1 } });
    const deleted = new Promise<void>((resolve) => {
      host.onCommand = (name) => {
        if (name === 'bridge DEL') resolve();
      };
    });
    await next.load();
    await deleted;
    await next.stop('id1');
    expect(next.get('id1')).toMatchObject({ networkStopped: true, stopped: true, cni: [] });
    expect((await newManager().load()).records[0]).toMatchObject({ networkStopped: true, stopped: true });
  });

  it('deletes the network with the configuration with which it was added', async () => {
    const manager = newManager();
    await manager.create(config(), 'id1');
    mkdirSync(join(root, 'etc/cni/net.d'), { recursive: true });
    writeFileSync(
      join(root, 'etc/cni/net.d/10-x.conf'),
      '{"cniVersion":"1.0.0","name":"x","type":"host-local"}',
    );
    host.commands.length = 0;
    await manager.remove('id1');
    expect(host.commands.filter((name) => name.endsWith('DEL'))).toEqual(['portmap DEL', 'bridge DEL']);
  });
});

describe('a user namespace', () => {
  it('has ids that no other pod has, also after a restart, until it is removed', async () => {
    const pod = (name: string) => config(name, { portMappings: [], userNamespace: 'pod' });
    const first = newManager();
    const firstIds = async (manager: SandboxManager, id: string) =>
      (await manager.create(pod(id), id)).idMappings[0]?.hostId;
    const [a, b] = await Promise.all([firstIds(first, 'a'), firstIds(first, 'b')]);
    expect(b).not.toBe(a);
    await first.stop('a');
    const next = newManager();
    await next.load();
    const c = await firstIds(next, 'c');
    expect([a, b]).not.toContain(c);
    await next.remove('a');
    expect(await firstIds(next, 'd')).toBe(a);
  });

  it('is not given while the ids of another pod are not known', async () => {
    await newManager().create(config('a'), 'a');
    writeFileSync(recordPath('a'), 'no record');
    const manager = newManager();
    await manager.load();
    const pod = config('b', { portMappings: [], userNamespace: 'pod' });
    await expect(manager.create(pod, 'b')).rejects.toThrow(/ids sandbox a has on the host is not known/);
    await manager.remove('a');
    await manager.create(pod, 'b');
  });

  it('gives its ids back when the sandbox fails', async () => {
    const manager = newManager({ userNamespaceIds: { first: 100_000, count: 65_536 } });
    const pod = (name: string) => config(name, { portMappings: [], userNamespace: 'pod' });
    host.onCommand = (name) => {
      if (name === 'bridge ADD') throw new PodwrightError('command-failed', 'bridge broke');
    };
    await expect(manager.create(pod('a'), 'a')).rejects.toThrow('bridge broke');
    host.onCommand = () => undefined;
    await manager.create(pod('b'), 'b');
    await expect(manager.create(pod('c'), 'c')).rejects.toSatisfy((error) =>
      PodwrightError.is(error, 'no-space'),
    );
  });

  it('has ids of a user of subuid and subgid, or says what to write there', async () => {
    mkdirSync(join(root, 'etc'), { recursive: true });
    writeFileSync(join(root, 'etc/subuid'), 'pods:300000:65536\n');
    const options = { userNamespaceIds: { user: 'pods' } };
    const pod = config('a', { portMappings: [], userNamespace: 'pod' });
    const failed = newManager(options).create(pod, 'a');
    await expect(failed).rejects.toSatisfy((error) => PodwrightError.is(error, 'missing-requirement'));
    writeFileSync(join(root, 'etc/subgid'), 'pods:300000:65536\n');
    const { idMappings } = await newManager(options).create(pod, 'a');
    expect(idMappings).toEqual([{ containerId: 0, hostId: 300_000, size: 65_536 }]);
  });
});

describe('load', () => {
  it('removes what a broken-off creation left', async () => {
    const record = await newManager().create(config(), 'id1');
    writeFileSync(recordPath('id1'), JSON.stringify({ ...record, created: false }));
    host.commands.length = 0;
    const manager = newManager();
    expect(await manager.load()).toEqual({ records: [], errors: [] });
    expect(host.commands).toEqual(expect.arrayContaining(['portmap DEL', 'bridge DEL', 'umount']));
    expect(existsSync(join(root, 'state/sandboxes/id1'))).toBe(false);
  });

  it('observes: leaves alone what another process may be making, and sees at each call what is there', async () => {
    const other = newManager();
    const half = await other.create(config(), 'id1');
    writeFileSync(recordPath('id1'), JSON.stringify({ ...half, created: false }));
    host.commands.length = 0;
    const manager = newManager();
    expect((await manager.load({ observe: true })).records.map(({ id }) => id)).toEqual(['id1']);
    expect(host.commands).toEqual([]);
    expect((await manager.findOrphans()).map(({ what }) => what)).toEqual([
      'sandbox id1, whose creation was broken off',
    ]);
    expect(existsSync(recordPath('id1'))).toBe(true);
    await other.create(config('second', { portMappings: [] }), 'id2');
    await other.remove('id1');
    await manager.load({ observe: true });
    expect(manager.list().map(({ id }) => id)).toEqual(['id2']);
  });

  it('knows after a reboot that the namespaces are gone and the ports free', async () => {
    await newManager().create(config(), 'id1');
    writeFileSync(join(root, 'proc/sys/kernel/random/boot_id'), 'boot-2\n');
    host = new FakeHost(root);
    const manager = newManager();
    await manager.load();
    expect(await manager.verify('id1')).toBe(false);
    await manager.create(config('other'), 'id2');
  });

  it.each([
    ['half a file', (text: string) => text.slice(0, 40), 'corrupt-state'],
    ['an empty file', () => '', 'corrupt-state'],
    ['another sandbox’s', (text: string) => text.replace('"id1"', '"id9"'), 'corrupt-state'],
    ['a missing field', (text: string) => text.replace('"createdAtMs"', '"createdAt"'), 'corrupt-state'],
    ['a newer version', (text: string) => text.replace('"version": 2', '"version": 3'), 'unsupported'],
  ])(
    'reports %s, loads the others, and removes what is not a newer agent’s with its network',
    async (_what, damage, kind) => {
      const first = newManager();
      await first.create(config(), 'id1');
      const good = await first.create(config('other', { portMappings: [] }), 'id2');
      writeFileSync(recordPath('id1'), damage(readFileSync(recordPath('id1'), 'utf8')));
      const manager = newManager();
      const { records, errors } = await manager.load();
      expect(records).toEqual([good]);
      expect(errors.map((error) => [error.kind, error.details['id']])).toEqual([[kind, 'id1']]);
      expect([...manager.unreadable.keys()]).toEqual(['id1']);
      host.commands.length = 0;
      if (kind === 'unsupported') {
        expect(await manager.findOrphans()).toEqual([]);
        await expect(manager.remove('id1')).rejects.toThrow(/newer agent/);
        expect(existsSync(recordPath('id1'))).toBe(true);
        return;
      }
      await manager.remove('id1');
      expect(host.commands.filter((name) => / DEL$|^umount$/.test(name))).toEqual(UNDO_ALL);
      expect([...manager.unreadable.keys()]).toEqual([]);
      expect(existsSync(join(root, 'state/sandboxes/id1'))).toBe(false);
      expect(existsSync(join(root, 'run/sandboxes/id1'))).toBe(false);
    },
  );
});

describe('findOrphans', () => {
  it('finds directories without a record and leases without a sandbox, and removes them one by one', async () => {
    const manager = newManager();
    await manager.create(config(), 'id1');
    mkdirSync(join(root, 'run/sandboxes/gone/ns'), { recursive: true });
    mkdirSync(join(root, 'state/sandboxes/empty'), { recursive: true });
    const leases = join(root, 'run/cni/networks/podwright');
    mkdirSync(leases, { recursive: true });
    writeFileSync(join(leases, '10.91.0.2'), 'id1\r\neth0');
    writeFileSync(join(leases, '10.91.0.9'), 'gone\r\neth0');
    writeFileSync(join(leases, 'last_reserved_ip.0'), '10.91.0.9');
    const orphans = await manager.findOrphans();
    expect(orphans.map(({ what }) => what)).toEqual([
      'address 10.91.0.9 leased to sandbox gone',
      'namespaces and files of sandbox gone',
      'namespaces and files of sandbox empty',
    ]);
    expect(existsSync(join(root, 'run/sandboxes/gone'))).toBe(true);
    for (const orphan of orphans) await orphan.remove();
    expect(existsSync(join(root, 'run/sandboxes/gone'))).toBe(false);
    expect(existsSync(join(leases, '10.91.0.2'))).toBe(true);
    expect(await manager.findOrphans()).toEqual([]);
  });

  it('finds a sandbox with a broken record, unless it is in use, and takes its network down first', async () => {
    await newManager().create(config(), 'id1');
    writeFileSync(recordPath('id1'), '');
    const manager = newManager();
    await manager.load();
    expect(await manager.findOrphans((id) => id === 'id1')).toEqual([]);
    const orphans = await manager.findOrphans();
    expect(orphans.map(({ what }) => what)).toEqual(['sandbox id1, whose record cannot be read']);
    host.commands.length = 0;
    host.onCommand = (name) => {
      if (name === 'bridge DEL') throw new PodwrightError('command-failed', 'bridge broke');
    };
    await expect(orphans[0]?.remove()).rejects.toThrow('bridge broke');
    expect(existsSync(recordPath('id1'))).toBe(true);
    host.onCommand = () => undefined;
    await orphans[0]?.remove();
    expect(existsSync(join(root, 'state/sandboxes/id1'))).toBe(false);
    expect(await manager.findOrphans()).toEqual([]);
    await manager.create(config('other'), 'id2');
  });

  it.each<[string, (path: string, whole: string) => void]>([
    ['can be read now', (path, whole) => writeFileSync(path, whole)],
    [
      'cannot be read for another reason',
      (path) => {
        rmSync(path);
        mkdirSync(path);
      },
    ],
  ])('spares a sandbox whose record %s', async (_what, change) => {
    await newManager().create(config(), 'id1');
    const whole = readFileSync(recordPath('id1'), 'utf8');
    writeFileSync(recordPath('id1'), '');
    const manager = newManager();
    await manager.load();
    const [orphan] = await manager.findOrphans();
    change(recordPath('id1'), whole);
    expect(await manager.findOrphans()).toEqual([]);
    await orphan?.remove();
    expect(existsSync(recordPath('id1'))).toBe(true);
  });

  it('spares what has become a sandbox since it was found', async () => {
    const manager = newManager();
    mkdirSync(join(root, 'run/sandboxes/late/ns'), { recursive: true });
    const [orphan] = await manager.findOrphans();
    const record = await manager.create(config(), 'late');
    await orphan?.remove();
    expect(existsSync(recordPath('late'))).toBe(true);
    expect(manager.get('late')).toEqual(record);
  });
});

describe('update', () => {
  it('replaces the record on disk and in memory', async () => {
    const manager = newManager();
    const record = await manager.create(config(), 'id1');
    await manager.update({ ...record, cgroupParent: 'x.slice' });
    expect(manager.get('id1')?.cgroupParent).toBe('x.slice');
    expect((await newManager().load()).records[0]?.cgroupParent).toBe('x.slice');
    await expect(manager.update({ ...record, id: 'other' })).rejects.toThrow(/no sandbox other/);
  });
});

describe('networkStatus', () => {
  it('waits for a configuration when the default network is off', async () => {
    const manager = newManager({ defaultNetwork: false });
    expect(await manager.networkStatus()).toEqual({
      ready: false,
      reason: 'NetworkPluginNotReady',
      message: expect.stringMatching(/no network yet.*net\.d/),
    });
    await expect(manager.create(config('a'), 'a')).rejects.toMatchObject({ kind: 'failed-precondition' });
    expect(manager.list()).toEqual([]);
  });

  it('says what is missing', async () => {
    rmSync(join(root, 'usr/lib/cni/bridge'));
    expect(await newManager().networkStatus()).toEqual({
      ready: false,
      reason: 'NetworkPluginNotReady',
      message: expect.stringMatching(/"bridge" is in none of \/usr\/lib\/cni, \/opt\/cni\/bin/),
    });
  });
});

describe('what all sandboxes share', () => {
  const made = (manager: SandboxManager, id: string) => manager.create(config(id), id);

  it('goes with the last one', async () => {
    const manager = newManager();
    for (const id of ['one', 'two']) {
      await made(manager, id);
      await manager.remove(id);
    }
    expect(host.commands.filter((name) => name === 'sh prepare')).toHaveLength(2);
  });

  it('stays for the next one when it is to be kept, and goes when the manager does', async () => {
    const manager = newManager({ keepSharedMs: 60_000 });
    for (const id of ['one', 'two']) {
      await made(manager, id);
      await manager.remove(id);
    }
    expect(host.commands.filter((name) => name === 'sh prepare')).toHaveLength(1);
    const before = host.commands.length;
    await manager[Symbol.asyncDispose]();
    expect(host.commands.slice(before)).toContain('umount');
  });

  it('goes after that time', async () => {
    const manager = newManager({ keepSharedMs: 1 });
    await made(manager, 'one');
    const gone = new Promise<void>((resolve) => {
      host.onCommand = (name) => {
        if (name === 'umount' && manager.list().length === 0) resolve();
      };
    });
    await manager.remove('one');
    await gone;
  });
});

describe('restore, after a reboot of the host', () => {
  /** The manager of a new agent, and a sandbox of the boot before. */
  async function afterReboot(): Promise<SandboxManager> {
    await newManager().create(config(), 'id1');
    writeFileSync(join(root, 'proc/sys/kernel/random/boot_id'), 'boot-2\n');
    host = new FakeHost(root);
    const manager = newManager();
    await manager.load();
    return manager;
  }

  const additions = () => host.commands.filter((name) => name === 'bridge ADD').length;

  it('makes the network anew, once', async () => {
    const manager = await afterReboot();
    expect(await manager.restore('id1')).toMatchObject({ id: 'id1', ips: ['10.91.0.2'] });
    expect(additions()).toBe(1);
  });

  it('takes other addresses when the network refuses those that the pod had', async () => {
    const manager = await afterReboot();
    host.onCommand = (name) => {
      if (name === 'bridge ADD' && additions() === 1) throw new PodwrightError('command-failed', 'taken');
    };
    expect(await manager.restore('id1')).toMatchObject({ id: 'id1', ips: ['10.91.0.2'] });
    expect(additions()).toBe(2);
  });

  it('fails when the network gives none, and can be tried again', async () => {
    const manager = await afterReboot();
    host.onCommand = (name) => {
      if (name === 'bridge ADD') throw new PodwrightError('command-failed', 'no address');
    };
    await expect(manager.restore('id1')).rejects.toThrow(/no address/);
    host.onCommand = () => undefined;
    expect(await manager.restore('id1')).toMatchObject({ id: 'id1' });
  });
});
