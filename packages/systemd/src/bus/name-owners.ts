import { DAEMON } from './bus-connection.js';
import { formatMatchRule } from './match-rule.js';
import type { BusSignal } from './systemd-bus.js';

/**
 * Who owns the well-known names that matches ask for. A match rule does not keep out a signal that any user of the
 * bus sends straight to this connection; only its sender's unique name does.
 */
export class NameOwners {
  private readonly watched = new Map<string, { count: number; owner: string | undefined }>();

  /** @returns whether the name is watched from now on */
  watch(name: string): boolean {
    if (isUnique(name)) return false;
    const entry = this.watched.get(name);
    if (entry !== undefined) entry.count += 1;
    else this.watched.set(name, { count: 1, owner: undefined });
    return entry === undefined;
  }

  /** @returns whether the name is no longer watched */
  unwatch(name: string): boolean {
    const entry = this.watched.get(name);
    if (entry === undefined) return false;
    entry.count -= 1;
    return entry.count === 0 && this.watched.delete(name);
  }

  names(): string[] {
    return [...this.watched.keys()];
  }

  set(name: string, owner: string | undefined): void {
    const entry = this.watched.get(name);
    if (entry !== undefined) entry.owner = owner;
  }

  /** Owners are those of one connection. */
  forget(): void {
    for (const entry of this.watched.values()) entry.owner = undefined;
  }

  /** Takes a NameOwnerChanged in. */
  see(signal: BusSignal): void {
    if (signal.sender !== DAEMON.destination || signal.member !== 'NameOwnerChanged') return;
    const [name, , owner] = signal.body;
    if (typeof name === 'string') {
      this.set(name, typeof owner === 'string' && owner !== '' ? owner : undefined);
    }
  }

  isFrom(name: string, sender: string): boolean {
    return isUnique(name) ? name === sender : this.watched.get(name)?.owner === sender;
  }

  static rule(name: string): string {
    return formatMatchRule({
      sender: DAEMON.destination,
      interface: DAEMON.interface,
      member: 'NameOwnerChanged',
      arg0: name,
    });
  }
}

/** The daemon's own name is the sender of its messages as it stands. */
function isUnique(name: string): boolean {
  return name.startsWith(':') || name === DAEMON.destination;
}
