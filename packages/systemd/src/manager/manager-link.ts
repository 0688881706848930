import { Logger, messageOf, PodwrightError, silentLogger } from '@podwright/core';
import { inject, injectable, optional } from 'inversify';
import { filter, map, merge, type Observable, Subject, Subscription, share, skip } from 'rxjs';
import { DAEMON } from '../bus/bus-connection.js';
import { SystemdBus } from '../bus/systemd-bus.js';
import { JobTracker } from './job-tracker.js';
import { MANAGER_SIGNALS, managerCall, SYSTEMD, UNIT_SIGNALS } from './manager-call.js';
import { type UnitEvent, unitEventOf } from './unit-event.js';

/** How long a job's end is awaited over a broken connection, in milliseconds. */
const RECONNECT_GRACE_MS = 30_000;

/** Follows systemd over the bus, also over the end of either: what units do, and the jobs that are awaited meanwhile. */
@injectable()
export class ManagerLink {
  private readonly relists = new Subject<UnitEvent>();
  private readonly subscriptions = new Subscription();
  private starting: Promise<void> | undefined;
  private graceTimer: NodeJS.Timeout | undefined;
  /** While systemd reloads or executes itself anew it says of every unit that it was removed, and made again. */
  private reloading = false;
  readonly unitEvents: Observable<UnitEvent>;

  constructor(
    @inject(SystemdBus) private readonly bus: SystemdBus,
    @inject(JobTracker) private readonly jobs: JobTracker,
    @inject(Logger) @optional() private readonly logger: Logger = silentLogger,
  ) {
    this.unitEvents = merge(
      merge(bus.signals(MANAGER_SIGNALS), bus.signals(UNIT_SIGNALS)).pipe(
        map(unitEventOf),
        filter((event) => event !== undefined),
        filter(({ type }) => !this.reloading || (type !== 'new' && type !== 'removed')),
      ),
      this.relists,
    ).pipe(share());
  }

  start(): Promise<void> {
    this.starting ??= this.connect().catch((error: unknown) => {
      this.starting = undefined;
      throw error;
    });
    return this.starting;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.graceTimer);
    this.subscriptions.unsubscribe();
    this.jobs.stop();
    this.jobs.failAll(
      new PodwrightError('closed', 'The systemd manager was closed while a job was awaited.'),
    );
    this.relists.complete();
    await this.bus[Symbol.asyncDispose]();
  }

  private async connect(): Promise<void> {
    await this.bus.start();
    this.jobs.start();
    await this.subscribe();
    this.subscriptions.add(
      this.bus.state.pipe(skip(1)).subscribe((state) => {
        if (state === 'connected') void this.recover();
        else this.startGrace();
      }),
    );
    this.subscriptions.add(
      this.bus.signals(MANAGER_SIGNALS).subscribe((signal) => {
        if (signal.member !== 'Reloading') return;
        this.reloading = signal.body[0] === true;
        if (!this.reloading) this.relists.next({ type: 'relist' });
      }),
    );
    const owners = { sender: DAEMON.destination, member: 'NameOwnerChanged', arg0: SYSTEMD };
    this.subscriptions.add(
      this.bus.signals(owners).subscribe({
        next: ({ body: [, , owner] }) => {
          if (owner === '') this.startGrace();
          else void this.recover();
        },
        error: (error: unknown) => this.logger.error('systemd is not followed', { reason: messageOf(error) }),
      }),
    );
  }

  /** systemd sends signals only while somebody has asked for them. */
  private async subscribe(): Promise<void> {
    try {
      await this.bus.call(managerCall('Subscribe'));
    } catch (error) {
      const known = PodwrightError.is(error) && error.details['errorName'];
      if (known !== 'org.freedesktop.systemd1.AlreadySubscribed') throw error;
    }
  }

  /** The bus or systemd came back: what was signalled meanwhile is lost. */
  private async recover(): Promise<void> {
    try {
      await this.subscribe();
      clearTimeout(this.graceTimer);
      this.graceTimer = undefined;
      await Promise.all(this.jobs.awaited().map((job) => this.findJob(job)));
      this.reloading = false;
      this.relists.next({ type: 'relist' });
    } catch (error) {
      // Either the connection broke again or systemd is not on the bus yet: both tell when that changes.
      this.logger.warn('systemd was not reached after a reconnect', { reason: messageOf(error) });
    }
  }

  private async findJob(job: string): Promise<void> {
    const id = Number(job.slice(job.lastIndexOf('/') + 1));
    try {
      await this.bus.call(managerCall('GetJob', 'u', [id]));
    } catch (error) {
      if (!PodwrightError.is(error, 'not-found')) throw error;
      this.jobs.lose(job);
    }
  }

  private startGrace(): void {
    this.graceTimer ??= setTimeout(() => {
      this.graceTimer = undefined;
      this.jobs.failAll(
        new PodwrightError(
          'unavailable',
          `systemd did not come back on D-Bus within ${RECONNECT_GRACE_MS} ms: how the job ends is not known.`,
        ),
      );
    }, RECONNECT_GRACE_MS);
  }
}
