import { filter, firstValueFrom, type Observable, ReplaySubject } from 'rxjs';
import { type BusValue, variant } from '../src/bus/bus-value.js';
import type { IncomingMessage } from '../src/bus/message-codec.js';
import {
  MANAGER_INTERFACE,
  MANAGER_PATH,
  PROPERTIES_INTERFACE,
  SYSTEMD,
} from '../src/manager/manager-call.js';
import { unitObjectPath, unitOfObjectPath } from '../src/names/unit-name.js';
import { type Answer, BusPeer } from './bus-peer.js';

const JOB_CALLS = ['StartTransientUnit', 'StartUnit', 'StopUnit', 'RestartUnit'];
const failure = (errorName: string, text: string): Answer => ({ errorName, signature: 's', body: [text] });

/** Answers in systemd's name on a test's own bus, so that a test decides what happens when. */
export class FakeSystemd {
  private lastJob = 0;
  private readonly jobs = new Map<number, { readonly member: string; readonly unit: string }>();
  /** Loaded units and the values of their properties. */
  readonly units = new Map<string, Record<string, BusValue>>();
  /** Every method call that came, from the first. */
  readonly calls: Observable<IncomingMessage>;
  /** Ends each job before the reply that names it, as systemd may do. */
  endBeforeReply: string | undefined;

  private constructor(private readonly peer: BusPeer) {
    const calls = new ReplaySubject<IncomingMessage>();
    this.calls = calls;
    peer.serve((call) => {
      const answer = this.answer(call);
      calls.next(call);
      return answer;
    });
  }

  static async start(
    address: string,
    units: Record<string, Record<string, BusValue>> = {},
  ): Promise<FakeSystemd> {
    const peer = await BusPeer.connect(address);
    const fake = new FakeSystemd(peer);
    for (const [name, values] of Object.entries(units)) fake.units.set(name, values);
    await fake.own();
    return fake;
  }

  /** Takes systemd's name. */
  own(): Promise<void> {
    return this.peer.own(SYSTEMD);
  }

  /** Gives systemd's name away. */
  release(): Promise<void> {
    return this.peer.release(SYSTEMD);
  }

  /** The first call of a method, before or after now. */
  called(member: string): Promise<IncomingMessage> {
    return firstValueFrom(this.calls.pipe(filter((call) => call.member === member)));
  }

  /** Ends a job as systemd would tell it. */
  endJob(id: number, result: string): void {
    const { unit = '' } = this.jobs.get(id) ?? {};
    this.jobs.delete(id);
    this.emit('JobRemoved', 'uoss', [id, jobPath(id), unit, result]);
  }

  emit(member: string, signature: string, body: readonly BusValue[]): void {
    this.peer.emit(MANAGER_PATH, MANAGER_INTERFACE, member, signature, body);
  }

  changed(unit: string, type: string, changed: Record<string, BusValue>, invalidated: string[] = []): void {
    const body = [`org.freedesktop.systemd1.${type}`, changed, invalidated];
    this.peer.emit(unitObjectPath(unit), PROPERTIES_INTERFACE, 'PropertiesChanged', 'sa{sv}as', body);
  }

  end(): void {
    this.peer.end();
  }

  private answer({ member = '', body, path = '' }: IncomingMessage): Answer | undefined {
    const [first, second] = body;
    if (JOB_CALLS.includes(member)) return this.newJob(member, String(first));
    switch (member) {
      case 'Subscribe':
      case 'KillUnit':
      case 'SetUnitProperties':
      case 'AttachProcessesToUnit':
      case 'Reload':
        return {};
      case 'EnableUnitFiles':
        return { signature: 'ba(sss)', body: [true, [['symlink', '/etc/a', String(first)]]] };
      case 'DisableUnitFiles':
        return { signature: 'a(sss)', body: [[['unlink', '/etc/a', '']]] };
      case 'ResetFailedUnit':
      case 'GetUnit':
        return this.units.has(String(first))
          ? { signature: 'o', body: [unitObjectPath(String(first))] }
          : failure('org.freedesktop.systemd1.NoSuchUnit', `Unit ${String(first)} not loaded.`);
      case 'GetJob':
      case 'CancelJob': {
        const id = Number(first);
        if (!this.jobs.has(id))
          return failure('org.freedesktop.systemd1.NoSuchJob', `Job ${id} does not exist.`);
        if (member === 'CancelJob') this.endJob(id, 'canceled');
        return { signature: 'o', body: [jobPath(id)] };
      }
      case 'Get': {
        const value = this.units.get(unitOfObjectPath(path) ?? path)?.[String(second)];
        return value === undefined
          ? failure('org.freedesktop.DBus.Error.UnknownProperty', `Unknown property ${String(second)}.`)
          : { signature: 'v', body: [value] };
      }
      default:
        return failure('org.freedesktop.DBus.Error.UnknownMethod', `Unknown method ${member}.`);
    }
  }

  /** As systemd does, it gives the job that is there already to whoever asks for the same again. */
  private newJob(member: string, unit: string): Answer {
    for (const [id, job] of this.jobs) {
      if (job.member === member && job.unit === unit) return { signature: 'o', body: [jobPath(id)] };
    }
    this.lastJob += 1;
    const id = this.lastJob;
    this.jobs.set(id, { member, unit });
    if (this.endBeforeReply !== undefined) this.endJob(id, this.endBeforeReply);
    return { signature: 'o', body: [jobPath(id)] };
  }
}

/** The properties of a unit, as systemd sends them. */
export function unitProperties(values: {
  readonly ActiveState: string;
  readonly Result?: string;
  readonly ExecMainCode?: number;
  readonly ExecMainStatus?: number;
}): Record<string, BusValue> {
  return {
    ActiveState: variant('s', values.ActiveState),
    Result: variant('s', values.Result ?? 'success'),
    ExecMainCode: variant('i', values.ExecMainCode ?? 0),
    ExecMainStatus: variant('i', values.ExecMainStatus ?? 0),
  };
}

function jobPath(id: number): string {
  return `${MANAGER_PATH}/job/${id}`;
}
