// Deliberately broken backends: for every method of the contracts at least one way to get it wrong, and the case that
// has to notice.
import { PassThrough, type Readable } from 'node:stream';
import type {
  AttachSession,
  ContainerConfig,
  ContainerRuntime,
  ContainerStatus,
  ImageService,
  LogEntry,
  LogOptions,
  PodSandboxStatus,
  PodStatus,
  RuntimeService,
} from '@podwright/core';
import { PodwrightError } from '@podwright/core';
import { catchError, EMPTY, filter, map, NEVER, take, throwError } from 'rxjs';

/** Gives what a broken object has in place of its own members. */
export interface Mutant<T> {
  /** What is wrong. */
  readonly what: string;
  /** Id of the case that has to fail. */
  readonly fails: string;
  readonly members: (original: T) => Partial<T>;
}

type Mutants<T, Members extends keyof T = keyof T> = {
  readonly [Member in Members]-?: readonly Mutant<T>[];
};

/** The original with some of its members replaced. */
export function broken<T extends object>(original: T, members: Partial<T>): T {
  return new Proxy(original, {
    get(target, name) {
      const own: unknown = Reflect.has(members, name) ? Reflect.get(members, name) : undefined;
      const value: unknown = own ?? Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(own === undefined ? target : members) : value;
    },
  });
}

const NOTHING = async () => undefined;

function once(method: () => Promise<void>): () => Promise<void> {
  let called = false;
  return async () => {
    if (called) throw new Error('It was started before.');
    called = true;
    await method();
  };
}

/** A session whose methods can be copied with the rest of it. */
function bound(session: AttachSession): AttachSession {
  return {
    ...session,
    detach: () => session.detach(),
    resize: (size) => session.resize(size),
  };
}

/** A stream's beginning: the rest of it is lost. */
function cut(stream: Readable): PassThrough {
  const beginning = new PassThrough();
  let left = 100_000;
  stream.on('data', (chunk: Buffer) => {
    beginning.write(chunk.subarray(0, Math.max(left, 0)));
    left -= chunk.length;
  });
  stream.once('end', () => beginning.end());
  return beginning;
}

/** Fails with this error when the thing is gone, as a careless backend does. */
async function unlessGone(look: Promise<unknown>, action: () => Promise<void>): Promise<void> {
  await look;
  await action();
}

async function* withLog(
  log: AsyncIterable<LogEntry>,
  change: (entry: LogEntry, index: number) => LogEntry | undefined,
): AsyncIterable<LogEntry> {
  let index = 0;
  for await (const entry of log) {
    const changed = change(entry, index++);
    if (changed) yield changed;
  }
}

const logMutant = (
  what: string,
  fails: string,
  change: (entry: LogEntry, index: number) => LogEntry | undefined,
): Mutant<RuntimeService> => ({
  what,
  fails,
  members: (service) => ({
    containerLogs: (id, options) => withLog(service.containerLogs(id, options), change),
  }),
});

const logOptionMutant = (
  what: string,
  fails: string,
  change: (options: LogOptions) => LogOptions,
): Mutant<RuntimeService> => ({
  what,
  fails,
  members: (service) => ({ containerLogs: (id, options = {}) => service.containerLogs(id, change(options)) }),
});

const configMutant = (
  what: string,
  fails: string,
  change: (config: ContainerConfig) => ContainerConfig,
): Mutant<RuntimeService> => ({
  what,
  fails,
  members: (service) => ({
    createContainer: (sandboxId, config, options) =>
      service.createContainer(sandboxId, change(config), options),
  }),
});

const statusMutant = (
  what: string,
  fails: string,
  change: (status: ContainerStatus) => ContainerStatus,
): Mutant<RuntimeService> => ({
  what,
  fails,
  members: (service) => ({
    containerStatus: async (id, options) => change(await service.containerStatus(id, options)),
  }),
});

const sandboxStatusMutant = (
  what: string,
  fails: string,
  change: (status: PodSandboxStatus) => PodSandboxStatus,
): Mutant<RuntimeService> => ({
  what,
  fails,
  members: (service) => ({
    podSandboxStatus: async (id, options) => change(await service.podSandboxStatus(id, options)),
  }),
});

