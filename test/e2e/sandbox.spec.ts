// Sandboxes with the real plugins, namespaces and packet filter of a host.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { PodwrightError } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import {
  DEFAULT_SHM_SIZE_BYTES,
  NamespacePinner,
  SandboxManager,
  type SandboxRecord,
} from '@podwright/sandbox';
import { describe, expect, it } from 'vitest';
import {
  ask,
  BRIDGE,
  sandboxConfig as config,
  hostState,
  inside,
  mountPoints,
  run,
  SandboxBed,
  tcp,
} from './support/sandbox-bed.js';

const WAIT = { timeout: 20_000 };
const bed = new SandboxBed();
const newManager = bed.newManager.bind(bed);
const serve = bed.serve.bind(bed);

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
    const fromTwo = inside(two, 'socat', '-T', '30', '-t', '30', '-', `TCP:${one.ips[0]}:80`);
    expect(fromTwo).toBe('from-one\n');
    expect(inside(one, 'socat', '-T', '30', '-t', '30', '-', 'TCP:127.0.0.1:80')).toBe('from-one\n');
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
    bed.children.push(holder);
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
    expect(new Set(records.flatMap(({ ips }) => ips)).size).toBe(40);
    await serve(records[13] as SandboxRecord, 'thirteen');
    expect(ask('127.0.0.1', 18113)).toBe('thirteen\n');
    await Promise.all(ids.map((id) => manager.remove(id)));
  });
});

describe('a network of the host’s own configuration', () => {
  it('is used instead of the default bridge, and left as it was added', async () => {
    const ipam = { type: 'host-local', dataDir: join(bed.root, 'leases'), subnet: '10.95.0.0/24' };
    const plugins = [
      { type: 'ptp', ipMasq: true, ipam },
      { type: 'portmap', capabilities: { portMappings: true } },
    ];
    const path = join(bed.root, 'net.d/10-own.conflist');
    writeFileSync(path, JSON.stringify({ cniVersion: '1.0.0', name: 'own', plugins }));
    writeFileSync(join(bed.root, 'net.d/05-broken.conf'), 'no JSON');
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
        ipam: { type: 'host-local', dataDir: join(bed.root, 'leases'), subnet: '10.94.0.0/24' },
      },
      { type: 'tuning', sysctl: { 'net.ipv4.no.such': '1' } },
    ];
    writeFileSync(
      join(bed.root, 'net.d/10-broken.conflist'),
      JSON.stringify({ cniVersion: '1.0.0', name: 'broken', plugins }),
    );
    const manager = newManager();
    await expect(manager.create(config('web'), 'g3')).rejects.toThrow(
      /"tuning" failed at ADD of network "broken"/,
    );
    expect(run('ip', '-o', 'link', 'show', 'type', 'veth')).toBe('');
    expect(run('find', join(bed.root, 'leases'), '-name', '10.*')).toBe('');
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
    writeFileSync(join(bed.root, 'state/sandboxes/h2/sandbox.json'), JSON.stringify(record));
    expect(await newManager().load()).toEqual({ records: [], errors: [] });
  });

  it('sees that the namespaces are gone, and removes the sandbox all the same', async () => {
    const manager = newManager();
    const { namespaces } = await manager.create(config('web', { portMappings: [tcp(18095)] }), 'h3');
    run('umount', namespaces.network ?? '');
    expect(await manager.verify('h3')).toBe(false);
    await manager.remove('h3');
    expect(await manager.findOrphans()).toEqual([]);
  });

  it('removes orphans: whatever is left of a sandbox without a record', async () => {
    await newManager().create(config('web', { portMappings: [tcp(18096)] }), 'h4');
    rmSync(join(bed.root, 'state/sandboxes/h4'), { recursive: true });
    const manager = newManager();
    await manager.load();
    const orphans = await manager.findOrphans();
    expect(orphans.map(({ what }) => what)).toEqual([
      'network podwright (eth0) of sandbox h4',
      'namespaces and files of sandbox h4',
    ]);
    for (const orphan of orphans) await orphan.remove();
    expect(await manager.findOrphans()).toEqual([]);
  });

  it('gives leases and rules back of a sandbox of which not even a note is left', async () => {
    await newManager().create(config('web', { portMappings: [tcp(18096)] }), 'h5');
    for (const left of ['state/sandboxes/h5', 'run/attachments'])
      rmSync(join(bed.root, left), { recursive: true });
    const manager = newManager();
    await manager.load();
    const orphans = await manager.findOrphans();
    expect(orphans.map(({ what }) => what)).toEqual([
      expect.stringMatching(/^address 10\.92\.\d+\.\d+ leased to sandbox h5$/),
      expect.stringMatching(/^address fd92::[0-9a-f]+ leased to sandbox h5$/),
      'iptables rules of sandbox h5',
      'ip6tables rules of sandbox h5',
      'namespaces and files of sandbox h5',
    ]);
    for (const orphan of orphans) await orphan.remove();
    expect(await manager.findOrphans()).toEqual([]);
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
      ...['-T', '30', '-t', '30'],
      '-',
      'TCP:198.51.100.1:18098,connect-timeout=30',
    );
    // It knows no way to the pods: who asks there has the host's address.
    const outside = spawn('ip', [
      ...['netns', 'exec', 'pwoutside', 'socat', '-t', '30', 'TCP-LISTEN:18099,reuseaddr'],
      'SYSTEM:echo $SOCAT_PEERADDR',
    ]);
    bed.children.push(outside);
    const seen = inside(
      record,
      'socat',
      '-T',
      '30',
      '-t',
      '30',
      '-',
      'TCP:198.51.100.2:18099,retry=300,interval=0.1',
    );
    await manager.remove('i2');
    const after = hostState();
    run('ip', 'link', 'delete', 'pwout0');
    run('ip', 'netns', 'delete', 'pwoutside');
    run('umount', '/run/netns');
    run('nft', 'delete', 'table', 'ip', 'filter');
    expect([asked, seen]).toEqual(['through\n', '198.51.100.1\n']);
    expect(after).toEqual(own);
  });
});

