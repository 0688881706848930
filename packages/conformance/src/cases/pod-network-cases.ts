import assert from 'node:assert/strict';
import type { CaseContext } from '../case-context.js';
import { section } from '../conformance-case.js';
import { echoServer, script, sleepForever } from '../workloads.js';

/** Runs a pod on a network of its own, and gives a file of its container by lines. */
async function fileOf(t: CaseContext, path: string, spec: object, metadata: object = {}) {
  const { uid, ips } = await t.runPod(t.pod([{ command: sleepForever() }], spec as never, metadata));
  const { stdout } = await t.runtime.runInContainer({ uid }, ['cat', path]);
  return { uid, ips, lines: stdout.toString().split('\n'), text: stdout.toString() };
}

const words = (line: string) => line.trim().split(/\s+/);

export const podNetworkCases = section('pod-network', {
  'host-aliases': {
    title: 'hostAliases are lines of /etc/hosts',
    run: async (t) => {
      const hostAliases = [{ ip: '192.0.2.7', hostnames: ['one.example', 'two.example'] }];
      const { lines, text } = await fileOf(t, '/etc/hosts', { hostAliases });
      const line = lines.map(words).find(([ip]) => ip === '192.0.2.7');
      assert.deepEqual(line, ['192.0.2.7', 'one.example', 'two.example'], text);
    },
  },
  'host-aliases-node-network': {
    title: "hostAliases are added to the node's hosts in a pod on the node's network",
    needs: ['kernel'],
    run: async (t) => {
      const hostAliases = [{ ip: '192.0.2.7', hostnames: ['one.example'] }];
      const { text } = await fileOf(t, '/etc/hosts', { hostAliases, hostNetwork: true });
      assert.match(text, /^192\.0\.2\.7\s+one\.example$/m);
      assert.match(text, /localhost/);
    },
  },
  subdomain: {
    title: 'a pod with a hostname and a subdomain knows its full name, and is called by the short one',
    run: async (t) => {
      const { uid, ips, lines, text } = await fileOf(t, '/etc/hosts', { hostname: 'web', subdomain: 'app' });
      const line = lines.map(words).find(([ip]) => ip === ips[0]);
      assert.deepEqual(line?.slice(1), [`web.app.${t.namespace}.svc.cluster.local`, 'web'], text);
      const { stdout } = await t.runtime.runInContainer({ uid }, ['hostname']);
      assert.equal(stdout.toString(), 'web\n');
    },
  },
  'fqdn-as-hostname': {
    title: 'with setHostnameAsFQDN the full name is the host name',
    run: async (t) => {
      const spec = { hostname: 'web', subdomain: 'app', setHostnameAsFQDN: true };
      const { uid } = await t.runPod(t.pod([{ command: sleepForever() }], spec));
      const { stdout } = await t.runtime.runInContainer({ uid }, script('hostname; cat /etc/hostname'));
      const full = `web.app.${t.namespace}.svc.cluster.local`;
      assert.equal(stdout.toString(), `${full}\n${full}\n`);
    },
  },
  'hostname-override': {
    title: 'hostnameOverride is the host name, whatever else says',
    run: async (t) => {
      const spec = { hostname: 'web', subdomain: 'app', hostnameOverride: 'other.example' };
      const { uid } = await t.runPod(t.pod([{ command: sleepForever() }], spec));
      const { stdout } = await t.runtime.runInContainer({ uid }, ['hostname']);
      assert.equal(stdout.toString(), 'other.example\n');
    },
  },
  'dns-none': {
    title: 'with dnsPolicy None a pod has the name servers that it names, and no others',
    run: async (t) => {
      const dnsConfig = {
        nameservers: ['192.0.2.53'],
        searches: ['a.example'],
        options: [{ name: 'ndots', value: '2' }],
      };
      const { lines } = await fileOf(t, '/etc/resolv.conf', { dnsPolicy: 'None', dnsConfig });
      assert.deepEqual(lines.filter((line) => line !== '').sort(), [
        'nameserver 192.0.2.53',
        'options ndots:2',
        'search a.example',
      ]);
    },
  },
  'dns-added': {
    title: "with another dnsPolicy a pod's dnsConfig is added to the node's",
    run: async (t) => {
      const plain = await fileOf(t, '/etc/resolv.conf', { dnsPolicy: 'Default' });
      const dnsConfig = { searches: ['added.example'], options: [{ name: 'ndots', value: '4' }] };
      for (const dnsPolicy of ['Default', 'ClusterFirst']) {
        const { lines, text } = await fileOf(t, '/etc/resolv.conf', { dnsPolicy, dnsConfig });
        assert.ok(
          lines.some((line) => line.startsWith('search ') && words(line).includes('added.example')),
          text,
        );
        assert.match(text, /^options .*ndots:4/m);
        const servers = plain.lines.filter((line) => line.startsWith('nameserver '));
        assert.deepEqual(
          lines.filter((line) => line.startsWith('nameserver ')),
          servers,
        );
      }
    },
  },
  'host-port-sidecar': {
    title: 'a host port of a sidecar leads to it',
    needs: ['hostPort'],
    run: async (t) => {
      const sidecar = {
        name: 'side',
        restartPolicy: 'Always',
        command: echoServer(8081),
        ports: [{ containerPort: 8081, hostPort: 18_433 }],
      };
      const { uid } = await t.runPod(t.pod([{ command: sleepForever() }], { initContainers: [sidecar] }));
      await t.line(t.runtime.getContainerLogs({ uid, container: 'side' }, { follow: true }), 'ready');
      assert.equal(await t.talk(await t.host.connect(18_433), 'hello\n'), 'hello\n');
    },
  },
  'host-port-address': {
    title: 'one host port serves two pods on two addresses of the host, and not on the same one',
    needs: ['hostPort'],
    run: async (t) => {
      const pod = (hostIP: string) =>
        t.pod([{ command: sleepForever(), ports: [{ containerPort: 80, hostPort: 18_434, hostIP }] }]);
      await t.runPod(pod('127.0.0.2'));
      await t.runPod(pod('127.0.0.3'));
      await t.rejects(t.runPod(pod('127.0.0.3')), 'port-in-use');
      await t.rejects(t.runPod(pod('0.0.0.0')), 'port-in-use');
    },
  },
  'addresses-in-status': {
    title: "the pod's status has all of its addresses, and its interface has them",
    needs: ['kernel'],
    run: async (t) => {
      const { uid } = await t.runPod(t.pod([{ command: sleepForever() }]));
      const { ips } = await t.runtime.getPodStatus({ uid });
      const { stdout } = await t.runtime.runInContainer({ uid }, ['ip', 'addr', 'show', 'dev', 'eth0']);
      assert.ok(ips.length > 0);
      for (const ip of ips) assert.ok(stdout.toString().includes(` ${ip}/`), stdout.toString());
    },
  },
});
