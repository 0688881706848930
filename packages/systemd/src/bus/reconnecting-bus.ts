import { setTimeout as sleep } from 'node:timers/promises';
import { Logger, messageOf, PodwrightError, silentLogger } from '@podwright/core';
import { inject, injectable, optional, type ServiceIdentifier } from 'inversify';
import { BehaviorSubject, Observable, type Subscriber } from 'rxjs';
import { parseBusAddress } from './bus-address.js';
import { BusConnection, DAEMON } from './bus-connection.js';
import { unavailable } from './bus-error.js';
import type { BusValue } from './bus-value.js';
import { formatMatchRule, matchesSignal, type SignalMatch } from './match-rule.js';
import { NameOwners } from './name-owners.js';
import type { BusCall, BusSignal, BusState, SystemdBus } from './systemd-bus.js';

export interface BusOptions {
  /** D-Bus address list. */
  readonly address: string;
  /** Milliseconds for calls without a time of their own. */
  readonly callTimeoutMs: number;
  /** Milliseconds for connecting and authenticating. */
  readonly connectTimeoutMs: number;
}

export const BusOptions: ServiceIdentifier<BusOptions> = Symbol.for('podwright.systemd.BusOptions');

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;

interface Match {
  readonly match: SignalMatch;
  readonly rule: string;
  readonly subscribers: Set<Subscriber<BusSignal>>;
}

/** Keeps one `BusConnection` alive and the daemon's match rules the same as what is subscribed to. */
@injectable()
export class ReconnectingBus implements SystemdBus {
  private connection: BusConnection | undefined;
  private starting: Promise<void> | undefined;
  private lastFailure: PodwrightError | undefined;
  private readonly matches = new Map<string, Match>();
  private readonly owners = new NameOwners();
  private readonly states = new BehaviorSubject<BusState>('disconnected');
  private readonly disposal = new AbortController();
  readonly state = this.states.asObservable();

  constructor(
    @inject(BusOptions) private readonly options: BusOptions,
    @inject(Logger) @optional() private readonly logger: Logger = silentLogger,
  ) {}

  get address(): string {
    return this.options.address;
  }

  start(): Promise<void> {
    if (this.disposal.signal.aborted) return Promise.reject(closed());
    this.starting ??= this.connect().catch((error: unknown) => {
      this.starting = undefined;
      throw error;
    });
    return this.starting;
  }

  async call(call: BusCall): Promise<readonly BusValue[]> {
    if (this.connection !== undefined) return this.connection.call(call);
    if (this.disposal.signal.aborted) throw closed();
    if (this.lastFailure !== undefined) throw this.lastFailure;
    throw new PodwrightError(
      'failed-precondition',
      `${call.interface}.${call.member} was called before the bus was started: await start() first.`,
    );
  }

