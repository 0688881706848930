import { describe, expect, it } from 'vitest';
import type { ContainerStatus } from '../container-types.js';
import { type Pod, parsePod } from '../manifest/pod.js';
import type { ContainerAttempt, ContainerPhase } from '../model.js';
import type { PodSandboxStatus } from '../sandbox-types.js';
import { DEFAULT_RESTART_BACKOFF } from './crash-loop.js';
import {
  type ContainerHealth,
  computePodActions,
  type PodAction,
  type PodActionsInput,
} from './pod-actions.js';
import {
  CONTAINER_HASH_ANNOTATION,
  containerHash,
  RESOURCES_ANNOTATION,
  SANDBOX_HASH_ANNOTATION,
} from './pod-actions-hash.js';
import { restartOwner, SERIES_ANNOTATION } from './pod-actions-restart.js';
import { containerResources, podResources } from './resources.js';

const NOW = 1_700_000_000_000;
const POLICIES = ['Always', 'OnFailure', 'Never'] as const;
type Spec = Readonly<Record<string, unknown>>;

const image = 'busybox';
const app = (name: string, more: Spec = {}) => ({ name, image, ...more });
const sidecar = (name: string, more: Spec = {}) => app(name, { restartPolicy: 'Always', ...more });

function podOf(spec: Spec = {}): Pod {
  return parsePod({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'site', uid: 'uid-1' },
    spec: { containers: [app('a'), app('b')], ...spec },
  });
}

function sandboxOf(attempt = 0, state: PodSandboxStatus['state'] = 'ready', hash = 'h'): PodSandboxStatus {
  const metadata = { name: 'site', namespace: 'default', uid: 'uid-1', attempt };
  const annotations = { [SANDBOX_HASH_ANNOTATION]: hash };
  return {
    id: `s${attempt}`,
    metadata,
    state,
    createdAtMs: NOW,
    ips: [],
    network: 'pod',
    ipc: 'pod',
    pid: 'container',
    labels: {},
    annotations,
  };
}

