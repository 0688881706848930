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
  const [first, second, third, fourth] = signal.body;
  switch (`${signal.interface}.${signal.member}`) {
    case `${MANAGER_INTERFACE}.UnitNew`:
      return typeof first === 'string' ? { type: 'new', unit: first } : undefined;
    case `${MANAGER_INTERFACE}.UnitRemoved`:
      return typeof first === 'string' ? { type: 'removed', unit: first } : undefined;
    case `${MANAGER_INTERFACE}.JobRemoved`:
      return typeof first === 'number' && typeof third === 'string' && typeof fourth === 'string'
        ? { type: 'job-removed', unit: third, job: first, result: jobResultOf(fourth) }
        : undefined;
    case `${PROPERTIES_INTERFACE}.PropertiesChanged`: {
      const unit = unitOfObjectPath(signal.path);
      if (unit === undefined || second === undefined) return undefined;
      const invalidated = Array.isArray(third) ? third.filter((name) => typeof name === 'string') : [];
      const { properties, unreadable } = readProperties(second);
      return { type: 'changed', unit, properties, invalidated: [...invalidated, ...unreadable] };
    }
    default:
      return undefined;
  }
}
