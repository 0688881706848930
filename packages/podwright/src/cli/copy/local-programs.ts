import { silentLogger } from '@podwright/core';
import type { HostExecutor } from '@podwright/nsenter';

/** Runs programs where this command runs, for files of its user; not on the host of an agent in a container. */
export async function localPrograms(): Promise<HostExecutor> {
  // Loaded when files are copied: other commands do not wait for it.
  const { LocalHostExecutor } = await import('@podwright/nsenter');
  return new LocalHostExecutor(silentLogger, {});
}