interface Had {
  readonly state?: ContainerPhase;
  /** Exit codes of its runs, the last one long ago unless `endedAgoMs` says otherwise. */
  readonly exits?: readonly number[];
  readonly endedAgoMs?: number;
  readonly attempt?: number;
  readonly sandbox?: string;
  readonly series?: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A container as `pod` makes it; by default it runs. */
function had(
  pod: Pod,
  name: string,
  { exits = [], endedAgoMs = 1e9, attempt = 0, ...more }: Had = {},
): ContainerStatus {
  const { state = exits.length > 0 ? 'exited' : 'running', series = 0, annotations = {} } = more;
  const inits = pod.spec.initContainers;
  const kind = inits.some((init) => init.name === name) ? 'init' : 'app';
  const container = [...inits, ...pod.spec.containers].find((each) => each.name === name);
  const ended = exits.map(
    (exitCode, index): ContainerAttempt => ({
      attempt: index,
      startedAtMs: NOW - endedAgoMs - 1000,
      finishedAtMs: NOW - endedAgoMs,
      exitCode,
    }),
  );
  const running = { attempt: ended.length, startedAtMs: NOW - 1000 };
  return {
    id: `${name}${attempt}`,
    sandboxId: more.sandbox ?? 's0',
    podUid: 'uid-1',
    metadata: { name, attempt },
    state,
    createdAtMs: NOW,
    image,
    imageId: 'sha256:1',
    resources: {},
    labels: {},
    annotations: {
      ...(container
        ? {
            [CONTAINER_HASH_ANNOTATION]: containerHash(
              pod,
              container,
              restartOwner(pod, container, kind, false),
            ),
            [RESOURCES_ANNOTATION]: JSON.stringify(containerResources(container)),
          }
        : {}),
      ...(series > 0 ? { [SERIES_ANNOTATION]: String(series) } : {}),
      ...annotations,
    },
    mounts: [],
    attempts: state === 'running' ? [...ended, running] : ended,
  };
}

const healthy: ContainerHealth = { liveness: 'success', startup: 'success' };

function decide(pod: Pod, containers: readonly ContainerStatus[], more: Partial<PodActionsInput> = {}) {
  return computePodActions({
    ...{ pod, containers, wanted: true, keepUpOnly: false, sandboxes: [sandboxOf()], sandboxHash: 'h' },
    ...{ supervisedRestart: false, canResize: true, health: () => healthy, resized: {} },
    ...{ owed: [], unhealthy: [] },
    ...{ backoff: DEFAULT_RESTART_BACKOFF, nowMs: NOW },
    ...more,
  });
}

/** The actions in short: `start a#1` is attempt 1, `wait a 10` are seconds from now. */
function short(actions: readonly PodAction[]): readonly string[] {
  return actions.map((action) => {
    switch (action.action) {
      case 'kill-pod':
        return 'kill-pod';
      case 'create-sandbox':
        return `sandbox#${action.attempt}`;
      case 'kill-container':
        return `kill ${action.id}${action.graceMs === undefined ? '' : ` grace ${action.graceMs}`}${action.unhealthy ? ' unhealthy' : ''}`;
      case 'start-container':
        return `start ${action.container}#${action.attempt}${action.replaces ? ` for ${action.replaces}` : ''}`;
      case 'resize-container':
        return `resize ${action.id} ${JSON.stringify(action.resources)}`;
      case 'resize-pod':
        return `resize pod ${action.id} ${JSON.stringify(action.resources)}`;
      case 'wait':
        return `wait ${action.container} ${(action.untilMs - NOW) / 1000}`;
      default:
        return action satisfies never;
    }
  });
}

describe('computePodActions: limits of the pod as a whole', () => {
  const pod = podOf({ resources: { limits: { memory: '96Mi' } }, containers: [app('a')] });
  const wanted = podResources(pod);
  const resized = [`resize pod s0 ${JSON.stringify(wanted)}`];
  const made = (resources: unknown) => {
    const sandbox = sandboxOf();
    const annotations = { ...sandbox.annotations, [RESOURCES_ANNOTATION]: JSON.stringify(resources) };
    return { sandboxes: [{ ...sandbox, annotations }] };
  };
  const other = made({ ...wanted, memoryLimitBytes: 1 });

  it.each<[string, readonly ContainerStatus[], Partial<PodActionsInput>, readonly string[]]>([
    ['have changed', [had(pod, 'a')], other, resized],
    ['are new', [had(pod, 'a')], made({}), resized],
    ['have changed, and a container has to be started', [], other, [...resized, 'start a#0']],
    ['are the same', [had(pod, 'a')], made(wanted), []],
    ['were changed before', [had(pod, 'a')], { ...other, resized: { s0: wanted } }, []],
    ['were changed back', [had(pod, 'a')], { ...made(wanted), resized: { s0: {} } }, resized],
    ['had one more, which goes', [had(pod, 'a')], made({ ...wanted, cpuLimitMillis: 100 }), resized],
    [
      'are all to go',
      [had(pod, 'a')],
      { ...other, pod: podOf({ containers: [app('a')] }) },
      ['resize pod s0 {}'],
    ],
    [
      'are to go for a container that has none',
      [had(pod, 'a')],
      { ...made({ memoryLimitBytes: 1 }), pod: podOf({ containers: [app('a'), app('b')] }) },
      ['resize pod s0 {}', 'start b#0'],
    ],
    ['are not known of an old sandbox', [had(pod, 'a')], {}, []],
    ['cannot be changed live', [had(pod, 'a')], { ...other, canResize: false }, []],
    ['are of a pod that is over', [had(pod, 'a', { exits: [0] })], { ...other, pod: over(pod) }, []],
  ])('%s', (_what, containers, more, expected) => {
    expect(short(decide(pod, containers, more))).toEqual(expected);
  });

  function over(of: Pod): Pod {
    return { ...of, spec: { ...of.spec, restartPolicy: 'Never' } };
  }
});

describe('computePodActions: the pod as a whole', () => {
  const pod = podOf();
  const both = [had(pod, 'a'), had(pod, 'b')];

  it.each<[string, readonly ContainerStatus[], Partial<PodActionsInput>, readonly string[]]>([
    ['nothing is there', [], { sandboxes: [] }, ['sandbox#0', 'start a#0', 'start b#0']],
    ['all is as wanted', both, {}, []],
    ['only the sandbox is there', [], {}, ['start a#0', 'start b#0']],
    [
      'the sandbox is not ready',
      both,
      { sandboxes: [sandboxOf(0, 'not-ready')] },
      ['kill-pod', 'sandbox#1', 'start a#1', 'start b#1'],
    ],
    [
      'the sandbox has changed',
      both,
      { sandboxHash: 'other' },
      ['kill-pod', 'sandbox#1', 'start a#1', 'start b#1'],
    ],
    [
      'two sandboxes are ready',
      both,
      { sandboxes: [sandboxOf(1), sandboxOf(0)] },
      ['kill-pod', 'sandbox#2', 'start a#1', 'start b#1'],
    ],
    [
      'the sandbox is gone and all has ended',
      [had(pod, 'a', { exits: [1] }), had(pod, 'b', { exits: [0] })],
      { sandboxes: [] },
      ['sandbox#0', 'start a#1', 'start b#1'],
    ],
    ['it was killed', both, { wanted: false }, ['kill-pod']],
    [
      'it was killed and has ended',
      [had(pod, 'a', { exits: [137] })],
      { wanted: false, sandboxes: [sandboxOf(0, 'not-ready')] },
      [],
    ],
    ['an agent only keeps up, and the sandbox is lost', both, { keepUpOnly: true, sandboxes: [] }, []],
    ['an agent only keeps up, and a container was collected', [had(pod, 'a')], { keepUpOnly: true }, []],
    [
      'an agent only keeps up, and a container has ended',
      [had(pod, 'a'), had(pod, 'b', { exits: [1] })],
      { keepUpOnly: true },
      ['start b#1'],
    ],
  ])('%s', (_what, containers, more, actions) => {
    expect(short(decide(pod, containers, more))).toEqual(actions);
  });

  it('with Never begins nothing anew, and ends what is left', () => {
    const job = podOf({ restartPolicy: 'Never' });
    const ended = [had(job, 'a', { exits: [137] }), had(job, 'b', { exits: [0] })];
    expect(short(decide(job, ended, { sandboxes: [sandboxOf(0, 'not-ready')] }))).toEqual([]);
    expect(short(decide(job, ended, { sandboxHash: 'other' }))).toEqual(['kill-pod']);
    // What still runs is ended for the change only, so it goes on.
    const running = [had(job, 'a'), had(job, 'b', { exits: [0] })];
    expect(short(decide(job, running, { sandboxHash: 'other' }))).toEqual([
      'kill-pod',
      'sandbox#1',
      'start a#1',
    ]);
    const between = [had(job, 'a', { exits: [137] }), had(job, 'b', { exits: [0] })];
    const lost = { sandboxes: [sandboxOf(0, 'not-ready')], owed: ['a'] };
    expect(short(decide(job, between, lost))).toEqual(['sandbox#1', 'start a#1']);
  });

  it('with OnFailure a new sandbox gets what has not succeeded', () => {
    const work = podOf({ restartPolicy: 'OnFailure' });
    const containers = [had(work, 'a', { exits: [1] }), had(work, 'b', { exits: [0] })];
    expect(short(decide(work, containers, { sandboxes: [sandboxOf(0, 'not-ready')] }))).toEqual([
      'sandbox#1',
      'start a#1',
    ]);
    const done = [had(work, 'a', { exits: [0] }), had(work, 'b', { exits: [0] })];
    expect(short(decide(work, done, { sandboxes: [sandboxOf(0, 'not-ready')] }))).toEqual([]);
  });
});

describe('computePodActions: app containers', () => {
  it.each<[string, (typeof POLICIES)[number], Had, readonly string[]]>([
    ['failed', 'Always', { exits: [1] }, ['start a#1']],
    ['failed', 'OnFailure', { exits: [1] }, ['start a#1']],
    ['failed', 'Never', { exits: [1] }, []],
    ['succeeded', 'Always', { exits: [0] }, ['start a#1']],
    ['succeeded', 'OnFailure', { exits: [0] }, []],
    ['succeeded', 'Never', { exits: [0] }, []],
    ['of which nobody knows whether it runs', 'Always', { state: 'unknown' }, ['kill a0', 'start a#1']],
    ['of which nobody knows whether it runs', 'OnFailure', { state: 'unknown' }, ['kill a0', 'start a#1']],
    ['of which nobody knows whether it runs', 'Never', { state: 'unknown' }, ['kill a0', 'start a#1']],
    ['made and not started', 'Never', { state: 'created' }, ['start a#0 for a0']],
    ['that the backend starts again', 'Always', { state: 'waiting', exits: [1] }, []],
    [
      'that the backend has started often',
      'Always',
      { exits: [1, 1], attempt: 3, endedAgoMs: 1e9 },
      ['start a#5'],
    ],
    ['just failed for the first time', 'Always', { exits: [1], endedAgoMs: 0 }, ['start a#1']],
    [
      'just failed for the second time',
      'Always',
      { exits: [1], endedAgoMs: 0, attempt: 1, series: 1 },
      ['wait a 10'],
    ],
    [
      'a second before its time',
      'Always',
      { exits: [1], endedAgoMs: 9000, attempt: 1, series: 1 },
      ['wait a 1'],
    ],
    ['at its time', 'Always', { exits: [1], endedAgoMs: 10_000, attempt: 1, series: 1 }, ['start a#2']],
    [
      'failed for the fourth time',
      'Always',
      { exits: [1], endedAgoMs: 0, attempt: 3, series: 3 },
      ['wait a 40'],
    ],
    ['failed for a year', 'Always', { exits: [1], endedAgoMs: 0, attempt: 9e3, series: 9e3 }, ['wait a 300']],
  ])('one that is %s, with %s', (_what, restartPolicy, status, actions) => {
    const pod = podOf({ restartPolicy });
    expect(short(decide(pod, [had(pod, 'a', status), had(pod, 'b')]))).toEqual(actions);
  });

  it('begins the back-off anew after a run of ten minutes', () => {
    const pod = podOf();
    const long = { ...had(pod, 'a', { exits: [1], series: 7 }) };
    const attempts = [{ attempt: 0, startedAtMs: NOW - 600_000, finishedAtMs: NOW, exitCode: 1 }];
    expect(short(decide(pod, [{ ...long, attempts }, had(pod, 'b')]))).toEqual(['start a#1']);
  });

  it('replaces one whose definition has changed, whatever the policy, and leaves the others', () => {
    for (const restartPolicy of POLICIES) {
      const before = podOf({ restartPolicy });
      const after = podOf({ restartPolicy, containers: [app('a', { args: ['x'] }), app('b')] });
      const containers = [had(before, 'a'), had(before, 'b')];
      expect(short(decide(after, containers))).toEqual(['kill a0', 'start a#1']);
    }
  });

  it('does not run again what has ended for good because its definition has changed', () => {
    const before = podOf({ restartPolicy: 'Never' });
    const after = podOf({ restartPolicy: 'Never', containers: [app('a', { args: ['x'] }), app('b')] });
    expect(short(decide(after, [had(before, 'a', { exits: [0] }), had(before, 'b')]))).toEqual([]);
  });

  it('takes a container without a hash, of an older agent, as unchanged', () => {
    const pod = podOf();
    const old = { ...had(pod, 'a'), annotations: {} };
    expect(short(decide(pod, [old, had(pod, 'b')]))).toEqual([]);
  });

  it('ends what the manifest does not have, before it starts what is new', () => {
    const pod = podOf();
    const stranger = had(pod, 'old');
    expect(short(decide(pod, [had(pod, 'a'), stranger]))).toEqual(['kill old0', 'start b#0']);
    const ended = had(pod, 'old', { exits: [0] });
    expect(short(decide(pod, [had(pod, 'a'), had(pod, 'b'), ended]))).toEqual([]);
    const debug = had(pod, 'debug', { annotations: { 'podwright.dev/container-kind': 'ephemeral' } });
    expect(short(decide(pod, [had(pod, 'a'), had(pod, 'b'), debug]))).toEqual([]);
  });

  it.each<[string, Partial<ContainerHealth>, Spec, readonly string[]]>([
    ['liveness', { liveness: 'failure' }, {}, ['kill a0 unhealthy']],
    ['startup', { startup: 'failure' }, {}, ['kill a0 unhealthy']],
    ['liveness not yet known', { liveness: 'unknown' }, {}, []],
    ['startup not yet known', { startup: 'unknown' }, {}, []],
    [
      'liveness with a grace of its own',
      { liveness: 'failure' },
      { livenessProbe: { tcpSocket: { port: 1 }, terminationGracePeriodSeconds: 3 } },
      ['kill a0 grace 3000 unhealthy'],
    ],
  ])('failed probe: %s', (_what, failed, more, actions) => {
    const pod = podOf({ containers: [app('a', more), app('b')] });
    const health = ({ metadata }: ContainerStatus) =>
      metadata.name === 'a' ? { ...healthy, ...failed } : healthy;
    expect(short(decide(pod, [had(pod, 'a'), had(pod, 'b')], { health }))).toEqual(actions);
    // What has ended is not judged by what its probe said.
    const ended = [had(pod, 'a', { exits: [137] }), had(pod, 'b')];
    expect(short(decide(pod, ended, { health }))).toEqual(['start a#1']);
  });

  it.each<[string, (typeof POLICIES)[number], Had, readonly string[]]>([
    ['0 with OnFailure', 'OnFailure', { exits: [0] }, ['start a#1']],
    ['1 with OnFailure', 'OnFailure', { exits: [1] }, ['start a#1']],
    ['0 with Always', 'Always', { exits: [0] }, ['start a#1']],
    ['0 with Never', 'Never', { exits: [0] }, []],
    ['0 again', 'OnFailure', { exits: [0], endedAgoMs: 0, attempt: 1, series: 1 }, ['wait a 10']],
  ])(
    'one whose probe failed has failed whatever it exits with: %s',
    (_what, restartPolicy, status, actions) => {
      const pod = podOf({ restartPolicy });
      const done = had(pod, 'b', { exits: [0], endedAgoMs: 0 });
      const more = { unhealthy: ['a'], sandboxes: [sandboxOf()] };
      const decided = decide(pod, [had(pod, 'a', status), done], more);
      expect(short(decided).filter((action) => !action.includes('b'))).toEqual(actions);
    },
  );

  it('does not count a container as unhealthy that is not to be started again', () => {
    const pod = podOf({ restartPolicy: 'Never' });
    const health = () => ({ ...healthy, liveness: 'failure' as const });
    expect(short(decide(pod, [had(pod, 'a')], { health }))).toEqual(['kill a0', 'start b#0']);
  });

  it('starts what was ended to be started again, whatever the policy', () => {
    const pod = podOf({ restartPolicy: 'Never' });
    const containers = [had(pod, 'a', { exits: [137], endedAgoMs: 0 }), had(pod, 'b')];
    expect(short(decide(pod, containers, { owed: ['a'] }))).toEqual(['start a#1']);
  });
});

describe('computePodActions: resources', () => {
  const limits = (cpu: string, memory: string) => ({ resources: { limits: { cpu, memory } } });
  const restart = (resourceName: string) => ({
    resizePolicy: [{ resourceName, restartPolicy: 'RestartContainer' }],
  });
  const now = {
    cpuLimitMillis: 200,
    cpuRequestMillis: 200,
    memoryLimitBytes: 2 ** 26,
    memoryRequestBytes: 2 ** 26,
  };

  it.each<[string, Spec, Spec, Partial<PodActionsInput>, readonly string[]]>([
    ['live', limits('100m', '64Mi'), limits('200m', '64Mi'), {}, [`resize a0 ${JSON.stringify(now)}`]],
    ['unchanged', limits('0.1', '64Mi'), limits('100m', '65536Ki'), {}, []],
    [
      'a backend that cannot',
      limits('100m', '64Mi'),
      limits('200m', '64Mi'),
      { canResize: false },
      ['kill a0', 'start a#1'],
    ],
    ['a limit that goes', limits('100m', '64Mi'), {}, {}, ['kill a0', 'start a#1']],
    [
      'a policy for what changes',
      limits('100m', '64Mi'),
      { ...limits('200m', '64Mi'), ...restart('cpu') },
      {},
      ['kill a0', 'start a#1'],
    ],
    [
      'a policy for what does not change',
      limits('100m', '64Mi'),
      { ...limits('200m', '64Mi'), ...restart('memory') },
      {},
      [`resize a0 ${JSON.stringify(now)}`],
    ],
    ['done before', limits('100m', '64Mi'), limits('200m', '64Mi'), { resized: { a0: now } }, []],
  ])('%s', (_what, before, after, more, actions) => {
    const pod = podOf({ containers: [app('a', after)] });
    const container = had(podOf({ containers: [app('a', before)] }), 'a');
    expect(short(decide(pod, [container], more))).toEqual(actions);
  });
});

describe('computePodActions: init containers', () => {
  const spec = { initContainers: [app('i'), app('j')], containers: [app('a')] };
  const pod = podOf(spec);
  const done: Had = { exits: [0] };

  it.each<[string, readonly ContainerStatus[], readonly string[]]>([
    ['the first one', [], ['start i#0']],
    ['the first runs', [had(pod, 'i')], []],
    ['the first was made and not started', [had(pod, 'i', { state: 'created' })], ['start i#0 for i0']],
    ['the first has ended', [had(pod, 'i', done)], ['start j#0']],
    ['the second has failed', [had(pod, 'i', done), had(pod, 'j', { exits: [1] })], ['start j#1']],
    [
      'the second fails again and again',
      [had(pod, 'i', done), had(pod, 'j', { exits: [1], attempt: 2, series: 2, endedAgoMs: 0 })],
      ['wait j 20'],
    ],
    ['both have ended', [had(pod, 'i', done), had(pod, 'j', done)], ['start a#0']],
    ['a container has ended, and theirs are not looked at', [had(pod, 'a', { exits: [1] })], ['start a#1']],
    [
      'of a sandbox before they do not count',
      [had(pod, 'i', { ...done, sandbox: 'old' }), had(pod, 'a', { exits: [1], sandbox: 'old' })],
      ['start i#1'],
    ],
  ])('%s', (_what, containers, actions) => {
    expect(short(decide(pod, containers))).toEqual(actions);
  });

  it('run again in a new sandbox, before anything else', () => {
    const containers = [had(pod, 'i', done), had(pod, 'j', done), had(pod, 'a')];
    expect(short(decide(pod, containers, { sandboxHash: 'other' }))).toEqual([
      'kill-pod',
      'sandbox#1',
      'start i#1',
    ]);
  });

  it('fail the pod with Never', () => {
    const job = podOf({ ...spec, restartPolicy: 'Never' });
    expect(short(decide(job, [had(job, 'i', { exits: [1] })]))).toEqual(['kill-pod']);
    const stopped = { sandboxes: [sandboxOf(0, 'not-ready')] };
    expect(short(decide(job, [had(job, 'i', { exits: [1] })], stopped))).toEqual([]);
  });

  it('of which nobody knows whether it runs is ended and run again, and fails the pod with Never', () => {
    expect(short(decide(pod, [had(pod, 'i', { state: 'unknown' })]))).toEqual(['kill i0', 'start i#1']);
    const job = podOf({ ...spec, restartPolicy: 'Never' });
    expect(short(decide(job, [had(job, 'i', { state: 'unknown' })]))).toEqual(['kill-pod']);
  });

  it('that runs and has changed is replaced', () => {
    const next = podOf({ ...spec, initContainers: [app('i', { args: ['x'] }), app('j')] });
    expect(short(decide(next, [had(pod, 'i')]))).toEqual(['kill i0', 'start i#1']);
  });
});

describe('computePodActions: sidecars', () => {
  const spec = { initContainers: [sidecar('s'), app('i'), sidecar('t')], containers: [app('a')] };
  const pod = podOf(spec);
  const begun = [had(pod, 's'), had(pod, 'i', { exits: [0] }), had(pod, 't')];

  it.each<[string, readonly ContainerStatus[], readonly string[]]>([
    ['the first one before all others', [], ['start s#0']],
    ['the next one goes on when it runs', [had(pod, 's')], ['start i#0']],
    [
      'it is started again while init containers run',
      [had(pod, 's', { exits: [1] }), had(pod, 'i')],
      ['start s#1'],
    ],
    ['the containers start when the last one runs', begun, ['start a#0']],
    ['all run', [...begun, had(pod, 'a')], []],
    [
      'one that ends is started again, also after 0, and holds nobody up',
      [had(pod, 's', { exits: [0] }), ...begun.slice(1), had(pod, 'a', { exits: [1] })],
      ['start s#1', 'start a#1'],
    ],
  ])('%s', (_what, containers, actions) => {
    expect(short(decide(pod, containers))).toEqual(actions);
  });

  it('hold the others up until their startup probe has succeeded', () => {
    const waiting = { health: () => ({ ...healthy, startup: 'unknown' as const }) };
    expect(short(decide(pod, [had(pod, 's')], waiting))).toEqual([]);
  });

  it('are ended after the containers, the last one first, and not started again', () => {
    const job = podOf({ ...spec, restartPolicy: 'Never' });
    const running = [had(job, 's'), had(job, 'i', { exits: [0] }), had(job, 't')];
    expect(short(decide(job, [...running, had(job, 'a', { exits: [3] })]))).toEqual(['kill t0', 'kill s0']);
    const ended = [
      had(job, 's', { exits: [143] }),
      had(job, 'i', { exits: [0] }),
      had(job, 't', { exits: [143] }),
    ];
    expect(short(decide(job, [...ended, had(job, 'a', { exits: [3] })]))).toEqual([]);
  });

  it('of which nobody knows whether it runs is ended and started again', () => {
    const containers = [had(pod, 's', { state: 'unknown' }), ...begun.slice(1), had(pod, 'a')];
    expect(short(decide(pod, containers))).toEqual(['kill s0', 'start s#1']);
  });

  it('are restarted with Always, whatever the policy of the pod', () => {
    const job = podOf({ ...spec, restartPolicy: 'Never' });
    const containers = [had(job, 's', { exits: [0] }), ...begun.slice(1), had(job, 'a')];
    expect(short(decide(job, containers))).toEqual(['start s#1']);
  });
});

describe('containerHash', () => {
  const hash = (spec: Spec, podSpec: Spec = {}, by: 'caller' | 'backend' = 'caller') => {
    const pod = podOf({ containers: [app('a', spec)], ...podSpec });
    const [container] = pod.spec.containers;
    if (!container) throw new Error('no container');
    return containerHash(pod, container, by === 'caller' ? { by } : { by, policy: pod.spec.restartPolicy });
  };
  const plain = hash({});

  it.each<[string, Spec, Spec?]>([
    ['defaults that are written out', { args: [], env: [], tty: false, terminationMessagePolicy: 'File' }],
    ['the pull policy', { imagePullPolicy: 'Never' }],
    ['CPU and memory', { resources: { limits: { cpu: '1', memory: '1Gi' } } }],
    ['probes', { readinessProbe: { tcpSocket: { port: 80 } }, livenessProbe: { tcpSocket: { port: 80 } } }],
    ['volumes that it does not mount', {}, { volumes: [{ name: 'v', emptyDir: {} }] }],
    ['the policy, when PodRuntime restarts', {}, { restartPolicy: 'Never' }],
    ['the grace of the pod', {}, { terminationGracePeriodSeconds: 1 }],
  ])('is not changed by %s', (_what, spec, podSpec) => {
    expect(hash(spec, podSpec)).toBe(plain);
  });

  it.each<[string, Spec, Spec?]>([
    ['the image', { image: 'other' }],
    ['arguments', { args: ['x'] }],
    ['environment', { env: [{ name: 'A', value: '1' }] }],
    ['a hook', { lifecycle: { postStart: { exec: { command: ['x'] } } } }],
    ['hugepages', { resources: { limits: { cpu: '1', 'hugepages-2Mi': '2Mi' } } }],
    ['security of the pod', {}, { securityContext: { runAsUser: 5 } }],
    ['a false that takes a right away', { securityContext: { allowPrivilegeEscalation: false } }],
    ['a false that the pod may not say', { securityContext: { runAsNonRoot: false } }],
  ])('is changed by %s', (_what, spec, podSpec) => {
    expect(hash(spec, podSpec)).not.toBe(plain);
  });

  it('is changed by a mounted volume, the order of arguments, and the policy when the backend restarts', () => {
    const mount = { volumeMounts: [{ name: 'v', mountPath: '/v' }] };
    const on = (path: string) => hash(mount, { volumes: [{ name: 'v', hostPath: { path } }] });
    expect(on('/a')).not.toBe(on('/b'));
    expect(hash({ args: ['x', 'y'] })).not.toBe(hash({ args: ['y', 'x'] }));
    expect(hash({}, { restartPolicy: 'Never' }, 'backend')).not.toBe(hash({}, {}, 'backend'));
  });

  it('stays the same over versions of this library', () => {
    expect(plain).toMatchInlineSnapshot(`"6e2b133694cba8be"`);
  });
});

describe('restartOwner', () => {
  const pod = podOf({
    restartPolicy: 'OnFailure',
    initContainers: [app('i'), sidecar('s')],
    containers: [
      app('a'),
      app('live', { livenessProbe: { tcpSocket: { port: 1 } } }),
      app('slow', { startupProbe: { tcpSocket: { port: 1 } } }),
      app('hook', { lifecycle: { postStart: { exec: { command: ['x'] } } } }),
      app('ready', { readinessProbe: { tcpSocket: { port: 1 } } }),
      app('stop', { lifecycle: { preStop: { exec: { command: ['x'] } } } }),
    ],
  });
  it.each([
    ['i', 'caller'],
    ['s', 'Always'],
    ['a', 'OnFailure'],
    ['live', 'caller'],
    ['slow', 'caller'],
    ['hook', 'caller'],
    ['ready', 'OnFailure'],
    ['stop', 'OnFailure'],
  ])('of %s is %s', (name, owner) => {
    const kind = name === 'i' || name === 's' ? 'init' : 'app';
    const container = [...pod.spec.initContainers, ...pod.spec.containers].find((each) => each.name === name);
    if (!container) throw new Error('no container');
    const restart = restartOwner(pod, container, kind, true);
    expect(restart.by === 'caller' ? 'caller' : restart.policy).toBe(owner);
    expect(restartOwner(pod, container, kind, false)).toEqual({ by: 'caller' });
  });
});
