import type { NetworkInterfaceStats } from '@podwright/core';

/** Lines before the first interface. */
const HEADER_LINES = 2;
const RECEIVE_COLUMNS = 8;

/** Interfaces of /proc/PID/net/dev (proc(5)), without the loopback one. */
export function parseNetworkStats(text: string): readonly NetworkInterfaceStats[] {
  return text
    .split('\n')
    .slice(HEADER_LINES)
    .flatMap((line) => {
      const [, name, counters] = /^\s*(\S+):\s*(.*)$/.exec(line) ?? [];
      if (name === undefined || counters === undefined || name === 'lo') return [];
      const numbers = counters.split(/\s+/).map(Number);
      const [rxBytes = 0, rxPackets = 0, rxErrors = 0, rxDropped = 0] = numbers;
      const [txBytes = 0, txPackets = 0, txErrors = 0, txDropped = 0] = numbers.slice(RECEIVE_COLUMNS);
      return [
        { name, rxBytes, rxErrors, txBytes, txErrors, ...{ rxPackets, rxDropped, txPackets, txDropped } },
      ];
    });
}
