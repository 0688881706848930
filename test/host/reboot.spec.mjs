// Pods before and after a reboot of their host. Boots throw-away hosts: runs on the machine itself.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLI, IMAGE, RebootBed, unitOf } from './reboot-bed.mjs';

const KEEP = '11111111-2222-3333-4444-555555555555';
const MANIFESTS = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: default}
data: {colour: blue}
---
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: default}
stringData: {password: s3cret}
---
apiVersion: v1
kind: Pod
metadata: {name: keep, uid: ${KEEP}, labels: {app: keep}, annotations: {note: 'a % $x "q"'}}
spec:
  terminationGracePeriodSeconds: 1
  hostname: kept
  volumes:
  - {name: disk, emptyDir: {}}
  - {name: memory, emptyDir: {medium: Memory}}
  - {name: config, configMap: {name: settings}}
  - {name: secret, secret: {secretName: key}}
  initContainers:
  - name: first
    image: ${IMAGE}
    command: [sh, -c, 'echo first >>/disk/order; echo made >/memory/file']
    volumeMounts: [{name: disk, mountPath: /disk}, {name: memory, mountPath: /memory}]
  - name: second
    image: ${IMAGE}
    command: [sh, -c, 'echo second >>/disk/order']
    volumeMounts: [{name: disk, mountPath: /disk}]
  containers:
  - name: app
    image: ${IMAGE}
    command: [sh, -c]
    args:
    - |
      echo app >>/disk/order
      mkdir /www && cat /memory/file /config/colour /secret/password /etc/hostname >/www/index.html
      trap "exit 3" TERM
      httpd -f -p 80 -h /www &
      wait
    ports: [{containerPort: 80, hostPort: 8080}]
    resources: {limits: {memory: 64Mi}}
    volumeMounts:
    - {name: disk, mountPath: /disk}
    - {name: memory, mountPath: /memory}
    - {name: config, mountPath: /config}
    - {name: secret, mountPath: /secret}
---
apiVersion: v1
kind: Pod
metadata: {name: done}
spec:
  restartPolicy: OnFailure
  containers: [{name: app, image: "${IMAGE}", command: ["true"]}]
