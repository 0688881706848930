// What a pod's network can be asked for, with the real plugins of CNI.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PodwrightError, type PortMapping } from '@podwright/core';
import type { SandboxRecord } from '@podwright/sandbox';
import { describe, expect, it } from 'vitest';
import { ask, sandboxConfig as config, inside, run, SandboxBed, tcp } from './support/sandbox-bed.js';

const bed = new SandboxBed();
const NETWORKS = 'k8s.v1.cni.cncf.io/networks';

const udp = (hostPort: number, hostIp?: string): PortMapping => ({
  ...tcp(hostPort, hostIp),
  protocol: 'UDP',
});

/** Sends a datagram and gives the answer. */
async function askUdp(address: string, port: number): Promise<string> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  try {
    const answer = once(socket, 'message', { signal: AbortSignal.timeout(30_000) });
    socket.send('hello\n', port, address);
    return String((await answer)[0]);
  } finally {
    socket.close();
  }
}

const ipam = (subnet: string) => ({ type: 'host-local', dataDir: join(bed.root, 'leases'), subnet });

describe('the default network', () => {
  it('gives a pod addresses of both families, with a way to others and to the node', async () => {
    const manager = bed.newManager();
    const [one, two] = await Promise.all([
      manager.create(config('one'), 'a1'),
      manager.create(config('two'), 'a2'),
    ]);
    expect(one.ips).toEqual([expect.stringMatching(/^10\.92\./), expect.stringMatching(/^fd92::/)]);
    expect(one.networks).toEqual([
      { name: 'podwright', interface: 'eth0', ips: one.ips, mac: expect.any(String), default: true },
    ]);
    await bed.serve(one, 'one');
    const [v4 = '', v6 = ''] = one.ips;
    expect(ask(v4, 80)).toBe('one\n');
    expect(ask(`[${v6}]`, 80)).toBe('one\n');
    expect(inside(two, 'socat', '-T', '30', '-t', '30', '-', `TCP:[${v6}]:80`)).toBe('one\n');
    expect(inside(two, 'ip', '-6', 'route', 'show', 'default')).toMatch(/^default via fd92::1 dev eth0/);
    expect(readFileSync(one.files.hosts, 'utf8')).toContain(`${v6}\tone\n`);
    await Promise.all(['a1', 'a2'].map((id) => manager.remove(id)));
  });

  it.each<[string, Parameters<typeof bed.newManager>[0]]>([
    ['it is off', { defaultSubnet6: 'off' }],
    ['the default subnet is one of IPv6 itself', { defaultSubnet: 'fd93::/64' }],
  ])('gives addresses of one family where %s', async (_what, options) => {
    const manager = bed.newManager(options);
    const { ips } = await manager.create(config('web'), 'a3');
    expect(ips).toHaveLength(1);
    await manager.remove('a3');
  });

  it('gives addresses of IPv4 where the host has IPv6 disabled', async () => {
    const setting = '/proc/sys/net/ipv6/conf/default/disable_ipv6';
    const before = readFileSync(setting, 'utf8');
    writeFileSync(setting, '1');
    try {
      const manager = bed.newManager();
      const { ips } = await manager.create(config('web'), 'a4');
      expect(ips).toEqual([expect.stringMatching(/^10\.92\./)]);
      await manager.remove('a4');
    } finally {
      writeFileSync(setting, before);
    }
  });
});

