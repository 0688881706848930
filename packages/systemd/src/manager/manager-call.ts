import type { BusValue } from '../bus/bus-value.js';
import type { SignalMatch } from '../bus/match-rule.js';
import type { BusCall } from '../bus/systemd-bus.js';
import { UNIT_PATH_NAMESPACE } from '../names/unit-name.js';

/** systemd's name on the bus. */
export const SYSTEMD = 'org.freedesktop.systemd1';
export const MANAGER_PATH = '/org/freedesktop/systemd1';
export const MANAGER_INTERFACE = 'org.freedesktop.systemd1.Manager';
export const PROPERTIES_INTERFACE = 'org.freedesktop.DBus.Properties';

/** UnitNew, UnitRemoved, JobRemoved and the manager's few others, by one rule. */
export const MANAGER_SIGNALS: SignalMatch = {
  sender: SYSTEMD,
  path: MANAGER_PATH,
  interface: MANAGER_INTERFACE,
};

/** PropertiesChanged of all units, by one rule. */
export const UNIT_SIGNALS: SignalMatch = {
  sender: SYSTEMD,
  pathNamespace: UNIT_PATH_NAMESPACE,
  interface: PROPERTIES_INTERFACE,
  member: 'PropertiesChanged',
};

/** A call of systemd's manager. */
export function managerCall(member: string, signature = '', body: readonly BusValue[] = []): BusCall {
  return { destination: SYSTEMD, path: MANAGER_PATH, interface: MANAGER_INTERFACE, member, signature, body };
}

/** A read of one property. */
export function propertyCall(path: string, from: string, property: string): BusCall {
  return {
    destination: SYSTEMD,
    path,
    interface: PROPERTIES_INTERFACE,
    member: 'Get',
    signature: 'ss',
    body: [from, property],
  };
}