export const serviceMutants: Mutants<RuntimeService> = {
  type: [
    {
      what: 'a type that is no name',
      fails: 'runtime/service-type',
      members: () => ({ type: 'Not A Name' }),
    },
  ],
  features: [
    {
      what: 'features that nobody knows',
      fails: 'runtime/features',
      members: ({ features }) => ({ features: { ...features, execGaps: ['seccomp'], execHandler: 'oci' } }),
    },
  ],
  events: [
    { what: 'no events', fails: 'events/service', members: () => ({ events: NEVER }) },
    {
      what: 'no events of exits',
      fails: 'container/exit-codes',
      members: (service) => ({
        events: service.events.pipe(filter(({ type }) => type !== 'container-exited')),
      }),
    },
    {
      what: 'exits without their code',
      fails: 'events/service',
      members: (service) => ({
        events: service.events.pipe(
          map((event) =>
            event.type === 'container-exited'
              ? { ...event, attempt: { ...event.attempt, exitCode: 0 } }
              : event,
          ),
        ),
      }),
    },
  ],
  start: [
    {
      what: 'a second start fails',
      fails: 'runtime/start-again',
      members: (service) => ({ start: once(() => service.start()) }),
    },
  ],
  [Symbol.asyncDispose]: [
    {
      what: 'goes on after its end',
      fails: 'runtime/closed-service',
      members: () => ({ [Symbol.asyncDispose]: NOTHING }),
    },
  ],
  version: [
    {
      what: 'a version that cannot be compared',
      fails: 'runtime/service-version',
      members: () => ({
        version: async () => ({ runtimeName: 'x', runtimeVersion: 'v1-rc', components: {} }),
      }),
    },
  ],
  status: [
    {
      what: 'no conditions',
      fails: 'runtime/service-status',
      members: () => ({ status: async () => ({ conditions: [] }) }),
    },
  ],
  runPodSandbox: [
    {
      what: 'annotations are trimmed',
      fails: 'sandbox/ready',
      members: (service) => ({
        runPodSandbox: (config) =>
          service.runPodSandbox({
            ...config,
            annotations: Object.fromEntries(
              Object.entries(config.annotations).map(([k, v]) => [k, v.trim()]),
            ),
          }),
      }),
    },
    {
      what: 'host ports are forgotten',
      fails: 'sandbox/port-in-use',
      members: (service) => ({
        runPodSandbox: (config) => service.runPodSandbox({ ...config, portMappings: [] }),
      }),
    },
    {
      what: 'any runtime handler is taken',
      fails: 'kubelet/runtime-handler',
      members: (service) => ({
        runPodSandbox: ({ runtimeHandler: _handler, ...config }) => service.runPodSandbox(config),
      }),
    },
    {
      what: 'ids are allotted to anybody',
      fails: 'kubelet/ids-refused',
      members: (service) => ({
        runPodSandbox: ({ idMappings: _idMappings, ...config }) => service.runPodSandbox(config),
      }),
    },
    {
      what: 'the host name is forgotten',
      fails: 'network/hostname',
      members: (service) => ({
        runPodSandbox: ({ hostname: _hostname, ...config }) => service.runPodSandbox(config),
      }),
    },
    {
      what: 'kernel parameters are forgotten',
      fails: 'security/sysctls-pod',
      members: (service) => ({
        runPodSandbox: ({ sysctls: _sysctls, ...config }) => service.runPodSandbox(config),
      }),
    },
    {
      what: 'a pod has the users of the host in place of its own',
      fails: 'users/refused-or-had',
      members: (service) => ({
        runPodSandbox: ({ userNamespace: _users, ...config }) => service.runPodSandbox(config),
      }),
    },
    {
      what: 'every pod is on the network of the node',
      fails: 'sandbox/own-address',
      members: (service) => ({
        runPodSandbox: (config) => service.runPodSandbox({ ...config, network: 'node' }),
      }),
    },
  ],
  stopPodSandbox: [
    {
      what: 'does nothing',
      fails: 'sandbox/stop-ends-containers',
      members: () => ({ stopPodSandbox: NOTHING }),
    },
    {
      what: 'fails for one that is gone',
      fails: 'sandbox/stop-twice',
      members: (service) => ({
        stopPodSandbox: (id) => unlessGone(service.podSandboxStatus(id), () => service.stopPodSandbox(id)),
      }),
    },
  ],
  removePodSandbox: [
    { what: 'does nothing', fails: 'sandbox/remove', members: () => ({ removePodSandbox: NOTHING }) },
    {
      what: 'stops only',
      fails: 'sandbox/remove',
      members: (service) => ({ removePodSandbox: (id) => service.stopPodSandbox(id) }),
    },
    {
      what: 'fails for one that is gone',
      fails: 'sandbox/remove',
      members: (service) => ({
        removePodSandbox: (id) =>
          unlessGone(service.podSandboxStatus(id), () => service.removePodSandbox(id)),
      }),
    },
  ],
  podSandboxStatus: [
    sandboxStatusMutant('always ready', 'sandbox/stop-ends-containers', (status) => ({
      ...status,
      state: 'ready',
    })),
    sandboxStatusMutant('no address', 'sandbox/own-address', (status) => ({ ...status, ips: [] })),
    sandboxStatusMutant('no processes are shared', 'kubelet/modes', (status) => ({
      ...status,
      pid: 'container',
    })),
    sandboxStatusMutant(
      'the runtime handler is lost',
      'kubelet/runtime-handler',
      ({ runtimeHandler: _, ...status }) => status,
    ),
    sandboxStatusMutant('labels are lost', 'sandbox/ready', (status) => ({ ...status, labels: {} })),
  ],
  listPodSandboxes: [
    {
      what: 'forgets the labels of the filter',
      fails: 'sandbox/list',
      members: (service) => ({
        listPodSandboxes: ({ labels: _labels, ...filter } = {}) => service.listPodSandboxes(filter),
      }),
    },
    {
      what: 'oldest first',
      fails: 'sandbox/list',
      members: (service) => ({
        listPodSandboxes: async (filter) => [...(await service.listPodSandboxes(filter))].reverse(),
      }),
    },
    {
      what: 'only ready ones',
      fails: 'sandbox/list',
      members: (service) => ({
        listPodSandboxes: async (filter) =>
          (await service.listPodSandboxes(filter)).filter(({ state }) => state === 'ready'),
      }),
    },
  ],
  createContainer: [
    configMutant('values of the environment are cut at the line', 'process/environment', (config) => ({
      ...config,
      env: config.env.map(({ name, value }) => ({ name, value: value.split('\n')[0] ?? '' })),
    })),
    configMutant('arguments are expanded', 'process/command-and-args', ({ args, ...config }) => ({
      ...config,
      ...(args ? { args: args.map((arg) => arg.replace('$(HOME)', '/root')) } : {}),
    })),
    configMutant(
      'the working directory is forgotten',
      'process/working-directory',
      ({ workingDir: _, ...config }) => config,
    ),
    configMutant('no log file is written', 'kubelet/log-file', ({ logPath: _, ...config }) => config),
    configMutant('a relative log file is taken from the root', 'kubelet/log-file-path', (config) =>
      config.logPath === undefined ? config : { ...config, logPath: `/tmp/${config.logPath}/x.log` },
    ),
    configMutant(
      'a PID namespace of its own is forgotten',
      'kubelet/pid-refused',
      ({ pid: _, ...config }) => config,
    ),
    configMutant(
      'the PID namespace of another container is not joined',
      'debug/pid-target-own',
      ({ pidTarget: _, ...config }) => config,
    ),
    configMutant('directories of the host are made for all mounts', 'kubelet/host-path', (config) => ({
      ...config,
      mounts: config.mounts.map((mount) => ({ ...mount, createHostPath: true })),
    })),
    configMutant('directories of the host are never made', 'kubelet/host-path', (config) => ({
      ...config,
      mounts: config.mounts.map(({ createHostPath: _, ...mount }) => mount),
    })),
    configMutant(
      'recursively read-only mounts may take up others',
      'kubelet/read-only-propagation',
      (config) => ({
        ...config,
        mounts: config.mounts.map(({ propagation: _, ...mount }) => mount),
      }),
    ),
    configMutant('the user is forgotten', 'process/user-by-number', (config) => ({
      ...config,
      security: {},
    })),
    configMutant('the policy of groups is forgotten', 'security/groups-strict', ({ security, ...config }) => {
      const { supplementalGroupsPolicy: _policy, ...rest } = security;
      return { ...config, security: rest };
    }),
    configMutant('AppArmor is ignored', 'security/app-armor-absent', ({ security, ...config }) => {
      const { appArmor: _appArmor, ...rest } = security;
      return { ...config, security: rest };
    }),
    configMutant('runAsNonRoot is forgotten', 'process/run-as-non-root', (config) => ({
      ...config,
      security: {},
    })),
    configMutant('the root is always writable', 'process/read-only-root', (config) => ({
      ...config,
      security: {},
    })),
    configMutant('mounts are always writable', 'mounts/read-only', (config) => ({
      ...config,
      mounts: config.mounts.map((mount) => ({ ...mount, readOnly: false })),
    })),
    configMutant('mounts are forgotten', 'mounts/shared', (config) => ({ ...config, mounts: [] })),
    configMutant('nothing is restarted', 'restart/always', (config) => ({
      ...config,
      restart: { by: 'caller' },
    })),
    configMutant('the stop signal is forgotten', 'stop/own-signal', ({ stopSignal: _, ...config }) => config),
    configMutant('the grace is a constant', 'stop/own-grace', (config) => ({
      ...config,
      terminationGraceMs: 1,
    })),
    configMutant('labels are lost', 'container/list', (config) => ({ ...config, labels: {} })),
  ],
  startContainer: [
    { what: 'does nothing', fails: 'container/states', members: () => ({ startContainer: NOTHING }) },
    {
      what: 'a second start is taken',
      fails: 'container/start-twice',
      members: (service) => ({
        startContainer: (id) =>
          service.startContainer(id).catch((error: unknown) => {
            if (!PodwrightError.is(error, 'failed-precondition')) throw error;
          }),
      }),
    },
    {
      what: 'a failed start is not told',
      fails: 'container/no-such-program',
      members: (service) => ({ startContainer: (id) => service.startContainer(id).catch(() => undefined) }),
    },
  ],
  stopContainer: [
    { what: 'does nothing', fails: 'stop/handled', members: () => ({ stopContainer: NOTHING }) },
    {
      what: 'always kills',
      fails: 'stop/handled',
      members: (service) => ({ stopContainer: (id) => service.stopContainer(id, { graceMs: 0 }) }),
    },
    {
      what: 'never kills at once',
      fails: 'stop/no-grace',
      members: (service) => ({ stopContainer: (id) => service.stopContainer(id, { graceMs: 100_000 }) }),
    },
    {
      what: 'resolves before the end',
      fails: 'stop/handled',
      members: (service) => ({
        stopContainer: async (id, options) => void service.stopContainer(id, options).catch(() => undefined),
      }),
    },
    {
      what: 'fails for one that is gone',
      fails: 'stop/again',
      members: (service) => ({
        stopContainer: (id, options) =>
          unlessGone(service.containerStatus(id), () => service.stopContainer(id, options)),
      }),
    },
    {
      what: 'one at a time only',
      fails: 'stop/at-once',
      members: () => ({ stopContainer: async () => Promise.reject(new Error('one at a time')) }),
    },
  ],
  removeContainer: [
    { what: 'does nothing', fails: 'container/remove', members: () => ({ removeContainer: NOTHING }) },
    {
      what: 'leaves running ones alone',
      fails: 'container/remove',
      members: (service) => ({
        removeContainer: async (id) => {
          const [status] = await service.listContainers({ id });
          if (status?.state !== 'running') await service.removeContainer(id);
        },
      }),
    },
  ],
  listContainers: [
    {
      what: 'forgets the state of the filter',
      fails: 'container/list',
      members: (service) => ({
        listContainers: ({ state: _, ...filter } = {}) => service.listContainers(filter),
      }),
    },
    {
      what: 'forgets the pod of the filter',
      fails: 'container/list',
      members: (service) => ({
        listContainers: ({ podUid: _, ...filter } = {}) => service.listContainers(filter),
      }),
    },
  ],
  containerStatus: [
    statusMutant('every exit code is 0', 'container/exit-codes', (status) => ({
      ...status,
      attempts: status.attempts.map((run) => (run.exitCode === undefined ? run : { ...run, exitCode: 0 })),
    })),
    statusMutant('the signal is not told', 'stop/ignored', (status) => ({
      ...status,
      attempts: status.attempts.map(({ signal: _, ...run }) => run),
    })),
    statusMutant('only the last attempt is remembered', 'restart/always', (status) => ({
      ...status,
      attempts: status.attempts.slice(-1),
    })),
    statusMutant('waiting is called exited', 'restart/waiting-told', (status) => ({
      ...status,
      state: status.state === 'waiting' ? 'exited' : status.state,
    })),
    statusMutant('the start time is lost', 'container/states', (status) => ({
      ...status,
      attempts: status.attempts.map((run) => ({ ...run, startedAtMs: 0 })),
    })),
    statusMutant('annotations are lost', 'container/labels', (status) => ({ ...status, annotations: {} })),
    statusMutant('no log file is named', 'kubelet/log-file', ({ logPath: _, ...status }) => status),
    statusMutant('limits are not told', 'kubelet/resources', (status) => ({ ...status, resources: {} })),
    statusMutant('all are root', 'kubelet/user', (status) => ({
      ...status,
      user: { uid: 0, gid: 0, supplementalGroups: [] },
    })),
  ],
  reopenContainerLog: [
    { what: 'does nothing', fails: 'kubelet/reopen', members: () => ({ reopenContainerLog: NOTHING }) },
    {
      what: 'is content with any container',
      fails: 'kubelet/reopen-refused',
      members: (service) => ({
        reopenContainerLog: (id) => service.reopenContainerLog(id).catch(() => undefined),
      }),
    },
  ],
  containerLogs: [
    logMutant('a line is lost', 'logs/order', (entry, index) => (index === 3 ? undefined : entry)),
    logMutant('blank lines are dropped', 'logs/order', (entry) =>
      entry.line.length === 0 ? undefined : entry,
    ),
    logMutant('lines are trimmed', 'logs/order', (entry) => ({
      ...entry,
      line: Buffer.from(entry.line.toString().trim()),
    })),
    logMutant('streams are mixed', 'logs/streams', (entry) => ({ ...entry, stream: 'stdout' })),
    logMutant('lines are made text', 'logs/bytes', (entry) => ({
      ...entry,
      line: Buffer.from(entry.line.toString('utf8')),
    })),
    logMutant('long lines are cut', 'logs/long-line', (entry) => ({ ...entry, partial: false })),
    logMutant('times are in milliseconds', 'logs/times', (entry) => ({
      ...entry,
      timestampUs: entry.timestampUs / 1000,
    })),
    logMutant('cursors are all the same', 'logs/cursor', (entry) => ({ ...entry, cursor: '1' })),
    logOptionMutant('tail is one short', 'logs/tail', (options) =>
      options.tail ? { ...options, tail: options.tail - 1 } : options,
    ),
    logOptionMutant('since is forgotten', 'logs/since', ({ sinceMs: _, ...options }) => options),
    logOptionMutant('until is forgotten', 'logs/since', ({ untilMs: _, ...options }) => options),
    logOptionMutant('the limit is forgotten', 'logs/limit-bytes', ({ limitBytes: _, ...options }) => options),
    logOptionMutant('previous is forgotten', 'logs/previous', ({ previous: _, ...options }) => options),
    logOptionMutant(
      'the cursor is forgotten',
      'agent-restart/logs',
      ({ afterCursor: _, ...options }) => options,
    ),
    logOptionMutant('it does not follow', 'logs/follow', ({ follow: _, ...options }) => options),
    logOptionMutant('it follows always', 'logs/snapshot', (options) => ({ ...options, follow: true })),
  ],
  execSync: [
    {
      what: 'every exit code is 0',
      fails: 'exec/output',
      members: (service) => ({
        execSync: async (...args) => ({ ...(await service.execSync(...args)), exitCode: 0 }),
      }),
    },
    {
      what: 'stderr comes with stdout',
      fails: 'exec/output',
      members: (service) => ({
        execSync: async (...args) => {
          const { stdout, stderr, exitCode } = await service.execSync(...args);
          return { stdout: Buffer.concat([stdout, stderr]), stderr: Buffer.alloc(0), exitCode };
        },
      }),
    },
    {
      what: 'the time is not limited',
      fails: 'exec/timeout',
      members: (service) => ({
        execSync: (id, command, { timeoutMs: _, ...options } = {}) => service.execSync(id, command, options),
      }),
    },
    {
      what: 'the output is not limited',
      fails: 'exec/output-limit',
      members: (service) => ({
        execSync: (id, command, { outputLimitBytes: _, ...options } = {}) =>
          service.execSync(id, command, options),
      }),
    },
  ],
  exec: [
    {
      what: 'the terminal is forgotten',
      fails: 'exec/terminal',
      members: (service) => ({ exec: (id, { tty: _, ...options }) => service.exec(id, options) }),
    },
    {
      what: 'the size of the terminal is forgotten',
      fails: 'exec/terminal',
      members: (service) => ({ exec: (id, { terminalSize: _, ...options }) => service.exec(id, options) }),
    },
    {
      what: 'the input is forgotten',
      fails: 'exec/half-close',
      members: (service) => ({ exec: (id, { stdin: _, ...options }) => service.exec(id, options) }),
    },
    {
      what: 'every exit code is 0',
      fails: 'exec/half-close',
      members: (service) => ({
        exec: async (...args) => broken(await service.exec(...args), { exitCode: Promise.resolve(0) }),
      }),
    },
    {
      what: 'it cannot be killed',
      fails: 'exec/kill',
      members: (service) => ({
        exec: async (...args) => broken(await service.exec(...args), { kill: NOTHING }),
      }),
    },
    {
      what: 'the output is cut',
      fails: 'exec/slow-reader',
      members: (service) => ({
        exec: async (...args) => {
          const session = await service.exec(...args);
          return broken(session, { stdout: cut(session.stdout) });
        },
      }),
    },
    {
      what: 'it cannot be resized',
      fails: 'exec/resize',
      members: (service) => ({
        exec: async (...args) => broken(await service.exec(...args), { resize: NOTHING }),
      }),
    },
  ],
  portForward: [
    {
      what: 'the port beside is reached',
      fails: 'network/port-forward',
      members: (service) => ({
        portForward: (id, port, options) => service.portForward(id, port + 1, options),
      }),
    },
    {
      what: 'another pod is reached',
      fails: 'network/port-forward-own-pod',
      members: (service) => ({
        portForward: async (_id, port, options) => {
          const [newest] = await service.listPodSandboxes({ state: 'ready' });
          return service.portForward(newest?.id ?? '', port, options);
        },
      }),
    },
  ],
  updateContainerResources: [
    {
      what: 'changes nothing',
      fails: 'resources/update',
      members: () => ({ updateContainerResources: NOTHING }),
    },
    {
      what: 'failures are not told',
      fails: 'resources/update-ended',
      members: (service) => ({
        updateContainerResources: (...args) =>
          service.updateContainerResources(...args).catch(() => undefined),
      }),
    },
  ],
  updatePodSandboxResources: [
    {
      what: 'changes nothing',
      fails: 'resources/update-sandbox',
      members: () => ({ updatePodSandboxResources: NOTHING }),
    },
  ],
  listContainerStats: [
    { what: 'lists none', fails: 'stats/container', members: () => ({ listContainerStats: async () => [] }) },
    {
      what: 'the filter is forgotten',
      fails: 'stats/running-only',
      members: (service) => ({ listContainerStats: () => service.listContainerStats() }),
    },
    {
      what: 'no CPU time',
      fails: 'stats/cpu-grows',
      members: (service) => ({
        listContainerStats: async (filter) =>
          (await service.listContainerStats(filter)).map((stats) => ({
            ...stats,
            cpu: { usageNanoseconds: 1 },
          })),
      }),
    },
    {
      what: 'detail is forgotten',
      fails: 'stats/detail',
      members: (service) => ({ listContainerStats: (filter) => service.listContainerStats(filter) }),
    },
    {
      what: 'detail is told unasked',
      fails: 'stats/detail',
      members: (service) => ({
        listContainerStats: (filter, options) =>
          service.listContainerStats(filter, { ...options, detail: true }),
      }),
    },
  ],
  listPodSandboxStats: [
    {
      what: 'detail is forgotten',
      fails: 'stats/detail',
      members: (service) => ({ listPodSandboxStats: (filter) => service.listPodSandboxStats(filter) }),
    },
    {
      what: 'the filter is forgotten',
      fails: 'stats/sandbox',
      members: (service) => ({ listPodSandboxStats: () => service.listPodSandboxStats() }),
    },
    {
      what: 'containers are left out',
      fails: 'stats/sandbox',
      members: (service) => ({
        listPodSandboxStats: async (filter) =>
          (await service.listPodSandboxStats(filter)).map((stats) => ({ ...stats, containers: [] })),
      }),
    },
    {
      what: 'no network',
      fails: 'stats/network',
      members: (service) => ({
        listPodSandboxStats: async (filter) =>
          (await service.listPodSandboxStats(filter)).map((stats) => ({ ...stats, network: [] })),
      }),
    },
  ],
  attach: [
    {
      what: 'the input is forgotten',
      fails: 'attach/dialogue',
      members: (service) => ({ attach: (id, { stdin: _, ...options } = {}) => service.attach(id, options) }),
    },
    {
      what: 'the end of the input is kept back',
      fails: 'attach/input-once',
      members: (service) => ({
        attach: async (id, options) => {
          const session = await service.attach(id, options);
          const stdin = new PassThrough().on('data', (chunk) => session.stdin?.write(chunk));
          return { ...bound(session), stdin };
        },
      }),
    },
    {
      what: 'every end is a detaching',
      fails: 'attach/stopped',
      members: (service) => ({
        attach: async (id, options) => {
          const session = await service.attach(id, options);
          return { ...bound(session), ended: session.ended.then(() => ({ type: 'detached' as const })) };
        },
      }),
    },
    {
      what: 'detaching does nothing',
      fails: 'attach/detach',
      members: (service) => ({
        attach: async (id, options) => ({ ...bound(await service.attach(id, options)), detach: NOTHING }),
      }),
    },
    {
      what: 'the output is cut',
      fails: 'attach/slow-reader',
      members: (service) => ({
        attach: async (id, options) => {
          const session = await service.attach(id, options);
          return { ...bound(session), stdout: cut(session.stdout) };
        },
      }),
    },
    {
      what: 'the size is forgotten',
      fails: 'attach/terminal',
      members: (service) => ({
        attach: async (id, options) => ({ ...bound(await service.attach(id, options)), resize: NOTHING }),
      }),
    },
  ],
  removeOrphans: [
    {
      what: 'does nothing',
      fails: 'sandbox/orphans-removed',
      members: () => ({ removeOrphans: async () => ({ removed: [], marked: [], errors: [] }) }),
    },
    {
      what: 'the grace is forgotten',
      fails: 'gc/orphans-marked',
      members: (service) => ({
        removeOrphans: (options) => service.removeOrphans({ ...options, graceMs: 0 }),
      }),
    },
    {
      what: 'a dry run is a real one',
      fails: 'gc/dry-run-orphans',
      members: (service) => ({
        removeOrphans: (options) => service.removeOrphans({ ...options, dryRun: false }),
      }),
    },
    {
      what: 'removes what is known',
      fails: 'sandbox/orphans-spared',
      members: (service) => ({
        removeOrphans: async (options) => {
          for (const { id } of await service.listPodSandboxes()) await service.removePodSandbox(id);
          return service.removeOrphans(options);
        },
      }),
    },
  ],
};

