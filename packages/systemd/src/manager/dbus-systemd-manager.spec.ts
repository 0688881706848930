import { Logger, messageOf, PodwrightError } from '@podwright/core';
import { Container } from 'inversify';
import { filter, firstValueFrom, take, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { Cleanup } from '../../test/cleanup.js';
import { DbusDaemon } from '../../test/dbus-daemon.js';
import { FakeSystemd, unitProperties } from '../../test/fake-systemd.js';
import { type BusValue, variant } from '../bus/bus-value.js';
import { SystemdBus } from '../bus/systemd-bus.js';
import { systemdModule } from '../systemd-module.js';
import { JOB_RESULTS } from './job-result.js';
import { SystemdManager } from './systemd-manager.js';
import type { UnitEvent } from './unit-event.js';
import { UINT64_MAX } from './unit-property.js';

const UNIT = 'some.service';
const cleanup = new Cleanup();

async function fakeAt(
  daemon: DbusDaemon,
  units: Record<string, Record<string, BusValue>> = {},
): Promise<FakeSystemd> {
  const fake = await FakeSystemd.start(daemon.address, units);
  cleanup.defer(() => fake.end());
  return fake;
}

async function setUp(callTimeoutMs = 15_000) {
  const daemon = cleanup.use(await DbusDaemon.start());
  const systemd = await fakeAt(daemon);
  const container = new Container();
  const warnings: string[] = [];
  const log = () => undefined;
  container.bind(Logger).toConstantValue({
    debug: log,
    info: log,
    warn: (message) => warnings.push(message),
    error: (message) => warnings.push(message),
  });
  await container.load(systemdModule({ address: daemon.address, callTimeoutMs }));
  const manager = cleanup.use(container.get(SystemdManager));
  await manager.start();
  return { daemon, systemd, manager, bus: container.get(SystemdBus), warnings };
}

async function errorOf(promise: Promise<unknown>): Promise<PodwrightError> {
  const error = await promise.then(
    () => new Error('no error'),
    (reason: unknown) => reason,
  );
  if (!PodwrightError.is(error)) throw new Error(`no PodwrightError: ${messageOf(error)}`);
  return error;
}

const next = <T extends UnitEvent['type']>(manager: SystemdManager, type: T) =>
  firstValueFrom(
    manager.unitEvents.pipe(filter((event): event is Extract<UnitEvent, { type: T }> => event.type === type)),
  );

describe('a job', () => {
  it.each(JOB_RESULTS)('that ends with %s is told apart', async (result) => {
    const { systemd, manager } = await setUp();
    const outcome = manager.startUnit(UNIT).then(
      () => 'done',
      (error: unknown) => PodwrightError.is(error, 'job-failed') && error.details['result'],
    );
    await systemd.called('StartUnit');
    systemd.endJob(1, result);
    expect(await outcome).toBe(result);
  });

  it('with a result that this version does not know fails too', async () => {
    const { systemd, manager } = await setUp();
    const outcome = errorOf(manager.startUnit(UNIT));
    await systemd.called('StartUnit');
    systemd.endJob(1, 'frobnicated');
    expect((await outcome).details).toMatchObject({ result: 'unknown' });
  });

  it('that is over before its reply comes is not missed', async () => {
    const { systemd, manager } = await setUp();
    systemd.endBeforeReply = 'done';
    await manager.startTransientUnit(UNIT, []);
    systemd.endBeforeReply = 'failed';
    expect((await errorOf(manager.startTransientUnit(UNIT, []))).kind).toBe('job-failed');
  });

  it('is not ended by the job of another', async () => {
    const { systemd, manager } = await setUp();
    const ended: string[] = [];
    const first = manager.startUnit('a.service').then(() => ended.push('a'));
    const second = manager.startUnit('b.service').then(() => ended.push('b'));
    await firstValueFrom(systemd.calls.pipe(filter((call) => call.body[0] === 'b.service')));
    systemd.endJob(2, 'done');
    await second;
    systemd.endJob(1, 'done');
    await first;
    expect(ended).toEqual(['b', 'a']);
  });

  it('that two ask for at once ends for both, and goes on when one of them has cancelled', async () => {
    const { systemd, manager } = await setUp();
    const controller = new AbortController();
    const asked = firstValueFrom(
      systemd.calls.pipe(
        filter(({ member }) => member === 'StopUnit'),
        take(3),
        toArray(),
      ),
    );
    const stops = [manager.stopUnit(UNIT), manager.stopUnit(UNIT)];
    const cancelled = errorOf(manager.stopUnit(UNIT, { signal: controller.signal }));
    await asked;
    // An answer to this one means that those of the three calls before it have come.
    await manager.killUnit(UNIT, { who: 'all', signal: 9 });
    controller.abort();
    expect((await cancelled).kind).toBe('cancelled');
    systemd.endJob(1, 'done');
    expect(await Promise.all(stops)).toEqual([undefined, undefined]);
  });

  it('that failed tells what the unit says of itself', async () => {
    const { systemd, manager } = await setUp();
    systemd.units.set(
      UNIT,
      unitProperties({ ActiveState: 'failed', Result: 'exit-code', ExecMainCode: 1, ExecMainStatus: 203 }),
    );
    const outcome = errorOf(manager.startUnit(UNIT));
    await systemd.called('StartUnit');
    systemd.endJob(1, 'failed');
    const error = await outcome;
    expect(error.message).toContain('(result "exit-code", its main process exited with 203)');
    expect(error.details).toEqual({
      result: 'failed',
      unit: UNIT,
      job: '/org/freedesktop/systemd1/job/1',
      unitResult: 'exit-code',
      execMainCode: 1,
      execMainStatus: 203,
    });
  });

  it('is cancelled in systemd when the caller cancels', async () => {
    const { systemd, manager } = await setUp();
    const controller = new AbortController();
    const outcome = errorOf(manager.startUnit(UNIT, { signal: controller.signal }));
    await systemd.called('StartUnit');
    controller.abort();
    expect((await outcome).kind).toBe('cancelled');
    expect((await systemd.called('CancelJob')).body).toEqual([1]);
  });

  it('is not asked for when the caller has cancelled before', async () => {
    const { manager, systemd } = await setUp();
    systemd.calls.subscribe(({ member }) => expect(member).not.toBe('StartUnit'));
    expect((await errorOf(manager.startUnit(UNIT, { signal: AbortSignal.abort() }))).kind).toBe('cancelled');
    await manager.killUnit(UNIT, { who: 'all', signal: 9 });
  });

  it('is not waited for when the caller does not want to', async () => {
    const { systemd, manager } = await setUp();
    const asked = systemd.called('StartUnit');
    await manager.startUnit(UNIT, { wait: false });
    expect((await asked).body).toEqual([UNIT, 'replace']);
    systemd.endJob(1, 'failed');
  });

  it('is cancelled in systemd when it takes too long', async () => {
    const { systemd, manager } = await setUp();
    expect((await errorOf(manager.startUnit(UNIT, { timeoutMs: 20 }))).kind).toBe('timeout');
    expect((await systemd.called('CancelJob')).body).toEqual([1]);
  });

  it('has its time in full when that is longer than a timer of Node', async () => {
    const { systemd, manager } = await setUp();
    const outcome = manager.startUnit(UNIT, { timeoutMs: 2 ** 32 });
    await systemd.called('StartUnit');
    // The answers to these come after that to the first call, when the job is waited for.
    for (let round = 0; round < 10; round++) await manager.killUnit(UNIT, { who: 'all', signal: 9 });
    systemd.endJob(1, 'done');
    expect(await outcome).toBeUndefined();
  });

  it('fails as closed with the manager', async () => {
    const { systemd, manager } = await setUp();
    const outcome = errorOf(manager.startUnit(UNIT));
    await systemd.called('StartUnit');
    await manager[Symbol.asyncDispose]();
    expect((await outcome).kind).toBe('closed');
  });
});

describe('a job over a broken connection', () => {
  /** Starts or stops, kills the daemon, and brings it and systemd back with the unit in the given state. */
  async function breakMeanwhile(verb: 'startUnit' | 'stopUnit', state: string | undefined) {
    const { daemon, systemd, manager } = await setUp();
    const outcome = manager[verb](UNIT).then(
      () => 'done',
      (error: unknown) => (PodwrightError.is(error) ? error.kind : messageOf(error)),
    );
    await systemd.called(verb === 'startUnit' ? 'StartUnit' : 'StopUnit');
    // The reply has been taken in once a later call is answered.
    await manager.killUnit(UNIT, { who: 'all', signal: 1 });
    const relist = next(manager, 'relist');
    await daemon.kill();
    await daemon.boot();
    await fakeAt(daemon, state === undefined ? {} : { [UNIT]: unitProperties({ ActiveState: state }) });
    await relist;
    return outcome;
  }

  it.each([
    ['startUnit', 'active', 'done'],
    ['startUnit', 'failed', 'job-failed'],
    ['startUnit', 'inactive', 'unavailable'],
    ['startUnit', undefined, 'unavailable'],
    ['stopUnit', 'inactive', 'done'],
    ['stopUnit', 'failed', 'done'],
    ['stopUnit', undefined, 'done'],
    ['stopUnit', 'active', 'unavailable'],
  ] as const)('%s with the unit %s afterwards: %s', async (verb, state, outcome) => {
    expect(await breakMeanwhile(verb, state)).toBe(outcome);
  });

  it('that systemd still knows is awaited further', async () => {
    const { systemd, manager } = await setUp();
    const outcome = manager.startUnit(UNIT);
    await systemd.called('StartUnit');
    await manager.killUnit(UNIT, { who: 'all', signal: 1 });
    const relist = next(manager, 'relist');
    // As after daemon-reexec: the same jobs, under a new owner of the name.
    await systemd.release();
    await systemd.own();
    await relist;
    systemd.endJob(1, 'done');
    await outcome;
  });
});

describe('events', () => {
  it('have the unit and what is known of its properties, each in its type', async () => {
    const { systemd, manager } = await setUp();
    const event = next(manager, 'changed');
    await manager.killUnit(UNIT, { who: 'all', signal: 1 });
    systemd.changed(
      'a-b@c\\x2d.service',
      'Service',
      {
        MainPID: variant('u', 0),
        MemoryCurrent: variant('t', UINT64_MAX),
        CPUUsageNSec: variant('t', 2n ** 60n),
        InvocationID: variant('ay', Buffer.from('00ff', 'hex')),
        Unheard: variant('s', 'x'),
        NRestarts: variant('s', 'in another type'),
      },
      ['ExecStart'],
    );
    expect(await event).toEqual({
      type: 'changed',
      unit: 'a-b@c\\x2d.service',
      properties: {
        MainPID: undefined,
        MemoryCurrent: undefined,
        CPUUsageNSec: 2n ** 60n,
        InvocationID: '00ff',
      },
      invalidated: ['ExecStart', 'NRestarts'],
    });
  });

  it('do not tell what systemd says of all units while it reloads, and ask for a relist', async () => {
    const { systemd, manager } = await setUp();
    const seen: UnitEvent[] = [];
    manager.unitEvents.subscribe((event) => seen.push(event));
    const removed = next(manager, 'removed');
    await manager.killUnit(UNIT, { who: 'all', signal: 1 });
    const path = '/org/freedesktop/systemd1/unit/x';
    systemd.emit('Reloading', 'b', [true]);
    systemd.emit('UnitRemoved', 'so', [UNIT, path]);
    systemd.emit('UnitNew', 'so', [UNIT, path]);
    systemd.emit('Reloading', 'b', [false]);
    systemd.emit('UnitRemoved', 'so', ['other.service', path]);
    await removed;
    expect(seen).toEqual([{ type: 'relist' }, { type: 'removed', unit: 'other.service' }]);
  });

  it('go on after the daemon died, with Subscribe called again', async () => {
    const { daemon, manager, warnings } = await setUp();
    const relist = next(manager, 'relist');
    const added = next(manager, 'new');
    await daemon.kill();
    await daemon.boot();
    const again = await fakeAt(daemon);
    await again.called('Subscribe');
    await relist;
    again.emit('UnitNew', 'so', [UNIT, '/org/freedesktop/systemd1/unit/x']);
    expect(await added).toEqual({ type: 'new', unit: UNIT });
    expect(warnings).toContain('the D-Bus connection was lost');
  });
});

describe('units', () => {
  it('that are not loaded are not found, however a read of their properties would go', async () => {
    const { manager } = await setUp();
    const error = await errorOf(manager.unitProperties(UNIT, ['ActiveState', 'MainPID']));
    expect(error.kind).toBe('not-found');
    expect(error.message).toContain('Unit some.service not loaded');
  });

  it('are read in the types that are promised, and a property in another type is an error', async () => {
    const { systemd, manager } = await setUp();
    systemd.units.set(UNIT, { MainPID: variant('u', 7), NRestarts: variant('s', '7') });
    expect(await manager.getUnitProperty(UNIT, 'MainPID')).toBe(7);
    expect((await errorOf(manager.getUnitProperty(UNIT, 'NRestarts'))).kind).toBe('unsupported');
    expect((await errorOf(manager.getUnitProperty(UNIT, 'Slice'))).kind).toBe('unsupported');
  });

  it('that are gone can be reset', async () => {
    const { manager } = await setUp();
    await manager.resetFailedUnit(UNIT);
  });
});

describe('the module', () => {
  it('takes the address from the environment, else the usual one', async () => {
    const addressOf = async (options?: Parameters<typeof systemdModule>[0]) => {
      const container = new Container();
      await container.load(systemdModule(options));
      return container.get(SystemdBus).address;
    };
    const before = process.env['DBUS_SYSTEM_BUS_ADDRESS'];
    try {
      delete process.env['DBUS_SYSTEM_BUS_ADDRESS'];
      expect(await addressOf()).toBe('unix:path=/run/dbus/system_bus_socket');
      process.env['DBUS_SYSTEM_BUS_ADDRESS'] = 'unix:path=/elsewhere';
      expect(await addressOf()).toBe('unix:path=/elsewhere');
      expect(await addressOf({ address: 'unix:path=/given' })).toBe('unix:path=/given');
    } finally {
      if (before === undefined) delete process.env['DBUS_SYSTEM_BUS_ADDRESS'];
      else process.env['DBUS_SYSTEM_BUS_ADDRESS'] = before;
    }
  });

  it('says so when systemd is not on the bus', async () => {
    const daemon = cleanup.use(await DbusDaemon.start());
    const container = new Container();
    await container.load(systemdModule({ address: daemon.address }));
    const manager = cleanup.use(container.get(SystemdManager));
    const error = await errorOf(manager.start());
    expect(error.kind).toBe('unavailable');
    expect(error.details['errorName']).toBe('org.freedesktop.DBus.Error.NameHasNoOwner');
  });
});

describe('unit files', () => {
  it('are enabled and disabled, and what changed is told', async () => {
    const { systemd, manager } = await setUp();
    expect(await manager.enableUnitFiles(['/x/a.service'], { force: true })).toEqual([
      { type: 'symlink', path: '/etc/a', target: '/x/a.service' },
    ]);
    expect((await systemd.called('EnableUnitFiles')).body).toEqual([['/x/a.service'], false, true]);
    expect(await manager.disableUnitFiles(['a.service'], { runtime: true })).toEqual([
      { type: 'unlink', path: '/etc/a', target: '' },
    ]);
    expect((await systemd.called('DisableUnitFiles')).body).toEqual([['a.service'], true]);
  });

  it('are read again', async () => {
    const { systemd, manager } = await setUp();
    await manager.reload();
    expect((await systemd.called('Reload')).body).toEqual([]);
  });
});
