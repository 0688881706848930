import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { messageOf, PodwrightError } from '@podwright/core';
import {
  type ExecCommand,
  escapeUnitName,
  escapeUnitPath,
  isValidUnitName,
  podSliceName,
  SystemdBus,
  SystemdManager,
  sliceName,
  slicePath,
  systemdModule,
  systemdVersionNumber,
  type UnitEvent,
  type UnitProperty,
  unescapeUnitName,
  unitProperty,
  type WritableUnitProperty,
  type WritableUnitPropertyValue,
} from '@podwright/systemd';
import fc from 'fast-check';
import { Container } from 'inversify';
import { distinct, filter, firstValueFrom, map, take, toArray } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fewer, slowness } from '../slowness.js';

const run = promisify(execFile);
const PREFIX = `podwright-test-${process.pid}`;
/** The group of the cgroup v1 hierarchy that systemd itself keeps, or of the unified one. */
const CGROUP_LINE = /^(?:1:name=systemd|0:):(.*)$/m;

let container: Container;
let manager: SystemdManager;
let bus: SystemdBus;
let count = 0;

beforeAll(async () => {
  container = new Container();
  await container.load(systemdModule());
  manager = container.get(SystemdManager);
  bus = container.get(SystemdBus);
  await manager.start();
});

afterEach(async () => {
  const rows = await manager.listUnits({ patterns: [`${PREFIX}*`, 'podwright-podtest*'] });
  await Promise.all(
    rows.map(async ({ name }) => {
      await manager.stopUnit(name).catch((error: unknown) => {
        if (!PodwrightError.is(error, 'not-found')) throw error;
      });
      await manager.resetFailedUnit(name);
    }),
  );
});

afterAll(async () => {
  await manager[Symbol.asyncDispose]();
});

function nextName(): string {
  count += 1;
  return `${PREFIX}-${count}.service`;
}

const sh = (script: string, ...flags: ExecCommand['flags'] & {}): ExecCommand => ({
  path: '/bin/sh',
  argv: ['sh', '-c', script],
  flags: ['no-env-expand', ...flags],
});
const sleeper = (...more: UnitProperty[]): UnitProperty[] => [
  unitProperty('ExecStartEx', [{ path: '/bin/sleep', argv: ['sleep', '3600'] }]),
  ...more,
];

async function errorOf(promise: Promise<unknown>): Promise<PodwrightError> {
  const error: unknown = await promise.then(
    () => new Error('no error'),
    (reason: unknown) => reason,
  );
  if (!PodwrightError.is(error)) throw error;
  return error;
}

/** Resolves with the first event about a unit that fits; subscribe before what causes it. */
function eventOf<T extends UnitEvent['type']>(
  type: T,
  unit: string,
  fits: (event: Extract<UnitEvent, { type: T }>) => boolean = () => true,
) {
  return firstValueFrom(
    manager.unitEvents.pipe(
      filter((event): event is Extract<UnitEvent, { type: T }> => event.type === type),
      filter((event) => 'unit' in event && event.unit === unit && fits(event)),
    ),
  );
}

const cgroupOf = async (pid: number) => CGROUP_LINE.exec(await readFile(`/proc/${pid}/cgroup`, 'utf8'))?.[1];

