import { PodwrightError } from '@podwright/core';
import {
  escapeSpecifiers,
  parseUnitFile,
  type UnitFileSection,
  unescapeUnitName,
  unitFileValues,
} from '@podwright/systemd';
import { containerOfUnit, type HostLayout } from './host-layout.js';
import { restoreUnitName } from './persistent-unit-files.js';

/** For whom a unit file is there: a container, or a pod that comes back after a reboot. */
export type UnitFileOwner = { readonly container: string } | { readonly podUid: string };

const RESTORE_UNIT = /^podwright-pod-(.+)-sandbox\.service$/;

/**
 * @param unit name of the file
 * @param text of the file
 * @param layout of this agent: a file is its own when the unit's working directory is the owner's in its state directory
 * @returns undefined for a file that is not this agent's, or of which that cannot be told
 */
export function unitFileOwner(unit: string, text: string, layout: HostLayout): UnitFileOwner | undefined {
  const owner = ownerByName(unit);
  if (owner === undefined) return undefined;
  const own = 'container' in owner ? layout.container(owner.container).state : layout.stateDir;
  const directories = unitFileValues(sectionsOf(text), 'Service', 'WorkingDirectory');
  return directories.length === 1 && directories[0] === escapeSpecifiers(own) ? owner : undefined;
}

function ownerByName(unit: string): UnitFileOwner | undefined {
  const container = containerOfUnit(unit);
  if (container !== undefined) return { container };
  const escaped = RESTORE_UNIT.exec(unit)?.[1];
  const podUid = escaped === undefined ? undefined : orUndefined(() => unescapeUnitName(escaped));
  // Of two ways to escape it only one is ours.
  return podUid !== undefined && restoreUnitName(podUid) === unit ? { podUid } : undefined;
}

function sectionsOf(text: string): readonly UnitFileSection[] {
  return orUndefined(() => parseUnitFile(text)) ?? [];
}

function orUndefined<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (PodwrightError.is(error, 'invalid-argument')) return undefined;
    throw error;
  }
}