/** Without its disposal: not every backend has something to end. */
export const imageMutants: Mutants<ImageService, Exclude<keyof ImageService, typeof Symbol.asyncDispose>> = {
  imageConfig: [
    {
      what: 'nothing is told of an image',
      fails: 'images/config',
      members: () => ({ imageConfig: async () => undefined }),
    },
  ],
  pullImage: [
    {
      what: 'starts at the call',
      fails: 'images/cold',
      members: (service) => ({
        pullImage: (...args) => {
          service.pullImage(...args).subscribe({ error: () => undefined });
          return service.pullImage(...args);
        },
      }),
    },
    {
      what: 'never says that it is done',
      fails: 'images/pull',
      members: (service) => ({
        pullImage: (...args) => service.pullImage(...args).pipe(filter(({ type }) => type !== 'done')),
      }),
    },
    {
      what: 'all errors are the same',
      fails: 'images/errors-apart',
      members: (service) => ({
        pullImage: (...args) =>
          service
            .pullImage(...args)
            .pipe(
              catchError((error: Error) =>
                throwError(() => new PodwrightError('command-failed', error.message)),
              ),
            ),
      }),
    },
    {
      what: 'credentials are forgotten',
      fails: 'images/credentials',
      members: (service) => ({ pullImage: (reference) => service.pullImage(reference) }),
    },
    {
      what: 'the file of credentials is forgotten',
      fails: 'images/auth-file',
      members: (service) => ({
        pullImage: (reference, { authFile: _, ...options } = {}) => service.pullImage(reference, options),
      }),
    },
  ],
  imageStatus: [
    { what: 'knows no image', fails: 'images/pull', members: () => ({ imageStatus: NOTHING }) },
    {
      what: 'takes any text',
      fails: 'images/unknown-name',
      members: (service) => ({
        imageStatus: (reference, options) => service.imageStatus(reference, options).catch(() => undefined),
      }),
    },
  ],
  listImages: [{ what: 'lists none', fails: 'images/list', members: () => ({ listImages: async () => [] }) }],
  removeImage: [
    { what: 'does nothing', fails: 'images/remove', members: () => ({ removeImage: NOTHING }) },
    {
      what: 'says nothing of an image in use',
      fails: 'images/in-use',
      members: (service) => ({
        removeImage: (reference, options) => service.removeImage(reference, options).catch(() => undefined),
      }),
    },
  ],
  loadImage: [
    {
      what: 'the name is forgotten',
      fails: 'images/load',
      members: (service) => ({ loadImage: (path) => service.loadImage(path) }),
    },
    {
      what: 'failures are not told',
      fails: 'images/load-wrong',
      members: (service) => ({
        loadImage: (path, options) => service.loadImage(path, options).catch(() => []),
      }),
    },
  ],
  imageFsInfo: [
    {
      what: 'an empty store',
      fails: 'images/usage',
      members: (service) => ({
        imageFsInfo: async () => ({ ...(await service.imageFsInfo()), usedBytes: 0 }),
      }),
    },
  ],
};