describe('transient units', () => {
  it('start, are seen by their properties, and stop', async () => {
    const name = nextName();
    // Of the type `exec`: when a job of the type `simple` is done, the process may be systemd's still.
    await manager.startTransientUnit(
      name,
      sleeper(unitProperty('Type', 'exec'), unitProperty('Description', 'a sleeper')),
    );
    const seen = await manager.unitProperties(name, [
      'ActiveState',
      'SubState',
      'Description',
      'Result',
      'MainPID',
      'InvocationID',
      'ExecMainStartTimestamp',
      'ExecMainExitTimestamp',
      'ExecMainCode',
      'NRestarts',
      'ControlGroup',
      'Slice',
      'MemoryMax',
      'Transient',
    ]);
    expect(seen).toMatchObject({
      ActiveState: 'active',
      SubState: 'running',
      Description: 'a sleeper',
      Result: 'success',
      ExecMainExitTimestamp: undefined,
      ExecMainCode: undefined,
      NRestarts: 0,
      ControlGroup: `/system.slice/${name}`,
      Slice: 'system.slice',
      MemoryMax: undefined,
      Transient: true,
    });
    expect(seen.InvocationID).toMatch(/^[0-9a-f]{32}$/);
    expect(Math.abs((seen.ExecMainStartTimestamp ?? 0) / 1000 - Date.now())).toBeLessThan(60_000);
    expect(await readFile(`/proc/${seen.MainPID}/cmdline`, 'utf8')).toBe('sleep\x003600\x00');
    expect(await manager.getUnitByPid(seen.MainPID ?? 0)).toBe(name);
    await manager.stopUnit(name);
    expect((await errorOf(manager.getUnitProperty(name, 'ActiveState'))).kind).toBe('not-found');
  });

  it('pass every argument and variable byte for byte', async () => {
    const name = nextName();
    const home = '$' + 'HOME';
    const odd = [
      home,
      '$' + '{HOME}',
      '%n 100%',
      `it's "quoted"`,
      'two\nlines',
      'Grüße 世界',
      ' ',
      '',
      '\\x41',
      ';',
    ];
    const out = `/tmp/${name}.out`;
    await manager.startTransientUnit(name, [
      unitProperty('Type', 'oneshot'),
      unitProperty('RemainAfterExit', true),
      unitProperty('Environment', [...odd.map((value, index) => `ODD${index}=${value}`)]),
      unitProperty('ExecStartEx', [
        {
          path: '/bin/sh',
          argv: ['sh', '-c', `printf '%s\\0' "$@" > ${out}; cat /proc/self/environ >> ${out}`, 'sh', ...odd],
          flags: ['no-env-expand'],
        },
      ]),
    ]);
    const [written, ...rest] = [(await readFile(out, 'utf8')).split('\0')];
    expect(rest).toEqual([]);
    expect(written?.slice(0, odd.length)).toEqual(odd);
    for (const [index, value] of odd.entries()) expect(written).toContain(`ODD${index}=${value}`);
  });

  it('fail with what the service says of itself, and can be made again after the reset', async () => {
    const name = nextName();
    const properties = [unitProperty('Type', 'forking'), unitProperty('ExecStartEx', [sh('exit 7')])];
    const error = await errorOf(manager.startTransientUnit(name, properties));
    expect(error.kind).toBe('job-failed');
    expect(error.details).toMatchObject({ result: 'failed', unit: name, unitResult: 'exit-code' });
    expect(error.message).toContain(name);
    expect(await manager.getUnitProperty(name, 'ActiveState')).toBe('failed');
    expect((await errorOf(manager.startTransientUnit(name, properties))).kind).toBe('already-exists');
    await manager.resetFailedUnit(name);
    await manager.resetFailedUnit(name);
    await manager.startTransientUnit(name, sleeper());
  });

  it('keep the exit code of a main process that failed', async () => {
    const name = nextName();
    const failed = eventOf('changed', name, ({ properties }) => properties.ActiveState === 'failed');
    await manager.startTransientUnit(name, [unitProperty('ExecStartEx', [sh('exit 7')])]);
    await failed;
    expect(
      await manager.unitProperties(name, ['Result', 'ExecMainCode', 'ExecMainStatus', 'ActiveState']),
    ).toEqual({ Result: 'exit-code', ExecMainCode: 1, ExecMainStatus: 7, ActiveState: 'failed' });
  });

  it('restart by systemd, each time with a new invocation', async () => {
    const name = nextName();
    const ids = firstValueFrom(
      manager.unitEvents.pipe(
        filter((event) => event.type === 'changed' && event.unit === name),
        map((event) => (event.type === 'changed' ? event.properties.InvocationID : undefined)),
        filter((id) => id !== undefined),
        distinct(),
        take(3),
        toArray(),
      ),
    );
    await manager.startTransientUnit(name, [
      unitProperty('ExecStartEx', [sh('exit 1')]),
      unitProperty('Restart', 'always'),
      unitProperty('RestartUSec', 10_000),
      unitProperty('StartLimitIntervalUSec', 0),
    ]);
    expect(await ids).toHaveLength(3);
    expect(await manager.getUnitProperty(name, 'NRestarts')).toBeGreaterThanOrEqual(2);
  });

  it('get signals, to the main process or to all', async () => {
    const name = nextName();
    await manager.startTransientUnit(name, [
      unitProperty('ExecStartEx', [sh('trap "exit 3" USR1; sleep 3600 & wait')]),
    ]);
    const failed = eventOf('changed', name, ({ properties }) => properties.ActiveState === 'failed');
    await manager.killUnit(name, { who: 'main', signal: 10 });
    await failed;
    const properties = await manager.unitProperties(name, ['ExecMainCode', 'ExecMainStatus']);
    // The shell may get the signal before it set the trap.
    expect([
      { ExecMainCode: 1, ExecMainStatus: 3 },
      { ExecMainCode: 2, ExecMainStatus: 10 },
    ]).toContainEqual(properties);
    await manager.resetFailedUnit(name);
    await manager.startTransientUnit(name, sleeper());
    const killed = eventOf('changed', name, ({ properties: { ActiveState } }) => ActiveState === 'failed');
    await manager.killUnit(name, { who: 'all', signal: 9 });
    await killed;
    expect(await manager.getUnitProperty(name, 'Result')).toBe('signal');
  });

  it('take limits while they run, and write them into the cgroup', async () => {
    const name = nextName();
    // Of the type `exec`, as the process may not be in its cgroup yet when a job of the type `simple` is done.
    await manager.startTransientUnit(
      name,
      sleeper(
        unitProperty('Type', 'exec'),
        unitProperty('MemoryMax', 64 * 2 ** 20),
        unitProperty('TasksMax', 20),
      ),
    );
    expect(await manager.unitProperties(name, ['MemoryMax', 'TasksMax'])).toEqual({
      MemoryMax: 64 * 2 ** 20,
      TasksMax: 20,
    });
    await manager.setUnitProperties(
      name,
      [unitProperty('MemoryMax', 'infinity'), unitProperty('TasksMax', 30n)],
      { runtime: true },
    );
    expect(
      await manager.unitProperties(name, ['MemoryMax', 'TasksMax', 'TasksCurrent', 'MemoryCurrent']),
    ).toMatchObject({ MemoryMax: undefined, TasksMax: 30, TasksCurrent: 1 });
  });

  it('take in processes from outside, which then die with them', async () => {
    const name = nextName();
    await manager.startTransientUnit(name, sleeper(unitProperty('Delegate', true)));
    const child = spawn('sleep', ['3600'], { stdio: 'ignore' });
    const ended = once(child, 'exit');
    await manager.attachProcessesToUnit(name, '', [child.pid ?? 0]);
    expect(await cgroupOf(child.pid ?? 0)).toContain(`/system.slice/${name}`);
    await manager.stopUnit(name);
    expect(await ended).toEqual([null, 'SIGTERM']);
  });

  it('run in the slice of a pod, below the slice of all', async () => {
    const uid = `test-${process.pid}`;
    const slice = podSliceName(uid);
    const name = nextName();
    await manager.startTransientUnit(slice, [unitProperty('MemoryMax', 128 * 2 ** 20)]);
    await manager.startTransientUnit(name, sleeper(unitProperty('Slice', slice)));
    expect(await manager.getUnitProperty(name, 'ControlGroup')).toBe(`/${slicePath(slice)}/${name}`);
    expect(await manager.unitProperties(slice, ['ActiveState', 'MemoryMax', 'ControlGroup'])).toEqual({
      ActiveState: 'active',
      MemoryMax: 128 * 2 ** 20,
      ControlGroup: `/podwright.slice/${slice}`,
    });
    await manager.stopUnit(slice);
    expect((await errorOf(manager.getUnitProperty(name, 'ActiveState'))).kind).toBe('not-found');
  });

  it('start a hundred at once and stop them, each job told apart', async () => {
    const names = Array.from({ length: 100 }, nextName);
    await Promise.all(names.map((name) => manager.startTransientUnit(name, sleeper())));
    const rows = await manager.listUnits({ patterns: [`${PREFIX}-*.service`], states: ['running'] });
    expect(rows.map(({ name }) => name).sort()).toEqual([...names].sort());
    expect(rows[0]).toMatchObject({ loadState: 'loaded', activeState: 'active', subState: 'running' });
    await Promise.all(names.map((name) => manager.stopUnit(name)));
    expect(await manager.listUnits({ patterns: [`${PREFIX}-*.service`] })).toEqual([]);
  });
});

