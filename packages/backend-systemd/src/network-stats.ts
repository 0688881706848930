import type { NetworkInterfaceStats } from '@podwright/core';

/** Lines before the first interface. */
const HEADER_LINES = 2;

/** Interfaces of /proc/PID/net/dev (proc(5)), without the loopback one. */
export function parseNetworkStats(text: string): readonly NetworkInterfaceStats[] {
  return text
    .split('\n')
    .slice(HEADER_LINES)
    .flatMap((line) => {
      const [, name, counters] = /^\s*(\S+):\s*(.*)$/.exec(line) ?? [];
      if (name === undefined || counters === undefined || name === 'lo') return [];
      const [rxBytes = 0, , rxErrors = 0, , , , , , txBytes = 0, , txErrors = 0] = counters
        .split(/\s+/)
        .map(Number);
      return [{ name, rxBytes, rxErrors, txBytes, txErrors }];
    });
}