const podStatusMutant = (
  what: string,
  fails: string,
  change: (status: PodStatus) => PodStatus,
): Mutant<ContainerRuntime> => ({
  what,
  fails,
  members: (runtime) => ({
    getPodStatus: async (pod, options) => change(await runtime.getPodStatus(pod, options)),
  }),
});

export const runtimeMutants: Mutants<ContainerRuntime> = {
  type: [{ what: 'another name', fails: 'runtime/service-type', members: () => ({ type: 'other' }) }],
  features: [
    {
      what: 'other features than the backend',
      fails: 'runtime/features',
      members: ({ features }) => ({
        features: { ...features, supervisedRestart: !features.supervisedRestart },
      }),
    },
  ],
  events: [
    { what: 'no events', fails: 'events/pod', members: () => ({ events: NEVER }) },
    {
      what: 'events of another object',
      fails: 'events/pod',
      members: (runtime) => ({
        events: runtime.events.pipe(
          map((event) => ({ ...event, object: { ...event.object, fieldPath: '' } })),
        ),
      }),
    },
  ],
  start: [
    {
      what: 'a second start fails',
      fails: 'runtime/start-again',
      members: (runtime) => ({ start: once(() => runtime.start()) }),
    },
  ],
  [Symbol.asyncDispose]: [
    {
      what: 'goes on after its end',
      fails: 'runtime/closed-runtime',
      members: () => ({ [Symbol.asyncDispose]: NOTHING }),
    },
  ],
  version: [
    {
      what: 'another version than the backend',
      fails: 'runtime/runtime-version',
      members: () => ({ version: async () => ({ runtimeName: 'x', runtimeVersion: '9.9', components: {} }) }),
    },
  ],
  status: [
    {
      what: 'no conditions',
      fails: 'runtime/runtime-status',
      members: () => ({ status: async () => ({ conditions: [] }) }),
    },
  ],
  runPod: [
    {
      what: 'only the first container runs',
      fails: 'pods/run',
      members: (runtime) => ({
        runPod: (pod, options) =>
          runtime.runPod(
            { ...pod, spec: { ...pod.spec, containers: pod.spec.containers.slice(0, 1) } },
            options,
          ),
      }),
    },
    {
      what: 'init containers are left out',
      fails: 'pods/init-order',
      members: (runtime) => ({
        runPod: (pod, options) =>
          runtime.runPod({ ...pod, spec: { ...pod.spec, initContainers: [] } }, options),
      }),
    },
    {
      what: 'failures are not told',
      fails: 'pods/duplicate',
      members: (runtime) => ({
        runPod: (pod, options) =>
          runtime
            .runPod(pod, options)
            .catch(() => ({ uid: pod.metadata.uid, name: '', namespace: '', ips: [] })),
      }),
    },
    {
      what: 'cannot be cancelled',
      fails: 'pods/run-cancelled',
      members: (runtime) => ({ runPod: (pod) => runtime.runPod(pod) }),
    },
  ],
  syncPod: [
    {
      what: 'a pod that is there is left as it is',
      fails: 'sync/changed-container',
      members: (runtime) => ({
        syncPod: async (pod, options) => {
          const { uid, name, namespace } = pod.metadata;
          const known = (await runtime.getPods({ all: true })).find((each) => each.uid === uid);
          return known
            ? { uid, name, namespace, ips: known.ips, actions: [] }
            : runtime.syncPod(pod, options);
        },
      }),
    },
    {
      what: 'the pod is always begun anew',
      fails: 'sync/again',
      members: (runtime) => ({
        syncPod: async (pod, options) => {
          await runtime.removePod({ uid: pod.metadata.uid }, { graceMs: 0 });
          return runtime.syncPod(pod, options);
        },
      }),
    },
    {
      what: 'errors are left out',
      fails: 'sync/failures-told',
      members: (runtime) => ({
        syncPod: async (pod, options) => {
          const result = await runtime.syncPod(pod, options);
          return { ...result, actions: result.actions.map(({ error: _error, ...action }) => action) };
        },
      }),
    },
    {
      what: 'a job that was killed counts as done',
      fails: 'sync/killed-job-again',
      members: (runtime) => ({
        syncPod: async (pod, options) => {
          const { uid, name, namespace } = pod.metadata;
          const known = (await runtime.getPods({ all: true })).find((each) => each.uid === uid);
          return known?.phase === 'Succeeded'
            ? { uid, name, namespace, ips: known.ips, actions: [] }
            : runtime.syncPod(pod, options);
        },
      }),
    },
  ],
  killPod: [
    { what: 'does nothing', fails: 'pods/kill', members: () => ({ killPod: NOTHING }) },
    {
      what: 'always kills',
      fails: 'pods/kill',
      members: (runtime) => ({ killPod: (pod) => runtime.killPod(pod, { graceMs: 0 }) }),
    },
    {
      what: 'one after the other, each in its own time',
      fails: 'pods/hurried',
      members: (runtime) => {
        let before = Promise.resolve();
        return {
          killPod: (pod, options) => {
            before = before.then(() => runtime.killPod(pod, options));
            return before;
          },
        };
      },
    },
    {
      what: 'a grace for each container',
      fails: 'pods/one-grace',
      members: (runtime) => ({
        killPod: (pod, { graceMs = 0 } = {}) => runtime.killPod(pod, { graceMs: graceMs * 3 }),
      }),
    },
    {
      what: 'fails for one that is gone',
      fails: 'pods/kill-gone',
      members: (runtime) => ({
        killPod: (pod, options) => unlessGone(runtime.getPodStatus(pod), () => runtime.killPod(pod, options)),
      }),
    },
  ],
  removePod: [
    { what: 'does nothing', fails: 'pods/remove', members: () => ({ removePod: NOTHING }) },
    {
      what: 'kills only',
      fails: 'pods/remove',
      members: (runtime) => ({ removePod: (pod, options) => runtime.killPod(pod, options) }),
    },
  ],
  getPods: [
    {
      what: 'always all of them',
      fails: 'pods/list',
      members: (runtime) => ({ getPods: (filter) => runtime.getPods({ ...filter, all: true }) }),
    },
    {
      what: 'forgets the labels of the filter',
      fails: 'pods/list',
      members: (runtime) => ({ getPods: ({ labels: _, ...filter } = {}) => runtime.getPods(filter) }),
    },
  ],
  getPodStatus: [
    podStatusMutant('always running', 'pods/phases', (status) => ({ ...status, phase: 'Running' })),
    podStatusMutant('restarts are not counted', 'pods/restarts', (status) => ({
      ...status,
      containers: status.containers.map((container) => ({ ...container, restartCount: 0 })),
    })),
    podStatusMutant('annotations are lost', 'pods/annotations', (status) => ({ ...status, annotations: {} })),
  ],
  getContainerLogs: [
    {
      what: 'the first container of the pod, whatever was asked',
      fails: 'pods/logs-of-many',
      members: (runtime) => ({
        getContainerLogs: (container, options) =>
          runtime.getContainerLogs({ ...container, container: 'c0' }, options),
      }),
    },
    {
      what: 'options are forgotten',
      fails: 'pods/log-options',
      members: (runtime) => ({ getContainerLogs: (container) => runtime.getContainerLogs(container) }),
    },
  ],
  runInContainer: [
    {
      what: 'every exit code is 0',
      fails: 'pods/run-in-container',
      members: (runtime) => ({
        runInContainer: async (...args) => ({ ...(await runtime.runInContainer(...args)), exitCode: 0 }),
      }),
    },
  ],
  execInContainer: [
    {
      what: 'the input is forgotten',
      fails: 'pods/exec-in-container',
      members: (runtime) => ({
        execInContainer: (container, { stdin: _, ...options }) => runtime.execInContainer(container, options),
      }),
    },
  ],
  attachContainer: [
    {
      what: 'the input is forgotten',
      fails: 'debug/attached',
      members: (runtime) => ({ attachContainer: (container) => runtime.attachContainer(container) }),
    },
  ],
  updateObjects: [
    { what: 'nothing is updated', fails: 'volumes/update', members: () => ({ updateObjects: NOTHING }) },
    {
      what: 'only the first object is looked at',
      fails: 'volumes/update-immutable',
      members: (runtime) => ({
        updateObjects: (pod, objects, options) => runtime.updateObjects(pod, objects.slice(0, 1), options),
      }),
    },
  ],
  updateContainerResources: [
    {
      what: 'changes nothing',
      fails: 'resources/update-pod',
      members: () => ({ updateContainerResources: NOTHING }),
    },
  ],
  stats: [
    {
      what: 'the filter is forgotten',
      fails: 'stats/pod',
      members: (runtime) => ({ stats: () => runtime.stats() }),
    },
    {
      what: 'detail is forgotten',
      fails: 'stats/detail-pod',
      members: (runtime) => ({ stats: (filter) => runtime.stats(filter) }),
    },
    {
      what: 'volumes are left out',
      fails: 'stats/pod',
      members: (runtime) => ({
        stats: async (filter) => (await runtime.stats(filter)).map((stats) => ({ ...stats, volumes: [] })),
      }),
    },
  ],
  watchStats: [
    {
      what: 'tells once',
      fails: 'stats/watch',
      members: (runtime) => ({ watchStats: (options) => runtime.watchStats(options).pipe(take(1)) }),
    },
  ],
  runEphemeralContainer: [
    { what: 'adds nothing', fails: 'debug/added', members: () => ({ runEphemeralContainer: NOTHING }) },
    {
      what: 'the terminal is forgotten',
      fails: 'debug/attached',
      members: (runtime) => ({
        runEphemeralContainer: (pod, { tty: _, ...container }) =>
          runtime.runEphemeralContainer(pod, container),
      }),
    },
    {
      what: 'the target is forgotten',
      fails: 'debug/no-target',
      members: (runtime) => ({
        runEphemeralContainer: (pod, { targetContainerName: _, ...container }) =>
          runtime.runEphemeralContainer(pod, container),
      }),
    },
  ],
  portForward: [
    {
      what: 'the port beside is reached',
      fails: 'pods/port-forward',
      members: (runtime) => ({ portForward: (pod, port) => runtime.portForward(pod, port + 1) }),
    },
  ],
  pullImage: [
    { what: 'pulls nothing', fails: 'pods/runtime-images', members: () => ({ pullImage: () => EMPTY }) },
  ],
  ensureImage: [
    {
      what: 'always pulls',
      fails: 'pods/pull-policy',
      members: (runtime) => ({ ensureImage: (reference) => runtime.ensureImage(reference, 'Always') }),
    },
  ],
  isImagePresent: [
    {
      what: 'every image is there',
      fails: 'pods/pull-policy',
      members: () => ({ isImagePresent: async () => true }),
    },
  ],
  listImages: [
    { what: 'lists none', fails: 'pods/runtime-images', members: () => ({ listImages: async () => [] }) },
  ],
  removeImage: [
    { what: 'does nothing', fails: 'pods/runtime-images', members: () => ({ removeImage: NOTHING }) },
  ],
  loadImage: [
    { what: 'loads nothing', fails: 'pods/runtime-images', members: () => ({ loadImage: async () => [] }) },
  ],
  imageFsInfo: [
    {
      what: 'an empty store',
      fails: 'pods/runtime-images',
      members: (runtime) => ({
        imageFsInfo: async () => ({ ...(await runtime.imageFsInfo()), usedBytes: 0 }),
      }),
    },
  ],
  garbageCollect: [
    {
      what: 'does nothing',
      fails: 'gc/containers',
      members: () => ({ garbageCollect: async () => ({ removed: [], marked: [], errors: [] }) }),
    },
    {
      what: 'the age is forgotten',
      fails: 'gc/min-age',
      members: (runtime) => ({
        garbageCollect: (policy) => runtime.garbageCollect({ ...policy, minAgeMs: 0 }),
      }),
    },
    {
      what: 'a dry run is a real one',
      fails: 'gc/dry-run',
      members: (runtime) => ({
        garbageCollect: (policy, options) => runtime.garbageCollect(policy, { ...options, dryRun: false }),
      }),
    },
    {
      what: 'the sources are forgotten',
      fails: 'gc/sources-ready',
      members: (runtime) => ({ garbageCollect: (policy) => runtime.garbageCollect(policy) }),
    },
    {
      what: 'the sources are not asked',
      fails: 'gc/sources-ready',
      members: (runtime) => ({
        garbageCollect: (policy) => runtime.garbageCollect(policy, { allSourcesReady: true }),
      }),
    },
  ],
};