describe('jobs', () => {
  const slowStart = () => [
    unitProperty('Type', 'oneshot'),
    unitProperty('ExecStartEx', [{ path: '/bin/sleep', argv: ['sleep', '3600'] }]),
  ];

  it('are cancelled with the caller', async () => {
    const name = nextName();
    const controller = new AbortController();
    const activating = eventOf('changed', name, ({ properties }) => properties.ActiveState === 'activating');
    const started = errorOf(manager.startTransientUnit(name, slowStart(), { signal: controller.signal }));
    await activating;
    controller.abort();
    expect((await started).kind).toBe('cancelled');
    expect(await manager.getUnitProperty(name, 'Job')).toBeUndefined();
    await manager.stopUnit(name);
  });

  it('are cancelled when they take too long', async () => {
    const name = nextName();
    const error = await errorOf(manager.startTransientUnit(name, slowStart(), { timeoutMs: 200 }));
    expect(error.kind).toBe('timeout');
    expect(await manager.getUnitProperty(name, 'Job')).toBeUndefined();
  });

  it('that somebody else cancels fail as canceled', async () => {
    const name = nextName();
    const activating = eventOf('changed', name, ({ properties }) => properties.ActiveState === 'activating');
    const started = errorOf(manager.startTransientUnit(name, slowStart()));
    await activating;
    await run('systemctl', ['stop', name]);
    expect((await started).details).toMatchObject({ result: 'canceled', unit: name });
  });

  it('that run into the time-out of the unit fail with the result of the unit', async () => {
    const name = nextName();
    const error = await errorOf(
      manager.startTransientUnit(name, [...slowStart(), unitProperty('TimeoutStartUSec', 100_000)]),
    );
    expect(error.details).toMatchObject({ result: 'failed', unitResult: 'timeout' });
  });

  it('of a unit whose dependency fails say so', async () => {
    const broken = nextName();
    const name = nextName();
    await expect(
      manager.startTransientUnit(broken, [
        unitProperty('Type', 'oneshot'),
        unitProperty('ExecStartEx', [sh('exit 1')]),
      ]),
    ).rejects.toThrow(/was not started: the unit failed/);
    const error = await errorOf(
      manager.startTransientUnit(
        name,
        sleeper(unitProperty('Requires', [broken]), unitProperty('After', [broken])),
      ),
    );
    expect(error.details).toMatchObject({ result: 'dependency' });
  });
});