describe('host ports', () => {
  it('lead TCP and UDP of both families to the pod, on the address that was asked for', async () => {
    const manager = bed.newManager();
    const record = await manager.create(
      config('web', {
        portMappings: [
          tcp(18201),
          udp(18201),
          tcp(18202, '127.0.0.1'),
          udp(18203, '10.92.0.1'),
          tcp(18204, 'fd92::1'),
        ],
      }),
      'b1',
    );
    await bed.serve(record, 'tcp');
    await bed.serve(record, 'udp', 'udp');
    expect(ask('127.0.0.1', 18201)).toBe('tcp\n');
    expect(ask('10.92.0.1', 18201)).toBe('tcp\n');
    expect(ask('[fd92::1]', 18201)).toBe('tcp\n');
    expect(await askUdp('10.92.0.1', 18201)).toBe('udp\n');
    expect(await askUdp('fd92::1', 18201)).toBe('udp\n');
    expect(ask('127.0.0.1', 18202)).toBe('tcp\n');
    expect(() => ask('10.92.0.1', 18202)).toThrow(/refused/);
    expect(await askUdp('10.92.0.1', 18203)).toBe('udp\n');
    expect(ask('[fd92::1]', 18204)).toBe('tcp\n');
    expect(() => ask('127.0.0.1', 18204)).toThrow(/refused/);
    // Another protocol's port is free.
    const other = await manager.create(config('other', { portMappings: [udp(18202)] }), 'b2');
    expect(other.portMappings).toHaveLength(1);
    const failed = manager.create(config('third', { portMappings: [udp(18203)] }), 'b3');
    await expect(failed).rejects.toSatisfy((error) => PodwrightError.is(error, 'port-in-use'));
    await Promise.all(['b1', 'b2'].map((id) => manager.remove(id)));
  });
});

describe('names', () => {
  it('are those of the pod, its domain, its aliases and its servers', async () => {
    const manager = bed.newManager();
    const record = await manager.create(
      config('web-0', {
        hostname: 'web-0',
        domain: 'web.test.svc.cluster.local',
        hostAliases: [{ ip: '192.0.2.7', hostnames: ['db', 'db.test'] }],
        dnsPolicy: 'Default',
        dns: { servers: ['192.0.2.53'], searches: ['pod.test'], options: ['ndots:5'] },
      }),
      'c1',
    );
    const hosts = readFileSync(record.files.hosts, 'utf8');
    for (const ip of record.ips) expect(hosts).toContain(`${ip}\tweb-0.web.test.svc.cluster.local\tweb-0\n`);
    expect(hosts).toContain('192.0.2.7\tdb\tdb.test\n');
    const resolv = readFileSync(record.files.resolvConf, 'utf8');
    for (const [, server] of readFileSync('/etc/resolv.conf', 'utf8').matchAll(/^nameserver (\S+)/gm)) {
      expect(resolv).toContain(`nameserver ${server}\n`);
    }
    expect(resolv).toMatch(/^search .*pod\.test$/m);
    expect(resolv).toContain('nameserver 192.0.2.53\n');
    expect(resolv).toMatch(/^options .*ndots:5$/m);
    await manager.remove('c1');
  });

  it('are fully qualified where the host name is', async () => {
    const manager = bed.newManager();
    const fqdn = `${'w'.repeat(55)}.web.test`;
    const record = await manager.create(config('web', { hostname: fqdn, domain: 'web.test' }), 'c2');
    expect(fqdn).toHaveLength(64);
    expect(inside(record, 'hostname')).toBe(`${fqdn}\n`);
    expect(readFileSync(record.files.hosts, 'utf8')).toContain(`\t${fqdn}\t${'w'.repeat(55)}\n`);
    await manager.remove('c2');
    const failed = manager.create(config('web', { hostname: `w${fqdn}`, domain: 'web.test' }), 'c3');
    await expect(failed).rejects.toThrow(/at most 64/);
  });
});

