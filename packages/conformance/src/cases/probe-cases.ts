import assert from 'node:assert/strict';
import { type PodEvent, type PodStatus, toApiPodStatus } from '@podwright/core';
import type { CaseContext, ContainerSketch } from '../case-context.js';
import { section } from '../conformance-case.js';
import { ignoreTerm, script, sleepForever } from '../workloads.js';

/** Asked each second, and one answer decides. */
const QUICK = { periodSeconds: 1, failureThreshold: 1, timeoutSeconds: 5 };

/** Counts its runs, and says in its own files when it has counted this one: a probe may come before that. */
const COUNTED = script('echo x >> /s/runs; touch /begun; sleep 100000');
const BEGUN = 'until [ -e /begun ]; do sleep 0.05; done';
/** What is sick is well again in its second run. */
const WELL_AGAIN = { command: script(`${BEGUN}; [ ! -e /s/sick ] || [ "$(wc -l < /s/runs)" -gt 1 ]`) };

/** Runs a pod of one container that shares a directory of the host at /s. @returns its uid, and that directory */
async function runProbed(t: CaseContext, sketch: ContainerSketch, spec: object = {}) {
  const directory = await t.host.makeDirectory();
  const container = { volumeMounts: [{ name: 's', mountPath: '/s' }], command: sleepForever(), ...sketch };
  const volumes = [{ name: 's', hostPath: { path: directory } }];
  const pod = t.pod([container], { hostNetwork: true, volumes, ...spec });
  const { uid } = await t.runPod(pod);
  return { uid, tell: (file: string) => t.host.writeFile(`${directory}/${file}`, '') };
}

const isReady = ({ containers }: PodStatus) => containers[0]?.ready === true;
const hasRestarted = ({ containers }: PodStatus) =>
  containers[0]?.restartCount === 1 && containers[0].state === 'running';
const conditionOf = (status: PodStatus, type: string) =>
  toApiPodStatus(status.manifest, status).conditions.find((condition) => condition.type === type)?.status;

/** Waits until a pod is as wanted, looking whenever the agent tells something of it, and each half second. */
async function podIs(t: CaseContext, uid: string, wanted: (status: PodStatus) => boolean, what: string) {
  return t.changing(async () => {
    const status = await t.runtime.getPodStatus({ uid });
    return wanted(status) ? status : undefined;
  }, `pod ${uid} ${what}`);
}

function unhealthy(t: CaseContext, words: RegExp): Promise<PodEvent> {
  return t.next(
    t.runtime.events,
    ({ reason, type, message }) => reason === 'Unhealthy' && type === 'Warning' && words.test(message),
    `an event Unhealthy with ${words}`,
  );
}