describe('errors', () => {
  it.each<[string, () => Promise<unknown>, string]>([
    ['stopping a unit that is not there', () => manager.stopUnit(nextName()), 'not-found'],
    ['killing it', () => manager.killUnit(nextName(), { who: 'all', signal: 9 }), 'not-found'],
    ['reading it', () => manager.getUnitProperty(nextName(), 'MainPID'), 'not-found'],
    ['attaching to it', () => manager.attachProcessesToUnit(nextName(), '', [1]), 'not-found'],
    [
      'a property of the wrong type of unit',
      () => manager.getUnitProperty('-.slice', 'MainPID'),
      'unsupported',
    ],
    ['a name that is none', () => manager.startTransientUnit('no suffix', sleeper()), 'invalid-argument'],
    ['no command', () => manager.startTransientUnit(nextName(), []), 'invalid-argument'],
    [
      'a value that systemd refuses',
      () => manager.startTransientUnit(nextName(), sleeper(unitProperty('Slice', 'no-slice.service'))),
      'invalid-argument',
    ],
  ])('%s', async (_, attempt, kind) => {
    const error = await errorOf(attempt());
    expect(error.kind).toBe(kind);
    expect(error.details['errorName']).toMatch(/\./);
  });

  it.runIf(process.getuid?.() === 0)('another user is told that the right is missing', async () => {
    const { stderr, code } = await run('setpriv', [
      '--reuid=65534',
      '--clear-groups',
      'busctl',
      'call',
      'org.freedesktop.systemd1',
      '/org/freedesktop/systemd1',
      'org.freedesktop.systemd1.Manager',
      'StopUnit',
      'ss',
      'dbus.service',
      'replace',
    ]).then(
      () => ({ stderr: '', code: 0 }),
      (error: unknown) => ({ stderr: messageOf(error), code: 1 }),
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/Access denied|authentication required/i);
  });
});

