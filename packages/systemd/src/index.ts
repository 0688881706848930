// systemd's manager over D-Bus: units, jobs, properties and signals. Start reading at manager/systemd-manager.ts; below
// it bus/systemd-bus.ts is the connection, which serves for any other service of the system bus as well.
export { DEFAULT_SYSTEM_BUS_ADDRESS } from './bus/bus-address.js';
export { type BusValue, type BusVariant, variant } from './bus/bus-value.js';
export type { SignalMatch } from './bus/match-rule.js';
export { type BusCall, type BusSignal, type BusState, SystemdBus } from './bus/systemd-bus.js';
export type { JobResult } from './manager/job-result.js';
export type {
  ActiveState,
  LoadState,
  ReadableUnitProperty,
  UnitPropertyValues,
  UnitResult,
} from './manager/readable-properties.js';
export {
  type JobMode,
  type JobOptions,
  type ReadOptions,
  SystemdManager,
  type SystemState,
  systemdVersionNumber,
  type UnitFileChange,
  type UnitFileOptions,
  type UnitRow,
} from './manager/systemd-manager.js';
export type { UnitEvent } from './manager/unit-event.js';
export {
  type Amount,
  type ExecCommand,
  type UnitProperty,
  unitProperty,
  type WritableUnitProperty,
  type WritableUnitPropertyValue,
} from './manager/unit-property.js';
export {
  isSliceName,
  PODWRIGHT_SLICE,
  podSliceName,
  podUidOfSlice,
  ROOT_SLICE,
  sliceName,
  slicePath,
} from './names/slice-name.js';
export {
  escapeUnitName,
  escapeUnitPath,
  isValidUnitName,
  MAX_UNIT_NAME_BYTES,
  unescapeUnitName,
} from './names/unit-name.js';
export { type SystemdModuleOptions, systemdModule } from './systemd-module.js';
export {
  formatUnitFile,
  parseUnitFile,
  type UnitFileEntry,
  type UnitFileSection,
  unitFileValues,
} from './unit-file/unit-file.js';
export { unitFileOf } from './unit-file/unit-file-of-properties.js';
export {
  escapeSpecifiers,
  formatExecCommand,
  joinWords,
  parseExecCommand,
  quoteWord,
  splitWords,
} from './unit-file/unit-words.js';