export const probeCases = section('probe', {
  'readiness-exec': {
    title: 'a container is ready while its readiness probe succeeds, and is never restarted for it',
    run: async (t) => {
      const failed = unhealthy(t, /Readiness probe failed: exit code 1/);
      const exec = { command: script('[ -e /s/well ] && [ ! -e /s/sick ]') };
      const { uid, tell } = await runProbed(t, { readinessProbe: { exec, ...QUICK } });
      const before = await t.runtime.getPodStatus({ uid });
      assert.deepEqual([isReady(before), conditionOf(before, 'Ready')], [false, 'False']);
      const event = await failed;
      assert.equal(event.object.fieldPath, 'spec.containers{c0}');
      await tell('well');
      const ready = await podIs(t, uid, isReady, 'is ready');
      assert.deepEqual(
        [conditionOf(ready, 'Ready'), conditionOf(ready, 'ContainersReady')],
        ['True', 'True'],
      );
      await tell('sick');
      const after = await podIs(t, uid, (status) => !isReady(status), 'is not ready any more');
      assert.equal(after.containers[0]?.restartCount, 0);
      assert.equal(after.containers[0]?.state, 'running');
    },
  },
  'readiness-http': {
    title: 'an HTTP probe asks the pod, by the name of a port; what is not 2xx or 3xx is a failure',
    run: async (t) => {
      const failed = unhealthy(t, /404/);
      const { uid, tell } = await runProbed(
        t,
        {
          command: ['httpd', '-f', '-p', '8080', '-h', '/s'],
          ports: [{ name: 'web', containerPort: 8080 }],
          readinessProbe: { httpGet: { port: 'web', path: '/healthz' }, ...QUICK },
        },
        { hostNetwork: false },
      );
      await failed;
      assert.equal(isReady(await t.runtime.getPodStatus({ uid })), false);
      await tell('healthz');
      await podIs(t, uid, isReady, 'is ready');
    },
  },
  'readiness-tcp': {
    title: 'a TCP probe succeeds when somebody listens at the pod',
    run: async (t) => {
      const failed = unhealthy(t, /Readiness probe failed/);
      const { uid, tell } = await runProbed(
        t,
        {
          command: script('until [ -e /s/go ]; do sleep 0.1; done; nc -ll -p 7000 -e cat'),
          readinessProbe: { tcpSocket: { port: 7000 }, ...QUICK },
        },
        { hostNetwork: false },
      );
      await failed;
      await tell('go');
      await podIs(t, uid, isReady, 'is ready');
    },
  },
  thresholds: {
    title: 'answers count when they came often enough in a row',
    run: async (t) => {
      const exec = { command: ['true'] };
      const { uid } = await runProbed(t, { readinessProbe: { exec, ...QUICK, successThreshold: 2 } });
      const { containers } = await podIs(t, uid, isReady, 'is ready');
      const startedAtMs = containers[0]?.attempts[0]?.startedAtMs ?? 0;
      assert.ok(Date.now() - startedAtMs >= 900, 'the second success comes a period after the first');
    },
  },
  'initial-delay': {
    title: 'a probe is asked first when its initial delay is over',
    run: async (t) => {
      const exec = { command: ['true'] };
      const { uid } = await runProbed(t, { readinessProbe: { exec, ...QUICK, initialDelaySeconds: 1 } });
      const { containers } = await podIs(t, uid, isReady, 'is ready');
      assert.ok(Date.now() - (containers[0]?.attempts[0]?.startedAtMs ?? 0) >= 900);
    },
  },
  timeout: {
    title: 'a probe that takes longer than its timeout has failed, and its command is ended',
    run: async (t) => {
      const failed = unhealthy(t, /time/);
      const exec = { command: script('echo $$ > /s/pid; sleep 1000') };
      const { uid } = await runProbed(t, { readinessProbe: { exec, ...QUICK, timeoutSeconds: 1 } });
      await failed;
      assert.equal(isReady(await t.runtime.getPodStatus({ uid })), false);
    },
  },
  'liveness-restarts': {
    title: 'a container whose liveness probe fails is ended, and started again by the pod’s policy',
    run: async (t) => {
      const killing = t.next(t.runtime.events, ({ reason }) => reason === 'Killing', 'an event Killing');
      const { uid, tell } = await runProbed(
        t,
        { command: COUNTED, livenessProbe: { exec: WELL_AGAIN, ...QUICK } },
        { restartPolicy: 'Always' },
      );
      assert.equal(isReady(await t.runtime.getPodStatus({ uid })), true);
      const failed = unhealthy(t, /Liveness probe failed/);
      await tell('sick');
      await failed;
      assert.match((await killing).message, /liveness probe/);
      const { containers } = await podIs(t, uid, hasRestarted, 'runs again');
      assert.equal(containers[0]?.attempts[0]?.exitCode, 137);
    },
  },
  'liveness-on-failure': {
    title:
      'with OnFailure a container whose liveness probe fails is started again, also when it ends with exit code 0',
    run: async (t) => {
      const counted = `trap 'exit 0' TERM; echo x >> /s/runs; touch /begun; sleep 100000 & wait $!`;
      const { uid, tell } = await runProbed(
        t,
        { command: script(counted), livenessProbe: { exec: WELL_AGAIN, ...QUICK } },
        { restartPolicy: 'OnFailure', terminationGracePeriodSeconds: 60 },
      );
      await tell('sick');
      const { containers } = await podIs(t, uid, hasRestarted, 'runs again');
      assert.equal(containers[0]?.attempts[0]?.exitCode, 0);
    },
  },
  'liveness-never': {
    title: 'with restartPolicy Never a failed liveness probe ends the pod',
    run: async (t) => {
      const exec = { command: ['false'] };
      const { uid } = await runProbed(t, { livenessProbe: { exec, ...QUICK, failureThreshold: 2 } });
      assert.equal((await t.podEnded(uid)).phase, 'Failed');
    },
  },
  'liveness-grace': {
    title: 'the grace of a probe takes the place of the pod’s when it ends a container',
    run: async (t) => {
      const exec = { command: ['false'] };
      const livenessProbe = { exec, ...QUICK, terminationGracePeriodSeconds: 1 };
      const { uid } = await runProbed(
        t,
        { command: ignoreTerm(), livenessProbe },
        { terminationGracePeriodSeconds: 1000 },
      );
      const { containers } = await t.podEnded(uid);
      assert.equal(containers[0]?.attempts[0]?.exitCode, 137);
    },
  },
  'startup-gates': {
    title:
      'until the startup probe succeeds the others are not asked, and the container is neither started nor ready',
    run: async (t) => {
      const failed = unhealthy(t, /Startup probe failed/);
      const startupProbe = { exec: { command: script('[ -e /s/up ]') }, ...QUICK, failureThreshold: 100 };
      const livenessProbe = { exec: { command: script('[ -e /s/up ]') }, ...QUICK };
      const readinessProbe = { exec: { command: ['true'] }, ...QUICK };
      const { uid, tell } = await runProbed(t, { startupProbe, livenessProbe, readinessProbe });
      await failed;
      const early = await t.runtime.getPodStatus({ uid });
      assert.deepEqual([early.containers[0]?.started, early.containers[0]?.ready], [false, false]);
      await tell('up');
      const { containers } = await podIs(t, uid, isReady, 'is ready');
      assert.deepEqual([containers[0]?.started, containers[0]?.restartCount], [true, 0]);
    },
  },
  'startup-fails': {
    title: 'a container that does not start in time by its startup probe is ended, and started again',
    run: async (t) => {
      const exec = { command: script(`${BEGUN}; [ "$(wc -l < /s/runs)" -gt 1 ]`) };
      const startupProbe = { exec, ...QUICK };
      const { uid } = await runProbed(t, { command: COUNTED, startupProbe }, { restartPolicy: 'OnFailure' });
      await podIs(t, uid, (status) => hasRestarted(status) && isReady(status), 'has started the second time');
    },
  },
  'sidecar-startup': {
    title: 'what comes after a sidecar begins when its startup probe has succeeded',
    run: async (t) => {
      const directory = await t.host.makeDirectory();
      const volumeMounts = [{ name: 's', mountPath: '/s' }];
      const exec = { command: script('sleep 0.2; echo sidecar >> /s/order') };
      const sidecar = { name: 'side', command: sleepForever(), restartPolicy: 'Always', volumeMounts };
      const pod = t.pod([{ command: script('echo app >> /s/order'), volumeMounts }], {
        hostNetwork: true,
        initContainers: [{ ...sidecar, startupProbe: { exec, ...QUICK } }],
        volumes: [{ name: 's', hostPath: { path: directory } }],
      });
      const { uid } = await t.runPod(pod);
      await podIs(t, uid, ({ phase }) => phase === 'Succeeded', 'has ended');
      assert.equal(await t.host.readFile(`${directory}/order`), 'sidecar\napp\n');
    },
  },
  'agent-restart': {
    title: 'after a restart of the agent a container that was ready still is, and its probes go on',
    run: async (t) => {
      const readinessProbe = { exec: { command: script('[ ! -e /s/unready ]') }, ...QUICK };
      const { uid, tell } = await runProbed(
        t,
        { command: COUNTED, readinessProbe, livenessProbe: { exec: WELL_AGAIN, ...QUICK } },
        { restartPolicy: 'Always' },
      );
      await podIs(t, uid, isReady, 'is ready');
      await t.restartAgent();
      const taken = await t.runtime.getPodStatus({ uid });
      assert.deepEqual([isReady(taken), taken.containers[0]?.restartCount], [true, 0]);
      await tell('unready');
      await podIs(t, uid, (status) => !isReady(status), 'is not ready');
      await tell('sick');
      await podIs(t, uid, hasRestarted, 'runs again');
    },
  },
  'sync-changes': {
    title: 'syncPod with another probe asks that one from then on, and leaves the container alone',
    run: async (t) => {
      const pod = t.pod(
        [{ command: sleepForever(), readinessProbe: { exec: { command: ['false'] }, ...QUICK } }],
        {
          hostNetwork: true,
        },
      );
      const { uid } = await t.runPod(pod);
      const [container] = pod.spec.containers;
      assert.ok(container?.readinessProbe);
      const readinessProbe = { ...container.readinessProbe, exec: { command: ['true'] } };
      await t.runtime.syncPod({
        ...pod,
        spec: { ...pod.spec, containers: [{ ...container, readinessProbe }] },
      });
      const { containers } = await podIs(t, uid, isReady, 'is ready');
      assert.equal(containers[0]?.restartCount, 0);
    },
  },
});