describe('events', () => {
  it('tell the life of a unit in its order', async () => {
    const name = nextName();
    const seen: string[] = [];
    const subscription = manager.unitEvents.subscribe((event) => {
      if (event.type === 'relist' || event.unit !== name) return;
      const state = event.type === 'changed' ? event.properties.ActiveState : undefined;
      const told =
        event.type === 'job-removed' ? `job ${event.result}` : event.type === 'changed' ? state : event.type;
      if (told !== undefined && seen.at(-1) !== told) seen.push(told);
    });
    const removed = eventOf('removed', name);
    await manager.startTransientUnit(name, sleeper());
    await manager.stopUnit(name);
    await removed;
    subscription.unsubscribe();
    expect(seen.at(0)).toBe('new');
    expect(seen.at(-1)).toBe('removed');
    const order = ['active', 'deactivating', 'inactive'].map((state) => seen.lastIndexOf(state));
    expect(order).toEqual([...order].sort((left, right) => left - right));
    expect(order).not.toContain(-1);
    expect(seen.filter((what) => what === 'job done')).toHaveLength(2);
  });

  it.each(['daemon-reload', 'daemon-reexec'])('go on over %s, with a relist and no lie', async (command) => {
    const name = nextName();
    await manager.startTransientUnit(name, sleeper());
    const lies: string[] = [];
    const subscription = manager.unitEvents.subscribe((event) => {
      if (event.type === 'removed' && event.unit === name) lies.push(event.type);
    });
    const relist = firstValueFrom(manager.unitEvents.pipe(filter(({ type }) => type === 'relist')));
    await run('systemctl', [command]);
    await relist;
    expect(lies).toEqual([]);
    subscription.unsubscribe();
    expect(await manager.getUnitProperty(name, 'ActiveState')).toBe('active');
    const stopping = eventOf('changed', name, ({ properties }) => properties.ActiveState === 'deactivating');
    await manager.stopUnit(name);
    await stopping;
  });

  it('and an awaited job survive systemd executing itself anew', async () => {
    const name = nextName();
    const activating = eventOf('changed', name, ({ properties }) => properties.ActiveState === 'activating');
    const started = manager.startTransientUnit(name, [
      unitProperty('Type', 'oneshot'),
      unitProperty('RemainAfterExit', true),
      unitProperty('ExecStartEx', [{ path: '/bin/sleep', argv: ['sleep', '2'] }]),
    ]);
    await activating;
    await run('systemctl', ['daemon-reexec']);
    await started;
    expect(await manager.getUnitProperty(name, 'ActiveState')).toBe('active');
  });
});

