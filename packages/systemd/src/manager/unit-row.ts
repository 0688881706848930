import { PodwrightError } from '@podwright/core';
import type { BusValue } from '../bus/bus-value.js';
import { readProperty } from './readable-properties.js';
import type { UnitRow } from './systemd-manager.js';

/** One row of ListUnitsByPatterns: `(ssssssouso)`. */
export function unitRowOf(row: BusValue): UnitRow {
  if (!Array.isArray(row)) {
    throw new PodwrightError('unsupported', 'systemd lists units in a form that is not known here.');
  }
  const [name, description, loadState, activeState, subState, , , jobId, jobType] = row;
  return {
    name: String(name),
    description: String(description),
    loadState: readProperty('LoadState', loadState ?? ''),
    activeState: readProperty('ActiveState', activeState ?? ''),
    subState: String(subState),
    ...(typeof jobId === 'number' && jobId !== 0 ? { job: { id: jobId, type: String(jobType) } } : {}),
  };
}
