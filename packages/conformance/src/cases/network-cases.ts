import assert from 'node:assert/strict';
import { section } from '../conformance-case.js';
import { echoServer, script, sleepForever } from '../workloads.js';

export const networkCases = section('network', {
  'port-forward': {
    title: 'a forwarded port reaches a server in the pod; half-closing it ends its input',
    run: async (t) => {
      const sandboxId = await t.sandbox({ network: 'pod' });
      const id = await t.start(sandboxId, echoServer(8080));
      await t.says(id, 'ready');
      const connection = await t.service.portForward(sandboxId, 8080);
      assert.equal(await t.talk(connection, 'hello\n'), 'hello\n');
    },
  },
  'port-forward-many': {
    title: 'several connections at once do not mix',
    run: async (t) => {
      const sandboxId = await t.sandbox({ network: 'pod' });
      const id = await t.start(sandboxId, echoServer(8080));
      await t.says(id, 'ready');
      const words = ['a', 'b'.repeat(100_000), 'c'];
      const answers = await Promise.all(
        words.map(async (word) => t.talk(await t.service.portForward(sandboxId, 8080), word)),
      );
      assert.deepEqual(answers, words);
    },
  },
  'port-forward-own-pod': {
    title: 'a port reaches the pod that was asked for, not another with the same port',
    run: async (t) => {
      const talkTo = async (word: string) => {
        const sandboxId = await t.sandbox({ network: 'pod' });
        const command = script(
          `nc -ll -p 8080 -e echo ${word} & until nc 127.0.0.1 8080 </dev/null >/dev/null 2>&1; do sleep 0.05; done; echo ready; wait`,
        );
        await t.says(await t.start(sandboxId, command), 'ready');
        return sandboxId;
      };
      const [one, two] = [await talkTo('one'), await talkTo('two')];
      assert.equal(await t.readAll(await t.service.portForward(one, 8080)), 'one\n');
      assert.equal(await t.readAll(await t.service.portForward(two, 8080)), 'two\n');
    },
  },
  'port-forward-nobody': {
    title: 'a port where nobody listens is a failure, not silence',
    run: async (t) => {
      const sandboxId = await t.sandbox({ network: 'pod' });
      const connect = async () => {
        const connection = await t.service.portForward(sandboxId, 4);
        t.atEnd('connection', async () => void connection.destroy());
        const output = await t.readAll(connection);
        assert.fail(`it gave ${JSON.stringify(output)} instead of failing`);
      };
      await t.soon(
        connect().then(
          () => assert.fail('it has to fail'),
          (error: unknown) => assert.ok(!(error instanceof assert.AssertionError), String(error)),
        ),
        'the failure',
      );
    },
  },
  'port-forward-stopped': {
    title: 'a stopped sandbox and one that never was have no ports',
    run: async (t) => {
      const sandboxId = await t.sandbox({ network: 'pod' });
      await t.service.stopPodSandbox(sandboxId);
      await t.rejects(t.service.portForward(sandboxId, 80), 'failed-precondition');
      await t.rejects(t.service.portForward('0123456789abcdef', 80), 'not-found');
    },
  },
  'shared-loopback': {
    title: 'containers of one pod share its loopback address, containers of another do not',
    run: async (t) => {
      const sandboxId = await t.sandbox({ network: 'pod' });
      await t.says(await t.start(sandboxId, echoServer(8080)), 'ready');
      const beside = await t.start(sandboxId, sleepForever());
      const elsewhere = await t.start(await t.sandbox({ network: 'pod' }), sleepForever());
      const ask = script('echo hello | nc 127.0.0.1 8080');
      assert.equal((await t.service.execSync(beside, ask)).stdout.toString(), 'hello\n');
      assert.notEqual((await t.service.execSync(elsewhere, ask)).exitCode, 0);
    },
  },
  'pod-to-pod': {
    title: "a pod reaches another by the other's address",
    run: async (t) => {
      const server = await t.sandbox({ network: 'pod' });
      await t.says(await t.start(server, echoServer(8080)), 'ready');
      const [ip] = (await t.service.podSandboxStatus(server)).ips;
      const client = await t.start(await t.sandbox({ network: 'pod' }), sleepForever());
      const { stdout } = await t.service.execSync(client, script(`echo hello | nc ${ip} 8080`));
      assert.equal(stdout.toString(), 'hello\n');
    },
  },
  'host-port': {
    title: "a host port leads to the container's port, until the sandbox is stopped",
    needs: ['hostPort'],
    run: async (t) => {
      const portMappings = [{ protocol: 'TCP', containerPort: 8080, hostPort: 18_432 }] as const;
      const sandboxId = await t.sandbox({ network: 'pod', portMappings });
      await t.says(await t.start(sandboxId, echoServer(8080)), 'ready');
      assert.equal(await t.talk(await t.host.connect(18_432), 'hello\n'), 'hello\n');
      await t.service.stopPodSandbox(sandboxId);
      const refused = async () => t.readAll(await t.host.connect(18_432));
      await assert.rejects(refused());
    },
  },
  hostname: {
    title: 'the containers of a pod have its host name, and know it in /etc/hosts and /etc/hostname',
    run: async (t) => {
      const sandboxId = await t.sandbox({ network: 'pod', hostname: 'web-1' });
      const [ip = ''] = (await t.service.podSandboxStatus(sandboxId)).ips;
      const id = await t.start(sandboxId, sleepForever());
      const { stdout } = await t.service.execSync(id, script('hostname; cat /etc/hostname; cat /etc/hosts'));
      const [name, file, ...hosts] = stdout.toString().split('\n');
      assert.deepEqual([name, file], ['web-1', 'web-1']);
      assert.ok(hosts.some((line) => /^127\.0\.0\.1\s+localhost/.test(line)));
      assert.ok(
        hosts.some((line) => line.startsWith(ip) && line.includes('web-1')),
        hosts.join('\n'),
      );
    },
  },
  dns: {
    title: "a pod's DNS configuration is its resolv.conf",
    run: async (t) => {
      const dns = {
        servers: ['192.0.2.1', '192.0.2.2'],
        searches: ['a.example', 'b.example'],
        options: ['ndots:3'],
      };
      const id = await t.start(await t.sandbox({ network: 'pod', dns }), sleepForever());
      const { stdout } = await t.service.execSync(id, ['cat', '/etc/resolv.conf']);
      const lines = stdout.toString().split('\n');
      for (const line of [
        'nameserver 192.0.2.1',
        'nameserver 192.0.2.2',
        'search a.example b.example',
        'options ndots:3',
      ]) {
        assert.ok(lines.includes(line), `resolv.conf has "${line}": ${lines.join(' / ')}`);
      }
    },
  },
  'node-network': {
    title: "pods on the node's network have the node's addresses and name",
    run: async (t) => {
      const [one, two] = [await t.sandbox(), await t.sandbox()];
      const [a, b] = await Promise.all([one, two].map((id) => t.service.podSandboxStatus(id)));
      assert.deepEqual([a?.network, b?.network], ['node', 'node']);
      assert.deepEqual(a?.ips, b?.ips);
      const names = await Promise.all(
        [one, two].map(async (id) => {
          const container = await t.start(id, sleepForever());
          return (await t.service.execSync(container, ['hostname'])).stdout.toString();
        }),
      );
      assert.equal(names[0], names[1]);
    },
  },
});