describe('the default bridge', () => {
  it('is not shared with another agent', async () => {
    const [one, two] = [
      newManager(),
      newManager({ stateDir: join(bed.root, 'state2'), runDir: join(bed.root, 'run2') }),
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

describe('a user namespace of the pod’s own', () => {
  it('owns the other namespaces, and makes its root nobody on the host', async () => {
    const manager = newManager();
    const [one, two] = await Promise.all([
      manager.create(
        config('one', {
          userNamespace: 'pod',
          sysctls: { 'net.core.somaxconn': '77', 'kernel.msgmax': '4321', 'fs.mqueue.msg_max': '20' },
        }),
        'u1',
      ),
      manager.create(config('two', { userNamespace: 'pod' }), 'u2'),
    ]);
    const [mapping] = one.idMappings;
    expect(mapping).toEqual({ containerId: 0, hostId: expect.any(Number), size: 65_536 });
    expect(two.idMappings[0]?.hostId).not.toBe(mapping?.hostId);
    const asRoot = (...command: string[]) => {
      const { user, network, ipc, uts } = one.namespaces;
      const flags = [`--user=${user}`, `--net=${network}`, `--ipc=${ipc}`, `--uts=${uts}`];
      return run('nsenter', ...flags, '-S', '0', '-G', '0', '--', ...command);
    };
    for (const file of ['uid_map', 'gid_map']) {
      expect(asRoot('cat', `/proc/self/${file}`).trim().split(/\s+/)).toEqual([
        '0',
        `${mapping?.hostId}`,
        '65536',
      ]);
    }
    // Only the owner of the namespaces may do these.
    asRoot('ip', 'link', 'set', 'lo', 'down');
    asRoot('hostname', 'other');
    expect(asRoot('hostname')).toBe('other\n');
    const settings = ['net/core/somaxconn', 'kernel/msgmax', 'fs/mqueue/msg_max'].map(
      (name) => `/proc/sys/${name}`,
    );
    expect(asRoot('cat', ...settings)).toBe('77\n4321\n20\n');
    expect(run('stat', '-c', '%u %g %a', one.files.shm)).toBe(`${mapping?.hostId} ${mapping?.hostId} 1777\n`);
    expect(asRoot('ip', '-o', 'addr', 'show', 'eth0')).toContain(one.ips[0]);
    expect(await manager.verify('u1')).toBe(true);

    const next = newManager();
    await next.load();
    const three = await next.create(config('three', { userNamespace: 'pod' }), 'u3');
    const starts = [one, two, three].map(({ idMappings }) => idMappings[0]?.hostId);
    expect(new Set(starts).size).toBe(3);
    await Promise.all(['u1', 'u2', 'u3'].map((id) => next.remove(id)));
  });

  it('leaves nothing when a step inside fails', async () => {
    const failed = newManager().create(
      config('web', { userNamespace: 'pod', sysctls: { 'net.core.somaxconn': 'many' } }),
      'u4',
    );
    await expect(failed).rejects.toThrow(/net\/core\/somaxconn cannot be set to many/);
  });
});

describe('the pinner', () => {
  it('lets two namespaces go when the third cannot be pinned', async () => {
    const container = bed.newContainer();
    const real = container.get(HostExecutor);
    const pinned: string[] = [];
    const path = (name: string) => join(bed.root, 'run/pins', name);
    const executor: HostExecutor = {
      start: (command) => real.start(command),
      which: (name) => real.which(name),
      hostPath: (name) => real.hostPath(name),
      async run(command) {
        // What the third one is to be mounted on goes away at the last moment.
        if (command.command === 'unshare') rmSync(path('uts'));
        const result = await real.run(command);
        pinned.push(...mountPoints('self').filter((point) => point.startsWith(path(''))));
        return result;
      },
    };
    (await container.rebind(HostExecutor)).toConstantValue(executor);
    const pinner = container.get(NamespacePinner);
    await pinner.prepare(join(bed.root, 'run'));
    const paths = { network: path('net'), ipc: path('ipc'), uts: path('uts') };
    const pinning = pinner.pin({ paths, hostname: 'x', sysctls: [], idMappings: [] });
    await expect(pinning).rejects.toThrow(/namespaces of a pod could not be made: unshare: .*uts/);
    expect(pinned.length).toBeGreaterThan(0);
    expect(mountPoints('self').filter((point) => point.startsWith(path('')))).toEqual([]);
    await pinner.release(join(bed.root, 'run'));
  });

  it('is whatever is bound in its place', async () => {
    const container = bed.newContainer();
    const real = container.get(NamespacePinner);
    const requests: string[] = [];
    const pinner: NamespacePinner = {
      pin: async (request, signal) => {
        requests.push(...Object.keys(request.paths));
        await real.pin(request, signal);
      },
      pinOf: (pid, kind, path) => real.pinOf(pid, kind, path),
      unpin: (paths) => real.unpin(paths),
      arePinned: (paths) => real.arePinned(paths),
      prepare: (directory) => real.prepare(directory),
      release: (directory) => real.release(directory),
    };
    (await container.rebind(NamespacePinner)).toConstantValue(pinner);
    const manager = container.get(SandboxManager);
    await manager.create(config('web'), 'q1');
    expect(requests).toEqual(['network', 'uts', 'ipc']);
    await manager.remove('q1');
  });
});

describe('a PID namespace of the pod’s own', () => {
  const children = (pid: number) => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();

  it.each(['node', 'pod'] as const)(
    'has a first process, with the user namespace of the %s',
    async (userNamespace) => {
      const manager = newManager();
      const record = await manager.create(config('web', { pid: 'pod', userNamespace }), 'p1');
      const { infra, namespaces } = record;
      const pid = infra?.pid ?? 0;
      for (const [kind, file] of [
        ['pid', 'pid'],
        ['network', 'net'],
        ['ipc', 'ipc'],
        ['uts', 'uts'],
      ] as const) {
        expect(run('stat', '-L', '-c', '%i', namespaces[kind] ?? '')).toBe(
          run('stat', '-L', '-c', '%i', `/proc/${pid}/ns/${file}`),
        );
      }
      const enterPid = [`--pid=${namespaces.pid}`, '--', 'sh', '-c'];
      expect(Number(run('nsenter', ...enterPid, 'echo $$'))).toBeGreaterThan(1);
      expect(await manager.verify('p1')).toBe(true);

      // What loses its parent is given to the first process, which has to take its end.
      run('nsenter', ...enterPid, 'sh -c "sleep 0 & exec true"; true');
      run('nsenter', ...enterPid, '(sleep 0.2 &) ; true');
      await expect
        .poll(
          () =>
            children(pid)
              .split(' ')
              .filter((child) => /\) Z /.test(readFileSync(`/proc/${child}/stat`, 'utf8'))),
          WAIT,
        )
        .toEqual([]);

      const next = newManager();
      await next.load();
      expect(next.sandbox('p1')?.infra).toEqual(infra);
      expect(next.sandbox('p1')?.namespacePath('pid')).toBe(namespaces.pid);
      await next.stop('p1');
      expect(existsSync(`/proc/${pid}/ns/pid`)).toBe(false);
      expect(next.get('p1')?.infra).toBeUndefined();
      await next.remove('p1');
    },
  );

  it('is not ready any more when the first process has ended', async () => {
    const manager = newManager();
    const { infra } = await manager.create(config('web', { pid: 'pod' }), 'p2');
    run('kill', '-KILL', String(infra?.pid));
    await expect.poll(() => manager.verify('p2'), WAIT).toBe(false);
    await manager.remove('p2');
  });

  it('is there with every sandbox when none is to be done without one', async () => {
    const manager = newManager({ dropInfra: false });
    const { infra, namespaces } = await manager.create(config('web'), 'p3');
    expect(infra?.pid).toBeGreaterThan(1);
    expect(namespaces.pid).toBeUndefined();
    await manager.remove('p3');
    expect(existsSync(`/proc/${infra?.pid}`)).toBe(false);
  });
});

describe('a record', () => {
  it('of the version before is taken over, with its running sandbox', async () => {
    const made = await newManager().create(config('web', { portMappings: [tcp(18099)] }), 'v1');
    const path = join(bed.root, 'state/sandboxes/v1/sandbox.json');
    const added = [
      'name',
      'kubeName',
      'namespace',
      'hostAliases',
      'hostNetwork',
      'userNamespace',
      'idMappings',
    ];
    added.push('privileged', 'persist', 'networks', 'dnsPolicy', 'stopping');
    const old = Object.entries({ ...made, version: 1 }).filter(([name]) => !added.includes(name));
    writeFileSync(path, JSON.stringify(Object.fromEntries(old)));
    const manager = newManager();
    expect(await manager.load()).toEqual({ records: [{ ...made, networks: [] }], errors: [] });
    expect(await manager.verify('v1')).toBe(true);
    await manager.remove('v1');
  });
});
