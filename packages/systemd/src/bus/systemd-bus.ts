import type { ServiceIdentifier } from 'inversify';
import type { Observable } from 'rxjs';
import type { BusValue } from './bus-value.js';
import type { SignalMatch } from './match-rule.js';

/** A method call. `body` has one value for each complete type of `signature`. */
export interface BusCall {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature?: string;
  readonly body?: readonly BusValue[];
  /** Whether the daemon may start the service that is called, if it does not run. Default: no. */
  readonly autoStart?: boolean;
  /** Milliseconds until the call fails with kind `timeout`; default: the module's `callTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Stops waiting for the reply; what the call asked for may still happen. */
  readonly signal?: AbortSignal;
}

export interface BusSignal {
  /** The unique name of the sender, or `org.freedesktop.DBus`. */
  readonly sender: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly body: readonly BusValue[];
}

export type BusState = 'connected' | 'disconnected';

/**
 * A connection to the system bus that outlives the daemon: it comes back by itself, with all matches in place before
 * `state` says `connected` again.
 */
export interface SystemdBus {
  /** Where it connects to. */
  readonly address: string;
  /** The present state first, then every change; completes on disposal. After `connected`, list again what you watch. */
  readonly state: Observable<BusState>;
  /**
   * Connects. Doing it again is no error.
   * @throws PodwrightError kind `unavailable` (nobody listens, or no answer), `permission-denied`, `invalid-argument`
   *   (the address), `closed`
   */
  start(): Promise<void>;
  /**
   * Calls a method. Calls reach the daemon in the order in which they were made.
   * @returns the values of the reply
   * @throws PodwrightError kind `unavailable` (not connected, or the connection broke before the reply), `timeout`,
   *   `cancelled`, `closed`, `invalid-argument` (values that do not fit the signature), or what `busError` makes of an
   *   error reply
   */
  call(call: BusCall): Promise<readonly BusValue[]>;
  /**
   * Signals that fit. The daemon has one rule for equal matches, from the first subscriber to the last; a call made
   * after subscribing finds it in place. Fails when the daemon refuses the rule, completes on disposal.
   */
  signals(match: SignalMatch): Observable<BusSignal>;
  [Symbol.asyncDispose](): Promise<void>;
}

export const SystemdBus: ServiceIdentifier<SystemdBus> = Symbol.for('podwright.systemd.SystemdBus');
