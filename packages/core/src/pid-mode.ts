import type { ContainerConfig } from './container-types.js';
import type { PidMode } from './model.js';

/**
 * Whose PID namespace a container has.
 * @param sandbox whose default counts where the container asks for nothing
 * @returns `target`: that of the container which it joined
 */
export function pidModeOf(
  { pid, pidTarget }: Pick<ContainerConfig, 'pid' | 'pidTarget'>,
  sandbox: { readonly pid: PidMode },
): PidMode | 'target' {
  return pidTarget === undefined ? (pid ?? sandbox.pid) : 'target';
}
