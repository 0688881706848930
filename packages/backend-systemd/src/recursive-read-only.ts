import { release } from 'node:os';
import { compareVersions, type Mount, unsupportedField } from '@podwright/core';
import { unsupportedFields } from './unsupported-fields.js';

/** The first with mount_setattr(2). */
const KERNEL = '5.12';

/** Whether this host's kernel can make a mount read-only with all that is mounted below it. */
export function isRecursiveReadOnlyPossible(kernelVersion = release()): boolean {
  const [number = '0'] = /^\d+(\.\d+){0,2}/.exec(kernelVersion) ?? [];
  return compareVersions(number, KERNEL) >= 0;
}

/** @throws PodwrightError kind `unsupported` for a mount that the kernel cannot make */
export function checkRecursiveReadOnly(mounts: readonly Mount[], kernelVersion = release()): void {
  const mount = mounts.find(({ recursiveReadOnly }) => recursiveReadOnly === true);
  if (mount === undefined || isRecursiveReadOnlyPossible(kernelVersion)) return;
  throw unsupportedField(
    unsupportedFields.recursiveReadOnly,
    `The mount at ${mount.containerPath} is to be read-only with all that is mounted below it, which this host's kernel ` +
      `${kernelVersion} cannot do; ${KERNEL} can.`,
  );
}
