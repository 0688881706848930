import type { PortMapping } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { findPortConflict, type HeldPort, listenerFilter, parseListeners } from './port-conflicts.js';

const tcp = (hostPort: number, hostIp?: string): PortMapping => ({
  protocol: 'TCP',
  containerPort: 80,
  hostPort,
  ...(hostIp === undefined ? {} : { hostIp }),
});
const held = (port: number, address?: string): HeldPort => ({
  protocol: 'TCP',
  port,
  holder: 'x',
  ...(address === undefined ? {} : { address }),
});

describe('findPortConflict', () => {
  it.each<[string, PortMapping[], HeldPort[], boolean]>([
    ['nothing wanted', [], [held(80)], false],
    ['another port', [tcp(80)], [held(81)], false],
    ['the same port', [tcp(80)], [held(80)], true],
    ['another protocol', [{ ...tcp(80), protocol: 'UDP' }], [held(80)], false],
    ['another address', [tcp(80, '10.0.0.1')], [held(80, '10.0.0.2')], false],
    ['the same address', [tcp(80, '10.0.0.1')], [held(80, '10.0.0.1')], true],
    ['all against one', [tcp(80)], [held(80, '127.0.0.1')], true],
    ['one against all', [tcp(80, '127.0.0.1')], [held(80)], true],
    ['0.0.0.0 is all', [tcp(80, '0.0.0.0')], [held(80, '127.0.0.1')], true],
    ['twice in the pod', [tcp(80), tcp(80)], [], true],
    ['twice in the pod, two addresses', [tcp(80, '10.0.0.1'), tcp(80, '10.0.0.2')], [], false],
  ])('%s', (_what, wanted, taken, conflict) => {
    expect(findPortConflict(wanted, taken) !== undefined).toBe(conflict);
  });
});

describe('parseListeners', () => {
  it('reads the output of ss', () => {
    const output = [
      'udp   UNCONN 0      0          127.0.0.53%lo:53         0.0.0.0:*    users:(("systemd-resolve",pid=7,fd=13))',
      'tcp   LISTEN 0      511              0.0.0.0:8080       0.0.0.0:*    users:(("nginx",pid=12,fd=6),("nginx",pid=11,fd=6))',
      'tcp   LISTEN 0      511                 [::1]:8081          [::]:*',
      'tcp   LISTEN 0      511                     *:8082             *:*    users:(("node",pid=9,fd=3))',
      '',
    ].join('\n');
    expect(parseListeners(output)).toEqual([
      { protocol: 'UDP', port: 53, address: '127.0.0.53', holder: 'process 7 (systemd-resolve)' },
      { protocol: 'TCP', port: 8080, holder: 'process 12 (nginx)' },
      { protocol: 'TCP', port: 8081, address: '::1', holder: 'a process of the host' },
      { protocol: 'TCP', port: 8082, holder: 'process 9 (node)' },
    ]);
  });

  it('filters by port', () => expect(listenerFilter([80, 443])).toBe('sport = :80 or sport = :443'));
});
