// Pods of other kinds before and after a reboot of their host: users of their own, one PID namespace for all containers,
// several networks, limits that were changed; pods of `podwright sync` and of an agent. Boots a throw-away host.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AGENT, CLI, IMAGE, RebootBed, unitOf } from './reboot-bed.mjs';

const network = (name, subnet) =>
  JSON.stringify({
    ...{ cniVersion: '1.0.0', name },
    plugins: [{ type: 'ptp', ipMasq: false, ipam: { type: 'host-local', ranges: [[{ subnet }]] } }],
  });

/** All of it in one pod: users of its own, one PID namespace, two networks. */
const MANY = (name) => `
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  annotations: {k8s.v1.cni.cncf.io/networks: storage}
spec:
  hostUsers: false
  shareProcessNamespace: true
  terminationGracePeriodSeconds: 1
  volumes: [{name: disk, emptyDir: {}}]
  containers:
  - name: one
    image: ${IMAGE}
    command: [sleep, "100031"]
  - name: two
    image: ${IMAGE}
    command: [sh, -c, 'echo run >>/disk/runs; exec sleep 100032']
    volumeMounts: [{name: disk, mountPath: /disk}]
    resources: {limits: {memory: 64Mi, cpu: 500m}}
`;
/** Seen from one container: the pod's users, processes of the other one too, and addresses of all networks. */
const LOOK = [
  ...['cat /proc/self/uid_map', 'id -u', 'ps -o args | grep "^sleep 1000" | sort'],
  'ip -o -4 addr show scope global | tr -s " " | cut -d" " -f2,4',
  'cat /disk/runs',
].join('; echo --; ');
/** All of its containers have a limit, so it has one as a whole. */
const LIMITED = `
apiVersion: v1
kind: Pod
metadata: {name: limited}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: app
    image: ${IMAGE}
    command: [sleep, "100034"]
    resources: {limits: {memory: 64Mi}}
`;
const STATIC = `
apiVersion: v1
kind: Pod
metadata: {name: static}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: app, image: "${IMAGE}", command: [sleep, "100033"]}]
`;

describe('a reboot of a host with pods of all kinds', { timeout: 300_000 }, () => {
  const bed = new RebootBed('kinds');
  /** What must be the same before and after, with how often the second container has run. */
  const seen = async (pod) => {
    const words = await bed.podwright(`exec -c two ${pod} -- sh -c '${LOOK}'`);
    const [users, root, processes, addresses, runs] = words.split('--\n').map((text) => text.trim());
    return { same: { users, root, processes, addresses }, runs };
  };
  const propertyOf = (status, property) => bed.sh(`systemctl show -P ${property} ${unitOf(status)}`);

  beforeAll(async () => {
    await bed.start();
    await bed.write('/etc/cni/net.d/10-main.conflist', network('main', '10.95.0.0/24'));
    await bed.write('/etc/cni/net.d/20-storage.conflist', network('storage', '10.96.0.0/24'));
    await bed.write('/root/many.yaml', MANY('many'));
    await bed.write('/root/synced.yaml', MANY('synced'));
    await bed.write('/root/limited.yaml', LIMITED);
    await bed.podwright('run --persist /root/many.yaml');
    await bed.podwright('run --persist /root/limited.yaml');
    await bed.podwright('update limited -c app --memory 128Mi');
    await bed.podwright('sync --persist /root/synced.yaml');
    await bed.podwright('update many -c two --memory 96Mi --cpu 750m');
    await bed.write('/etc/podwright/manifests/static.yaml', STATIC);
  }, 300_000);
  afterAll(() => bed.host.down());

  let before;

  it('gives pods of --persist their users, processes, networks and changed limits again', async () => {
    before = { many: await bed.statusOf('many'), synced: await bed.statusOf('synced') };
    const was = { many: await seen('many'), synced: await seen('synced') };
    expect(was.many).toEqual({
      same: {
        users: expect.stringMatching(/^0 +\d{5,} +65536$/),
        root: '0',
        processes: 'sleep 100031\nsleep 100032',
        addresses: expect.stringMatching(/^eth0 10\.95\..*\nnet1 10\.96\./),
      },
      runs: 'run',
    });
    expect(await propertyOf(before.many, 'MemoryMax')).toBe(`${96 * 2 ** 20}\n`);
    await bed.host.reboot();
    for (const name of ['many', 'synced']) {
      const after = await bed.statusOf(name);
      expect(after).toMatchObject({ phase: 'Running', sandboxReady: true, persist: true });
      expect(after.containers.map(({ id, restartCount }) => ({ id, restartCount }))).toEqual(
        before[name].containers.map(({ id }) => ({ id, restartCount: 1 })),
      );
      expect(after.sandboxIds).toEqual(before[name].sandboxIds);
      expect(await seen(name)).toEqual({ same: was[name].same, runs: 'run\nrun' });
    }
    expect(await propertyOf(before.many, 'MemoryMax')).toBe(`${96 * 2 ** 20}\n`);
    expect(await propertyOf(before.many, 'CPUQuotaPerSecUSec')).toBe('750ms\n');
    expect(await propertyOf(before.synced, 'MemoryMax')).toBe(`${64 * 2 ** 20}\n`);
    expect(await bed.sh('systemctl --failed --no-legend')).toBe('');
  });

  it('gives a pod as a whole its changed limits again, above those of its container', async () => {
    const status = await bed.statusOf('limited');
    expect(status.containers).toMatchObject([{ state: 'running', restartCount: 1 }]);
    const slice = (await propertyOf(status, 'Slice')).trim();
    expect(await bed.sh(`systemctl show -P MemoryMax ${slice}`)).toBe(`${128 * 2 ** 20}\n`);
    expect(await propertyOf(status, 'MemoryMax')).toBe(`${128 * 2 ** 20}\n`);
  });

  it('leaves nothing for the next sync to change', async () => {
    expect(await bed.podwright('sync /root/synced.yaml')).toBe('default/synced unchanged\n');
    expect((await bed.statusOf('synced')).persist).toBe(true);
  });

  it('has an agent that starts at boot bring its static pods back', async () => {
    await bed.write('/etc/systemd/system/podwright-agent.service', AGENT);
    await bed.sh('systemctl daemon-reload && systemctl enable --now podwright-agent.service');
    const isRunning = `until node ${CLI} inspect --raw -o json static | grep -q '"phase": "Running"'; do sleep 0.5; done`;
    await bed.sh(isRunning);
    const was = await bed.statusOf('static');
    expect(was.persist ?? false).toBe(false);
    await bed.host.reboot();
    await bed.sh(isRunning);
    const after = await bed.statusOf('static');
    expect(after.uid).toBe(was.uid);
    expect(after.sandboxIds).not.toEqual(was.sandboxIds);
    // Pods that came back by themselves are left as they are.
    expect(await bed.statusOf('many')).toMatchObject({
      phase: 'Running',
      containers: before.many.containers.map(({ id }) => ({ id, restartCount: 2 })),
    });
  });

  it('leaves nothing of pods that are removed then', async () => {
    await bed.sh('systemctl disable --now podwright-agent.service');
    await bed.podwright('rm -f many synced limited static');
    expect(await bed.sh('find /etc/systemd/system -name "podwright-*" | grep -v agent', [0, 1])).toBe('');
    expect(await bed.sh('find /var/lib/cni -name "10.9[56].*"')).toBe('');
  });
});