describe('every property that unitProperty knows', () => {
  /** The two that are left out have tests of their own; a missing one is an error of the compiler. */
  type Listed = Exclude<WritableUnitProperty, 'ExecStartEx' | 'PIDs'>;
  const CASES: { readonly [N in Listed]: WritableUnitPropertyValue<N> } = {
    Description: 'text % $',
    Slice: 'system.slice',
    DefaultDependencies: false,
    CollectMode: 'inactive-or-failed',
    After: ['basic.target'],
    Before: ['shutdown.target'],
    Requires: ['basic.target'],
    Wants: ['basic.target'],
    BindsTo: ['basic.target'],
    PartOf: ['basic.target'],
    StartLimitIntervalUSec: 0,
    StartLimitBurst: 7,
    Type: 'simple',
    PIDFile: '/run/podwright-test.pid',
    RemainAfterExit: true,
    GuessMainPID: false,
    NotifyAccess: 'none',
    ExecStart: [{ path: '/bin/sleep', argv: ['sleep', '3600'], ignoreFailure: true }],
    ExecStartPreEx: [sh('true')],
    ExecStartPostEx: [sh('true', 'ignore-failure')],
    ExecStopEx: [sh('true')],
    ExecStopPostEx: [sh('true')],
    Restart: 'always',
    RestartUSec: 5_000_000,
    TimeoutStartUSec: 5_000_000,
    TimeoutStopUSec: 'infinity',
    RuntimeMaxUSec: 3_600_000_000,
    SuccessExitStatus: { codes: [7, 143], signals: [9] },
    OOMPolicy: 'continue',
    Environment: ['A=b c'],
    WorkingDirectory: '/tmp',
    User: 'root',
    Group: 'root',
    UMask: 0o27,
    StandardInput: 'null',
    StandardOutput: 'null',
    StandardError: 'journal',
    SyslogIdentifier: 'podwright-test',
    LogNamespace: 'podwright-test',
    LogRateLimitIntervalUSec: 1_000_000,
    LogRateLimitBurst: 100_000_000,
    OOMScoreAdjust: 100,
    LimitNOFILE: 1024,
    LimitNOFILESoft: 512,
    LimitNPROC: 1000,
    LimitNPROCSoft: 1000,
    LimitCORE: 0,
    LimitCORESoft: 0,
    LimitMEMLOCK: 65_536,
    LimitMEMLOCKSoft: 65_536,
    KillMode: 'mixed',
    KillSignal: 2,
    FinalKillSignal: 9,
    SendSIGKILL: true,
    SendSIGHUP: false,
    Delegate: true,
    DelegateControllers: ['memory', 'pids'],
    DevicePolicy: 'closed',
    DeviceAllow: [
      { path: '/dev/null', permissions: 'rw' },
      { path: 'char-pts', permissions: 'rw' },
      { path: 'block-*', permissions: 'm' },
    ],
    CPUAccounting: true,
    MemoryAccounting: true,
    TasksAccounting: true,
    IOAccounting: true,
    MemoryMin: 0,
    MemoryLow: 1_048_576,
    MemoryHigh: 'infinity',
    MemoryMax: 2n ** 40n,
    MemorySwapMax: 0,
    TasksMax: 'infinity',
    CPUQuotaPerSecUSec: 500_000,
    CPUQuotaPeriodUSec: 100_000,
    CPUWeight: 100,
    CPUShares: 1024,
    IOWeight: 100,
    AllowedCPUs: Buffer.from([1]),
    AllowedMemoryNodes: Buffer.from([1]),
  };
  it.each(Object.entries(CASES) as [Listed, WritableUnitPropertyValue<Listed>][])(
    '%s is taken',
    async (property, value) => {
      const properties = [unitProperty(property, value)];
      if (property !== 'ExecStart') properties.push(...sleeper());
      const outcome = await manager
        .startTransientUnit(nextName(), properties, { timeoutMs: 30_000 * slowness })
        .then(
          () => 'started',
          (error: unknown) => (PodwrightError.is(error) ? error.kind : 'no PodwrightError'),
        );
      // What this host cannot do with a property it took shows as a failed job, not as an error reply.
      expect(['started', 'job-failed']).toContain(outcome);
    },
  );

  it('PIDs makes a scope of processes that live already', async () => {
    const child = spawn('sleep', ['3600'], { stdio: 'ignore' });
    const ended = once(child, 'exit');
    const name = `${PREFIX}.scope`;
    await manager.startTransientUnit(name, [unitProperty('PIDs', [child.pid ?? 0])]);
    expect(await manager.unitProperties(name, ['ActiveState', 'Result'])).toEqual({
      ActiveState: 'active',
      Result: 'success',
    });
    await manager.stopUnit(name);
    await ended;
  });
});