describe('further networks', () => {
  const configureTwo = () => {
    bed.configure('10-main.conflist', 'main', [{ type: 'ptp', ipam: ipam('10.95.0.0/24') }]);
    bed.configure('20-storage.conflist', 'storage', [{ type: 'ptp', ipam: ipam('10.96.0.0/24') }]);
    bed.configure('30-fixed.conflist', 'fixed', [
      { type: 'ptp', capabilities: { ips: true }, ipam: ipam('10.97.0.0/24') },
      { type: 'tuning', capabilities: { mac: true } },
    ]);
  };
  const addresses = (record: SandboxRecord, device: string) =>
    inside(record, 'ip', '-o', 'addr', 'show', device);

  it('are asked for by a JSON list, and are all taken down by another agent', async () => {
    configureTwo();
    const asked =
      '[{"name":"storage"},{"name":"fixed","interface":"fast","ips":["10.97.0.7/24"],"mac":"02:00:00:00:00:07"}]';
    const record = await bed.newManager().create(config('web', { annotations: { [NETWORKS]: asked } }), 'd1');
    expect(record.ips).toEqual([expect.stringMatching(/^10\.95\./)]);
    expect(record.networks[1]).toMatchObject({
      name: 'storage',
      interface: 'net1',
      ips: [expect.stringMatching(/^10\.96\./)],
      default: false,
    });
    expect(addresses(record, 'net1')).toContain(record.networks[1]?.ips[0]);
    expect(record.networks[2]).toMatchObject({ name: 'fixed', interface: 'fast', ips: ['10.97.0.7'] });
    expect(inside(record, 'ip', '-o', 'link', 'show', 'fast')).toContain('02:00:00:00:00:07');
    // A pod's further networks are known from its record: the configuration may be gone.
    run('rm', '-r', join(bed.root, 'net.d'));
    const next = bed.newManager();
    await next.load();
    await next.remove('d1');
    expect(run('find', join(bed.root, 'leases'), '-name', '10.*')).toBe('');
  });

  it('are asked for by names', async () => {
    configureTwo();
    const manager = bed.newManager();
    const asked = { [NETWORKS]: 'storage, test/fixed@fast' };
    const { networks } = await manager.create(config('web', { annotations: asked }), 'd4');
    expect(networks.map((network) => [network.name, network.interface])).toEqual([
      ['main', 'eth0'],
      ['storage', 'net1'],
      ['fixed', 'fast'],
    ]);
    await manager.remove('d4');
  });

  it.each([
    [
      'a network that is not there',
      'nowhere',
      'not-found',
      /asks for network "nowhere".*there are: main, storage/,
    ],
    ['a list that is none', '[{"name":', 'invalid-argument', /begins as a JSON list/],
    [
      'addresses that no plugin gives',
      '[{"name":"storage","ips":["10.9.0.9/24"]}]',
      'unsupported',
      /capability ips/,
    ],
    ['an interface twice', 'storage@x,storage@x', 'invalid-argument', /two networks have the interface x/],
  ] as const)('are refused before anything is made: %s', async (_what, annotation, kind, message) => {
    configureTwo();
    const manager = bed.newManager();
    const failed = manager.create(config('web', { annotations: { [NETWORKS]: annotation } }), 'd2');
    await expect(failed).rejects.toSatisfy((error) => PodwrightError.is(error, kind));
    await expect(failed).rejects.toThrow(message);
    expect(manager.list()).toEqual([]);
  });

  it('undo the first network when the second fails', async () => {
    configureTwo();
    bed.configure('20-storage.conflist', 'storage', [
      { type: 'ptp', ipam: ipam('10.96.0.0/24') },
      { type: 'tuning', sysctl: { 'net.ipv4.no.such': '1' } },
    ]);
    const failed = bed.newManager().create(config('web', { annotations: { [NETWORKS]: 'storage' } }), 'd3');
    await expect(failed).rejects.toThrow(/"tuning" failed at ADD of network "storage"/);
    expect(run('find', join(bed.root, 'leases'), '-name', '10.*')).toBe('');
  });
});

describe('bandwidth', () => {
  it('is limited both ways by the kernel, as long as the pod is there', async () => {
    const manager = bed.newManager();
    const record = await manager.create(
      config('web', {
        annotations: { 'kubernetes.io/ingress-bandwidth': '10M', 'kubernetes.io/egress-bandwidth': '20M' },
      }),
      'e1',
    );
    const qdiscs = run('tc', 'qdisc', 'show');
    expect(qdiscs).toMatch(/qdisc tbf .* rate 10Mbit/);
    expect(qdiscs).toMatch(/qdisc tbf .* rate 20Mbit/);
    expect(record.ips).toHaveLength(2);
    await manager.remove('e1');
    expect(run('tc', 'qdisc', 'show')).not.toContain('tbf');
  });

  it('is refused where the network cannot limit it', async () => {
    bed.configure('10-main.conflist', 'main', [{ type: 'ptp', ipam: ipam('10.95.0.0/24') }]);
    const failed = bed
      .newManager()
      .create(config('web', { annotations: { 'kubernetes.io/egress-bandwidth': '1M' } }), 'e2');
    await expect(failed).rejects.toSatisfy((error) => PodwrightError.is(error, 'unsupported'));
    await expect(failed).rejects.toThrow(/Add the plugin bandwidth/);
  });
});