`;
const PLAIN = `
apiVersion: v1
kind: Pod
metadata: {name: plain}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: app, image: "${IMAGE}", command: [sleep, "100000"], ports: [{containerPort: 80, hostPort: 8081}]}
`;

describe('a reboot', { timeout: 120_000 }, () => {
  const bed = new RebootBed('reboot');
  const sh = (script, ok) => bed.sh(script, ok);
  const podwright = (words) => bed.podwright(words);
  const statusOf = (pod) => bed.statusOf(pod);
  /** What is served; a server that has just been started may not listen yet. */
  const pageOn = (port) => {
    const ask = `fetch("http://127.0.0.1:${port}/").then(async (page) => console.log((await page.text()).trimEnd()))`;
    return sh(`until node -e '${ask}' 2>/dev/null; do sleep 0.2; done`);
  };

  beforeAll(async () => {
    await bed.start();
    await bed.write('/root/pods.yaml', MANIFESTS);
    await bed.write('/root/plain.yaml', PLAIN);
    await podwright('run --persist /root/pods.yaml');
    await podwright('run /root/plain.yaml');
  }, 120_000);
  afterAll(() => bed.host.down());

  it('brings back what was persisted, in order and with its identity, before any agent runs', async () => {
    const before = await statusOf('keep');
    // An agent is killed while it makes a pod that was to be persisted: none of it comes back.
    await bed.write(
      '/root/half.yaml',
      MANIFESTS.replaceAll('keep', 'half')
        .replace(KEEP, KEEP.replace('1', '9'))
        .replace('echo second', 'sleep 1000; echo')
        .replace('8080', '8082'),
    );
    await sh(`node ${CLI} run --persist /root/half.yaml & pid=$!
      until grep -qs . /var/lib/podwright/volumes/${KEEP.replace('1', '9')}/disk/order; do sleep 0.1; done; kill -KILL $pid`);
    await bed.host.reboot();
    expect(
      await sh(`systemctl is-active ${unitOf(before)}; pgrep -fa podwright.js | grep -v pgrep`, [0, 1]),
    ).toBe('active\n');
    expect(await pageOn(8080)).toBe('made\nblues3cretkept\n');
    expect(await sh(`cat /var/lib/podwright/volumes/${KEEP}/disk/order`)).toBe(
      'first\nsecond\napp\n'.repeat(2),
    );
    expect(await sh('systemctl --failed --no-legend')).toBe('');

    const after = await statusOf('keep');
    const { uid, name, namespace, labels, annotations, ips, sandboxIds, createdAtMs } = before;
    expect(after).toMatchObject({ uid, name, namespace, labels, annotations, ips, sandboxIds, createdAtMs });
    expect(after).toMatchObject({ persist: true, phase: 'Running', sandboxReady: true });
    const app = after.containers.at(-1);
    expect(app).toMatchObject({ id: before.containers.at(-1).id, state: 'running', restartCount: 1 });
    expect(app.attempts[0]).toMatchObject({ exitCode: 3, reason: 'NodeShutdown' });
    expect(after.containers.slice(0, 2).map(({ restartCount, ready }) => ({ restartCount, ready }))).toEqual([
      { restartCount: 1, ready: true },
      { restartCount: 1, ready: true },
    ]);
  });

  it('does not run again what had done its work, nor what was never whole', async () => {
    expect(await statusOf('done')).toMatchObject({ phase: 'Succeeded', containers: [{ restartCount: 0 }] });
    expect(await sh(`cat /var/lib/podwright/volumes/${KEEP.replace('1', '9')}/disk/order`)).toBe('first\n');
    // The next agent removes what is left of it.
    await podwright('gc');
    expect(await podwright('ps -a')).not.toContain('half');
    expect(await sh('ls /etc/systemd/system | grep -c ^podwright-pod.*service$', [0, 1])).toBe('2\n');
  });

  it('ends other pods: they are reported, and collected', async () => {
    const status = await statusOf('plain');
    expect(status).toMatchObject({ phase: 'Failed', sandboxReady: false, containers: [{ state: 'exited' }] });
    expect(status.containers[0].attempts[0].exitCode).not.toBe(0);
    await podwright('rm plain');
    expect(await podwright('ps -a')).not.toContain('plain');
    expect(
      await sh(`find /var/lib/podwright /run/podwright /var/lib/cni -name '*${status.sandboxIds[0]}*'`),
    ).toBe('');
    expect(await sh('iptables-save | grep -c 8081', [0, 1])).toBe('0\n');
  });

  it('without a shutdown is one too: what ran is recorded as lost', async () => {
    await bed.host.reboot({ hard: true });
    expect(await pageOn(8080)).toBe('made\nblues3cretkept\n');
    const [app] = (await statusOf('keep')).containers.slice(-1);
    expect(app).toMatchObject({ state: 'running', restartCount: 2 });
    expect(app.attempts[1]).toMatchObject({ attempt: 1, exitCode: 255, reason: 'Unknown' });
    expect(app.attempts[1].finishedAtMs).toBeGreaterThan(app.attempts[1].startedAtMs);
  });

  it('does not bring back what was killed or removed', async () => {
    await podwright('kill keep');
    expect(
      await sh('ls /etc/systemd/system | grep ^podwright-; ls /etc/systemd/system/*.wants', [0]),
    ).not.toContain(KEEP.slice(0, 8));
    await podwright('rm keep done');
    expect(await sh('find /etc/systemd/system -name "podwright-*"')).toBe('');
    await bed.host.reboot();
    expect(
      await sh(
        'systemctl list-units --all --no-legend "podwright-pod*" "podwright-?????????????????????????*"',
      ),
    ).toBe('');
    expect(await podwright('ps -a -o json')).toBe('[]\n');
  });
});
