// Pods whose way back after a reboot is long: what is in the way of their restore, and agents that do not wait for its
// end. Boots a throw-away host.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AGENT, IMAGE, RebootBed, unitOf } from './reboot-bed.mjs';

const UID = '33333333-2222-3333-4444-555555555555';
const ORDER = `/var/lib/podwright/volumes/${UID}/disk/order`;
const WEB = `
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: app, image: "${IMAGE}", command: [sleep, "100040"], ports: [{containerPort: 80, hostPort: 8090}]}
`;
/** Its init container waits for a file of the host's. */
const SLOW = `
apiVersion: v1
kind: Pod
metadata: {name: slow, uid: ${UID}}
spec:
  terminationGracePeriodSeconds: 1
  volumes:
  - {name: go, hostPath: {path: /root/go}}
  - {name: disk, emptyDir: {}}
  - {name: memory, emptyDir: {medium: Memory}}
  initContainers:
  - name: prepare
    image: ${IMAGE}
    command: [sh, -c, 'echo prepare >>/disk/order; until [ -e /go/ahead ]; do sleep 0.2; done; echo made >/memory/file']
    volumeMounts: [{name: go, mountPath: /go}, {name: disk, mountPath: /disk}, {name: memory, mountPath: /memory}]
  containers:
  - name: app
    image: ${IMAGE}
    command: [sh, -c, 'echo app $(cat /memory/file) >>/disk/order; exec sleep 100041']
    volumeMounts: [{name: disk, mountPath: /disk}, {name: memory, mountPath: /memory}]
`;
/** Listens from before any service on. */
const TAKEN_SOCKET = `[Socket]
ListenStream=0.0.0.0:8090
[Install]
WantedBy=sockets.target
`;
const TAKEN_SERVICE = '[Service]\nExecStart=/bin/sleep infinity\n';

describe('a restore after a reboot', { timeout: 400_000 }, () => {
  const bed = new RebootBed('restores');
  const restore = "'podwright-pod-*-sandbox.service'";
  /** When so many lines of the pod's own say that its container has begun. */
  const untilBegun = (name, times) =>
    bed.sh(`until [ "$(grep -c '^${name}' ${ORDER})" = ${times} ]; do sleep 0.2; done`);
  /** Once systemd has no job left, all that was to start is there. */
  const apps = async () => Number(await bed.sh("pgrep -c -f '^sleep 100041'", [0, 1]));

  beforeAll(async () => {
    await bed.start();
    await bed.write('/etc/systemd/system/taken.socket', TAKEN_SOCKET);
    await bed.write('/etc/systemd/system/taken.service', TAKEN_SERVICE);
    await bed.write('/etc/systemd/system/podwright-agent.service', AGENT);
    await bed.write('/root/web.yaml', WEB);
    await bed.write('/root/slow.yaml', SLOW);
    await bed.sh('systemctl daemon-reload; mkdir -p /root/go /etc/podwright/manifests; touch /root/go/ahead');
  }, 120_000);
  afterAll(() => bed.host.down());

  it('that failed is tried again, without any agent', async () => {
    await bed.podwright('run --persist /root/web.yaml');
    const before = await bed.statusOf('web');
    await bed.sh('systemctl enable taken.socket');
    await bed.host.reboot();
    await bed.sh(`until [ "$(systemctl show -P NRestarts ${restore})" -gt 0 ]; do sleep 0.2; done`);
    await bed.sh('systemctl disable --now taken.socket taken.service');
    await bed.sh(`until systemctl is-active -q ${restore}; do sleep 0.2; done`);
    await bed.sh(`until systemctl is-active -q ${unitOf(before)}; do sleep 0.2; done`);
    expect(await bed.statusOf('web')).toMatchObject({
      ...{ phase: 'Running', sandboxIds: before.sandboxIds },
      containers: [{ id: before.containers[0].id, restartCount: 1 }],
    });
    expect(await bed.sh('systemctl --failed --no-legend')).toBe('');
    await bed.podwright('rm -f web');
  });

  it('that takes long is taken over by an agent, which runs the init containers before the others', async () => {
    await bed.podwright('run --persist /root/slow.yaml');
    await untilBegun('app', 1);
    const before = await bed.statusOf('slow');
    await bed.sh('systemctl enable podwright-agent.service; rm /root/go/ahead');
    // The default target waits for the restore, until the agent has stopped that.
    await bed.host.reboot({ bootTimeoutMs: 240_000 });
    await untilBegun('prepare', 3);
    expect(await bed.sh(`cat ${ORDER}`)).toBe('prepare\napp made\nprepare\nprepare\n');
    await bed.sh('touch /root/go/ahead');
    await untilBegun('app', 2);
    expect(await bed.sh(`tail -n 1 ${ORDER}`)).toBe('app made\n');
    const { sandboxIds, containers } = await bed.statusOf('slow');
    expect(sandboxIds).toEqual(before.sandboxIds);
    expect(containers.at(-1)).toMatchObject({ id: before.containers.at(-1).id, restartCount: 1 });
  });

  it('starts one container of each name, also after one was taken over', async () => {
    await bed.host.reboot();
    await untilBegun('app', 3);
    expect(await apps()).toBe(1);
  });

  it('starts the successor alone of a container that an operator had stopped', async () => {
    const before = await bed.statusOf('slow');
    await bed.sh(`systemctl stop ${unitOf(before)}`);
    await untilBegun('app', 4);
    await bed.host.reboot();
    await untilBegun('app', 5);
    expect(await apps()).toBe(1);
    const after = await bed.statusOf('slow');
    expect(after.containers.at(-1).id).not.toBe(before.containers.at(-1).id);
  });
});
