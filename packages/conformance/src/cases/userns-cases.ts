import assert from 'node:assert/strict';
import type { CaseContext } from '../case-context.js';
import { section } from '../conformance-case.js';
import { echoServer, exitWith, script, sleepForever } from '../workloads.js';

const OWN = { network: 'pod', userNamespace: 'pod' } as const;

/** The host's id of a container's root. */
async function rootOf(t: CaseContext, sandboxId: string): Promise<number> {
  const { idMappings = [] } = await t.service.podSandboxStatus(sandboxId);
  const [mapping] = idMappings;
  assert.equal(mapping?.containerId, 0);
  return mapping?.hostId ?? assert.fail('the sandbox tells where its ids lie');
}

async function hostUid(t: CaseContext, containerId: string): Promise<number> {
  const status = await t.kernel.readProc(await t.kernel.hostPidOf(containerId), 'status');
  return Number(/^Uid:\t(\d+)/m.exec(status ?? '')?.[1]);
}

/** Pods with users of their own. Backends that have none refuse them with kind `unsupported`. */
export const usernsCases = section('users', {
  'root-is-nobody': {
    title: 'root in the pod is another user on the host, as the status of the sandbox says',
    needs: ['userNamespaces', 'kernel'],
    run: async (t) => {
      const sandboxId = await t.sandbox(OWN);
      const id = await t.start(sandboxId, sleepForever());
      assert.equal((await t.service.execSync(id, ['id', '-u'])).stdout.toString(), '0\n');
      const root = await rootOf(t, sandboxId);
      assert.ok(root > 0);
      assert.equal(await hostUid(t, id), root);
    },
  },
  'apart-from-others': {
    title: 'two pods have no id in common',
    needs: ['userNamespaces'],
    run: async (t) => {
      const ids = [await t.sandbox(OWN), await t.sandbox(OWN)];
      const [a, b] = await Promise.all(ids.map((id) => t.service.podSandboxStatus(id)));
      const [one, two] = [a?.idMappings?.[0], b?.idMappings?.[0]];
      assert.ok(one && two);
      assert.ok(one.hostId + one.size <= two.hostId || two.hostId + two.size <= one.hostId);
    },
  },
  'image-files': {
    title: "files of the image belong to the pod's users, and can be changed",
    needs: ['userNamespaces'],
    run: async (t) => {
      const id = await t.start(await t.sandbox(OWN), sleepForever(), {
        image: t.images.nonroot,
        security: { runAsUser: 0 },
      });
      const { stdout } = await t.service.execSync(
        id,
        script(
          'stat -c %u:%g /bin /etc/passwd; echo x >> /etc/passwd && chown 1000:29 /etc/passwd && stat -c %u:%g /etc/passwd',
        ),
      );
      assert.equal(stdout.toString(), '0:0\n0:0\n1000:29\n');
    },
  },
  volumes: {
    title: "what belongs to root on the host belongs to the pod's root in a volume, both ways",
    needs: ['userNamespaces'],
    run: async (t) => {
      const hostPath = await t.host.makeDirectory();
      await t.host.writeFile(`${hostPath}/there`, 'content\n');
      const mounts = [{ hostPath, containerPath: '/data', idMapped: true }];
      const first = await t.start(await t.sandbox(OWN), sleepForever(), { mounts });
      const { stdout } = await t.service.execSync(
        first,
        script('stat -c %u /data/there; echo made > /data/made; stat -c %u /data/made'),
      );
      assert.equal(stdout.toString(), '0\n0\n');
      // Another pod has other ids on the host, and sees the same.
      const second = await t.start(await t.sandbox(OWN), sleepForever(), { mounts });
      const again = await t.service.execSync(second, script('stat -c %u /data/made; cat /data/made'));
      assert.equal(again.stdout.toString(), '0\nmade\n');
    },
  },
  'streams-and-logs': {
    title: 'its streams, log and exit code are as of any other',
    needs: ['userNamespaces'],
    run: async (t) => {
      const id = await t.start(await t.sandbox(OWN), script('echo out >/dev/stdout; echo err >&2; exit 5'));
      const status = await t.ended(id);
      assert.equal(status.attempts.at(-1)?.exitCode, 5);
      assert.deepEqual((await t.lines(id)).map(({ stream, text }) => `${stream} ${text}`).sort(), [
        'stderr err',
        'stdout out',
      ]);
    },
  },
  'restarts-by-backend': {
    title: 'the backend starts it again',
    needs: ['userNamespaces', 'supervisedRestart'],
    run: async (t) => {
      const restart = { by: 'backend', policy: 'OnFailure' } as const;
      const id = await t.start(await t.sandbox(OWN), exitWith(3), { restart });
      await t.containerStatus(id, ({ attempts }) => attempts.length >= 2, 'was started again');
    },
  },
  network: {
    title: 'it has an address, serves a port, and may use its own network namespace',
    needs: ['userNamespaces'],
    run: async (t) => {
      const sandboxId = await t.sandbox(OWN);
      const id = await t.start(sandboxId, echoServer(8080));
      await t.says(id, 'ready');
      assert.equal(await t.talk(await t.service.portForward(sandboxId, 8080), 'hello\n'), 'hello\n');
    },
  },
  'agent-restarted': {
    title: 'a new agent gives no pod the ids of one that runs',
    needs: ['userNamespaces'],
    run: async (t) => {
      const before = await t.sandbox(OWN);
      const root = await rootOf(t, before);
      await t.restartAgent();
      assert.equal(await rootOf(t, before), root);
      assert.notEqual(await rootOf(t, await t.sandbox(OWN)), root);
    },
  },
  manifest: {
    title: 'a pod with hostUsers: false runs with users of its own',
    needs: ['userNamespaces'],
    run: async (t) => {
      const { uid } = await t.runPod(t.pod([{ command: sleepForever() }], { hostUsers: false }));
      const { stdout } = await t.runtime.runInContainer({ uid }, ['cat', '/proc/self/uid_map']);
      assert.notEqual(stdout.toString().trim().split(/\s+/)[1], '0');
    },
  },
  'beyond-its-ids': {
    title: 'a user that the pod does not have is refused',
    needs: ['userNamespaces'],
    run: async (t) => {
      await t.pull(t.images.busybox);
      const config = t.containerConfig({ command: sleepForever(), security: { runAsUser: 70_000 } });
      await t.rejects(t.service.createContainer(await t.sandbox(OWN), config), 'invalid-argument');
    },
  },
  'refused-or-had': {
    title: 'a backend without user namespaces says so, and makes no pod with the users of the host instead',
    run: async (t) => {
      const made = t.service.runPodSandbox(t.sandboxConfig(OWN));
      if (!t.service.features.userNamespaces) {
        await t.rejects(made, 'unsupported');
        return;
      }
      const id = await made;
      t.atEnd('sandbox', () => t.service.removePodSandbox(id));
      assert.ok((await rootOf(t, id)) > 0);
    },
  },
});
