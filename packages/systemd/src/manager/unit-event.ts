import type { BusSignal } from '../bus/systemd-bus.js';
import { unitOfObjectPath } from '../names/unit-name.js';
import { type JobResult, jobResultOf } from './job-result.js';
import { MANAGER_INTERFACE, PROPERTIES_INTERFACE } from './manager-call.js';
import { readProperties, type UnitPropertyValues } from './readable-properties.js';

/** Something that happened to a unit, or `relist`: signals may have been missed. */
export type UnitEvent =
  /** The unit was loaded. */
  | { readonly type: 'new'; readonly unit: string }
  /** The unit was unloaded. */
  | { readonly type: 'removed'; readonly unit: string }
  | {
      readonly type: 'changed';
      readonly unit: string;
      /** The new values of those properties that this package can read. */
      readonly properties: Partial<UnitPropertyValues>;
      /** Names of properties that changed, and whose values have to be read. */
      readonly invalidated: readonly string[];
    }
  | { readonly type: 'job-removed'; readonly unit: string; readonly job: number; readonly result: JobResult }
  | { readonly type: 'relist' };

/** The event that a signal of systemd tells; undefined for all others. */
export function unitEventOf(signal: BusSignal): UnitEvent | undefined {
  switch (`${signal.interface}.${signal.member}`) {
    case `${MANAGER_INTERFACE}.UnitNew`: {
      const [unit] = signal.body;
      return typeof unit === 'string' ? { type: 'new', unit } : undefined;
    }
    case `${MANAGER_INTERFACE}.UnitRemoved`: {
      const [unit] = signal.body;
      return typeof unit === 'string' ? { type: 'removed', unit } : undefined;
    }
    case `${MANAGER_INTERFACE}.JobRemoved`: {
      const [job, , unit, result] = signal.body;
      return typeof job === 'number' && typeof unit === 'string' && typeof result === 'string'
        ? { type: 'job-removed', unit, job, result: jobResultOf(result) }
        : undefined;
    }
    case `${PROPERTIES_INTERFACE}.PropertiesChanged`: {
      const unit = unitOfObjectPath(signal.path);
      return unit === undefined ? undefined : unitChanged(unit, signal);
    }
    default:
      return undefined;
  }
}

/** What has changed is read when it is first asked for: most signals are about units that nobody asks about. */
function unitChanged(unit: string, signal: BusSignal): UnitEvent {
  let values: Pick<Extract<UnitEvent, { type: 'changed' }>, 'properties' | 'invalidated'> | undefined;
  const read = () => {
    if (values !== undefined) return values;
    const [, changed = {}, names] = signal.body;
    const invalidated = Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
    const { properties, unreadable } = readProperties(changed);
    values = { properties, invalidated: [...invalidated, ...unreadable] };
    return values;
  };
  return {
    type: 'changed',
    unit,
    get properties() {
      return read().properties;
    },
    get invalidated() {
      return read().invalidated;
    },
  };
}
