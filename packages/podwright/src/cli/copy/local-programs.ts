import { silentLogger } from '@podwright/core';
import { type HostExecutor, LocalHostExecutor } from '@podwright/nsenter';

/** Runs programs where this command runs, for files of its user; not on the host of an agent in a container. */
export function localPrograms(): HostExecutor {
  return new LocalHostExecutor(silentLogger, {});
}