describe('names', () => {
  /** What the real systemd-escape makes of texts, one line each. */
  async function systemdEscape(texts: readonly string[], ...options: string[]): Promise<string[]> {
    const lines: string[] = [];
    for (const text of texts) {
      const { stdout } = await run('systemd-escape', [...options, '--', text]);
      lines.push(stdout.slice(0, -1));
    }
    return lines;
  }
  const texts = fc.array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.string({ unit: fc.constantFrom('/', '-', '.', '\\', 'x', 'a', '2', '@', ' ', 'ü'), maxLength: 12 }),
    ),
    { minLength: 1, maxLength: 8 },
  );
  const usable = (text: string) =>
    text !== '' && !text.includes('\0') && Buffer.from(text).toString() === text;

  it('are escaped and read as systemd-escape does it', async () => {
    await fc.assert(
      fc.asyncProperty(texts, async (generated) => {
        const given = generated.filter(usable);
        const escaped = given.map(escapeUnitName);
        expect(escaped).toEqual(await systemdEscape(given));
        expect(escaped.map(unescapeUnitName)).toEqual(await systemdEscape(escaped, '--unescape'));
        for (const text of escaped) expect(isValidUnitName(`${text}.service`)).toBe(text.length <= 247);
      }),
      { numRuns: fewer(25) },
    );
  });

  it('of paths are escaped as systemd-escape --path does it', async () => {
    await fc.assert(
      fc.asyncProperty(texts, async (generated) => {
        const given = generated
          .map((text) => `/${text}`)
          .filter((text) => usable(text) && !text.split('/').includes('..'));
        expect(given.map(escapeUnitPath)).toEqual(await systemdEscape(given, '--path'));
      }),
      { numRuns: fewer(25) },
    );
  });

  it('of slices nest as systemd nests them', async () => {
    const parent = sliceName('-.slice', `${PREFIX}`);
    const child = sliceName(parent, 'a-b/c');
    await manager.startTransientUnit(child, []);
    const name = nextName();
    await manager.startTransientUnit(name, sleeper(unitProperty('Slice', child)));
    expect(await manager.getUnitProperty(name, 'ControlGroup')).toBe(`/${slicePath(child)}/${name}`);
    await manager.stopUnit(parent);
  });
});

describe('systemd itself', () => {
  it('says its version and its state', async () => {
    expect(systemdVersionNumber(await manager.version())).toBeGreaterThanOrEqual(250);
    expect(['running', 'degraded', 'starting']).toContain(await manager.systemState());
  });

  it('answers other calls over the same bus', async () => {
    const [id] = await bus.call({
      destination: 'org.freedesktop.DBus',
      path: '/org/freedesktop/DBus',
      interface: 'org.freedesktop.DBus',
      member: 'GetId',
    });
    expect(id).toMatch(/^[0-9a-f]{32}$/);
  });
});
