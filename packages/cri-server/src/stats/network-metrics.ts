import type { NetworkInterfaceStats, PodSandboxStats } from '@podwright/core';
import { COUNTER, type MetricRule } from './metric-rule.js';

const RULES: readonly (readonly [
  name: string,
  help: string,
  field: Exclude<keyof NetworkInterfaceStats, 'name'>,
])[] = [
  ['receive_bytes', 'Bytes received.', 'rxBytes'],
  ['receive_packets', 'Packets received.', 'rxPackets'],
  ['receive_packets_dropped', 'Packets that came and were given up.', 'rxDropped'],
  ['receive_errors', 'Errors while receiving.', 'rxErrors'],
  ['transmit_bytes', 'Bytes sent.', 'txBytes'],
  ['transmit_packets', 'Packets sent.', 'txPackets'],
  ['transmit_packets_dropped', 'Packets that were to be sent and were given up.', 'txDropped'],
  ['transmit_errors', 'Errors while sending.', 'txErrors'],
];

/** Of each interface of a pod. */
export const NETWORK_METRICS: readonly MetricRule<PodSandboxStats>[] = RULES.map(([name, help, field]) => ({
  ...{ name: `container_network_${name}_total`, help, type: COUNTER, labels: ['interface'] },
  values: ({ network }) =>
    network.flatMap((one) => {
      const value = one[field];
      return value === undefined ? [] : [{ value, labels: [one.name] }];
    }),
}));