  signals(match: SignalMatch): Observable<BusSignal> {
    return new Observable((subscriber) => {
      if (this.disposal.signal.aborted) {
        subscriber.complete();
        return undefined;
      }
      const entry = this.entryOf(match);
      entry.subscribers.add(subscriber);
      return () => {
        entry.subscribers.delete(subscriber);
        if (entry.subscribers.size === 0) this.drop(entry);
      };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.disposal.signal.aborted) return;
    this.disposal.abort();
    const { connection } = this;
    this.connection = undefined;
    for (const entry of [...this.matches.values()]) {
      for (const subscriber of [...entry.subscribers]) subscriber.complete();
    }
    await connection?.close(closed());
    this.states.complete();
  }

  private async connect(): Promise<void> {
    const connection = await this.openFirst();
    if (this.disposal.signal.aborted) {
      await connection.close(closed());
      throw closed();
    }
    this.connection = connection;
    void connection.ended.then((reason) => this.lost(connection, reason));
    const rules = this.owners.names().map((name) => this.addOwner(connection, name));
    for (const entry of this.matches.values()) rules.push(this.addRule(connection, entry));
    await Promise.all(rules);
    if (this.connection !== connection) throw this.lastFailure ?? closed();
    this.states.next('connected');
  }

  /** The first of the addresses that answers, or the failure of the last. */
  private async openFirst(): Promise<BusConnection> {
    const [first, ...others] = parseBusAddress(this.address);
    const open = (endpoint: typeof first) =>
      BusConnection.open({
        ...this.options,
        endpoint,
        onSignal: (signal) => this.dispatch(signal),
      });
    let attempt = open(first);
    for (const endpoint of others) attempt = attempt.catch(() => open(endpoint));
    return attempt;
  }

  private lost(connection: BusConnection, reason: PodwrightError): void {
    if (this.connection !== connection) return;
    this.connection = undefined;
    this.lastFailure = reason;
    this.owners.forget();
    this.logger.warn('the D-Bus connection was lost', { address: this.address, reason: reason.message });
    const established = this.states.value === 'connected';
    if (established) {
      this.states.next('disconnected');
      void this.reconnect();
    }
  }

  private async reconnect(): Promise<void> {
    const { signal } = this.disposal;
    for (let delayMs = FIRST_DELAY_MS; !signal.aborted; delayMs = Math.min(2 * delayMs, LONGEST_DELAY_MS)) {
      try {
        await sleep(delayMs, undefined, { signal });
        await this.connect();
        this.logger.info('the D-Bus connection is back', { address: this.address });
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.lastFailure = PodwrightError.is(error)
          ? error
          : unavailable(this.address, messageOf(error), error);
        this.logger.debug('the D-Bus connection is not back yet', { delayMs, reason: messageOf(error) });
      }
    }
  }

  private entryOf(match: SignalMatch): Match {
    const rule = formatMatchRule(match);
    const existing = this.matches.get(rule);
    if (existing !== undefined) return existing;
    const entry: Match = { match, rule, subscribers: new Set() };
    this.matches.set(rule, entry);
    const name = match.sender;
    if (name !== undefined && this.owners.watch(name) && this.connection !== undefined) {
      void this.addOwner(this.connection, name);
    }
    if (this.connection !== undefined) void this.addRule(this.connection, entry);
    return entry;
  }

  private drop(entry: Match): void {
    this.matches.delete(entry.rule);
    const rules = [entry.rule];
    const name = entry.match.sender;
    if (name !== undefined && this.owners.unwatch(name)) rules.push(NameOwners.rule(name));
    for (const rule of rules) {
      void this.connection
        ?.call({ ...DAEMON, member: 'RemoveMatch', signature: 's', body: [rule] })
        .catch((error: unknown) => {
          // The rule goes with the connection at the latest.
          this.logger.debug('a match rule was not removed', { rule, reason: messageOf(error) });
        });
    }
  }

  private async addRule(connection: BusConnection, entry: Match): Promise<void> {
    try {
      await connection.call({ ...DAEMON, member: 'AddMatch', signature: 's', body: [entry.rule] });
    } catch (error) {
      this.refused(connection, [entry], error);
    }
  }

  /** Follows who owns a name. The reply is taken synchronously: signals right behind it depend on it. */
  private async addOwner(connection: BusConnection, name: string): Promise<void> {
    const added = connection.call({
      ...DAEMON,
      member: 'AddMatch',
      signature: 's',
      body: [NameOwners.rule(name)],
    });
    const asked = connection
      .call({ ...DAEMON, member: 'GetNameOwner', signature: 's', body: [name] }, ([owner]) => {
        if (typeof owner === 'string') this.owners.set(name, owner);
      })
      .catch((error: unknown) => {
        // Nobody has the name yet: NameOwnerChanged will tell.
        if (!PodwrightError.is(error, 'unavailable')) throw error;
      });
    try {
      await Promise.all([added, asked]);
    } catch (error) {
      const concerned = [...this.matches.values()].filter((entry) => entry.match.sender === name);
      this.refused(connection, concerned, error);
    }
  }

  /** A refused rule is an error of its subscribers, unless the connection broke: then it is added to the next one. */
  private refused(connection: BusConnection, entries: readonly Match[], error: unknown): void {
    if (this.connection !== connection || PodwrightError.is(error, 'unavailable')) return;
    for (const entry of entries) for (const subscriber of [...entry.subscribers]) subscriber.error(error);
  }

  private dispatch(signal: BusSignal): void {
    this.owners.see(signal);
    for (const entry of [...this.matches.values()]) {
      // First: what is somebody else's is not even read.
      if (entry.match.sender !== undefined && !this.owners.isFrom(entry.match.sender, signal.sender))
        continue;
      if (!matchesSignal(entry.match, signal)) continue;
      for (const subscriber of [...entry.subscribers]) subscriber.next(signal);
    }
  }
}

function closed(): PodwrightError {
  return new PodwrightError('closed', 'The D-Bus connection was closed by its owner.');
}