describe('a teardown that fails', () => {
  /** A plugin that does nothing at ADD, and fails DEL as often as a file says; it writes down what it was given. */
  const installPlugin = (failures: number) => {
    const folder = join(bed.root, 'bin');
    mkdirSync(folder);
    const path = join(folder, 'unsteady');
    writeFileSync(join(bed.root, 'failures'), String(failures));
    writeFileSync(
      path,
      `#!/bin/sh
input=$(cat)
if [ "$CNI_COMMAND" = DEL ]; then
  echo "$input" >>${bed.root}/deletes
  left=$(cat ${bed.root}/failures)
  if [ "$left" -gt 0 ]; then
    echo $((left - 1)) >${bed.root}/failures
    echo '{"code": 11, "msg": "not now"}'
    exit 1
  fi
else
  echo '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"x"}],"ips":[{"address":"10.98.0.2/24","interface":0}]}'
fi
`,
    );
    chmodSync(path, 0o755);
    bed.configure('10-unsteady.conflist', 'unsteady', [{ type: 'unsteady' }]);
    return { cniBinDirs: [folder, '/usr/lib/cni'], teardownRetryMs: { initial: 20, max: 40 } };
  };
  const deletes = () =>
    readFileSync(join(bed.root, 'deletes'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));

  it('is tried again until it is done, with what ADD had given', async () => {
    const manager = bed.newManager(installPlugin(3));
    await manager.create(config('web'), 'f1');
    await expect(manager.stop('f1')).rejects.toThrow(
      /"unsteady" failed at DEL of network "unsteady": not now/,
    );
    expect(manager.get('f1')).toMatchObject({ stopping: true, networkStopped: false, stopped: false });
    await bed.logged(/a sandbox whose stop had failed is stopped now/);
    expect(manager.get('f1')).toMatchObject({ networkStopped: true, stopped: true, cni: [] });
    expect(deletes()).toHaveLength(4);
    expect(deletes()[3].prevResult.ips[0].address).toBe('10.98.0.2/24');
    await manager.remove('f1');
  });

  it('is remembered, and tried again by the next agent', async () => {
    const options = installPlugin(2);
    const first = bed.newManager({ ...options, teardownRetryMs: { initial: 3_600_000, max: 3_600_000 } });
    await first.create(config('web'), 'f2');
    await expect(first.stop('f2')).rejects.toThrow(/not now/);
    await first[Symbol.asyncDispose]();
    const stored = JSON.parse(readFileSync(join(bed.root, 'state/sandboxes/f2/sandbox.json'), 'utf8'));
    expect(stored).toMatchObject({ stopping: true, networkStopped: false });
    expect(stored.cni[0].result.ips[0].address).toBe('10.98.0.2/24');

    const next = bed.newManager(options);
    expect((await next.load()).records).toHaveLength(1);
    await bed.logged(/a sandbox whose stop had failed is stopped now/);
    expect(next.get('f2')).toMatchObject({ networkStopped: true, stopped: true });
    expect(existsSync(join(bed.root, 'run/sandboxes/f2'))).toBe(false);
    await next.remove('f2');
  });

  it('is no hindrance to a later removal, which ends the trying', async () => {
    const options = installPlugin(1);
    const manager = bed.newManager({ ...options, teardownRetryMs: { initial: 3_600_000, max: 3_600_000 } });
    await manager.create(config('web'), 'f3');
    await expect(manager.remove('f3')).rejects.toThrow(/not now/);
    await manager.remove('f3');
    expect(manager.list()).toEqual([]);
  });
});
