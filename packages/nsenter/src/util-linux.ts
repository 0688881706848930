import type { HostProgram } from './host-program.js';

/** The oldest util-linux that this library was run with: Debian 12's. */
const MINIMUM_UTIL_LINUX = '2.38';

/** A program of util-linux whose options depend on its version. */
export function utilLinux(name: 'nsenter' | 'unshare'): HostProgram {
  return {
    name,
    debianPackage: 'util-linux',
    version: { args: ['--version'], minimum: MINIMUM_UTIL_LINUX },
  };
}
