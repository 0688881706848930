import { PodwrightError } from './errors.js';
import type { RuntimeFeatures } from './runtime-service.js';

/**
 * What a backend refuses of that which manifests and contracts have. A backend has one table of these: it refuses by the
 * table's rows, and docs/features.md shows them.
 */
export interface UnsupportedField {
  /** As `manifestFields()` names them, or a field of a contract such as `ContainerResources.cpusetCpus`. */
  readonly paths: readonly string[];
  /** Which values are refused; absent: all. */
  readonly values?: string;
  /** What is missing, and so why it is refused. */
  readonly missing: string;
  /** True: some hosts have what is missing, and there the field is supported. */
  readonly byHost: boolean;
  /** The feature that tells whether it is there. */
  readonly feature?: keyof RuntimeFeatures;
}

/**
 * The error of a refused field.
 * @param message what was asked for and why it cannot be had; the row tells what is missing in the details
 */
export function unsupportedField({ paths, missing }: UnsupportedField, message: string): PodwrightError {
  return new PodwrightError('unsupported', message, { details: { facility: missing, fields: paths } });
}
