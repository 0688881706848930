import { join } from 'node:path';
import type { ContainerConfig, Mount } from '@podwright/core';
import { shellQuote } from '@podwright/nsenter';
import type { ContainerPaths } from './host-layout.js';

/** What is kept of a container's own words, in bytes, and of its log; as in the kubelet. */
const KEPT_BYTES = 4096;
const LOG_BYTES = 2048;
const LOG_LINES = 80;

/** Name of the file in the container's state directory. */
const FILE = 'termination-message';

/** The file in which a container says why it ends, as a mount; none when a volume takes its place. */
export function terminationMount(
  { terminationMessage, mounts }: ContainerConfig,
  { state }: Pick<ContainerPaths, 'state'>,
): readonly Mount[] {
  if (!terminationMessage || mounts.some(({ containerPath }) => containerPath === terminationMessage.path)) {
    return [];
  }
  return [{ hostPath: join(state, FILE), containerPath: terminationMessage.path }];
}

/** The part of the launch script that makes the file anew for each attempt, for any user of the container to write to. */
export function prepareTerminationMessage(config: ContainerConfig['terminationMessage']): string {
  if (!config) return '';
  // With what the shell does itself: a program for each step would make every start longer. 0022 is what systemd sets.
  return `[ ! -e "$state/${FILE}" ] || rm -f "$state/${FILE}"
umask 0
: >"$state/${FILE}" || fail "The file for the termination message cannot be made."
umask 0022
`;
}

/**
 * The part of the record script that sets `message`: base64 of what the container has said, so that nothing of it means
 * anything to a shell or to whoever reads the line; `-` for none. Without words of its own, a container that failed is
 * quoted from its log, if it is to be. Each line of the journal ends with conmon's line feed and one of journalctl's; a
 * part of a long line has only the latter.
 */
export function readTerminationMessage(id: string, config: ContainerConfig['terminationMessage']): string {
  if (!config) return 'message=-\n';
  const fromLog = `elif [ "$started" != "$finished" ] && [ "$code" != 0 ]; then
  journalctl --sync >/dev/null 2>&1
  message=$(journalctl --quiet --no-pager --all --output=cat --lines=${LOG_LINES} ${shellQuote(`CONTAINER_ID_FULL=${id}`)} "CONTAINER_TAG=\${INVOCATION_ID:-}" 2>/dev/null |
    sed -n ':a;$!N;/\\n$/{s/\\n$//;p;d};$p;s/\\n//;ta' | tail -c ${LOG_BYTES} | base64 -w 0)
`;
  return `message=-
if [ -s "$state/${FILE}" ]; then
  message=$(head -c ${KEPT_BYTES} "$state/${FILE}" | base64 -w 0)
${config.fallbackToLogs ? fromLog : ''}fi
`;
}

/** Takes the script's field apart; undefined for none. */
export function parseTerminationMessage(field: string | undefined): string | undefined {
  if (field === undefined || field === '' || field === '-') return undefined;
  const text = Buffer.from(field, 'base64').toString('utf8');
  return text === '' ? undefined : text;
}
