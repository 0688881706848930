import type { HostExecutor } from '@podwright/nsenter';
import type { NamespaceKind } from '../namespaces/namespace-pinner.js';
import type { SandboxRecord } from '../sandbox-record.js';

const ENTER: Readonly<Record<Exclude<NamespaceKind, 'pid'>, string>> = {
  user: '--user',
  network: '--net',
  ipc: '--ipc',
  uts: '--uts',
};

/** Ends on SIGTERM, and reaps whatever loses its parent: the shell waits for every child. */
const SHELL_INIT = 'trap "exit 0" TERM; while :; do sleep 2147483647 & wait $!; done';

/**
 * A program that can be the first one of a PID namespace: catatonit, which podman uses, or a shell where it is not
 * installed. Neither needs anything but the host.
 */
export async function infraInit(executor: Pick<HostExecutor, 'which'>): Promise<readonly string[]> {
  const catatonit = await executor.which('catatonit');
  return catatonit === undefined ? ['sh', '-c', SHELL_INIT] : [catatonit, '-P'];
}

/**
 * The command that runs a sandbox's first process. It stays as the parent of that process, ends it when it is ended
 * itself, and ends with its exit code.
 * @param init as `infraInit` finds it
 */
export function infraCommand(
  { namespaces, pid }: Pick<SandboxRecord, 'namespaces' | 'pid'>,
  init: readonly string[],
): readonly string[] {
  const flags = Object.entries(ENTER).flatMap(([kind, flag]) => {
    const path = namespaces[kind as keyof typeof ENTER];
    return path === undefined ? [] : [`${flag}=${path}`];
  });
  const credentials = namespaces.user === undefined ? [] : ['-S', '0', '-G', '0'];
  const enter = flags.length === 0 ? [] : ['nsenter', ...flags, ...credentials, '--'];
  const first = pid === 'node' ? [] : ['unshare', '--pid', '--fork', '--kill-child=KILL', '--'];
  return [...enter, ...first, ...init];
}
