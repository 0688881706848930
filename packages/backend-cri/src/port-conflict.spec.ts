import type { PortMapping } from '@podwright/core';
import { expect, it } from 'vitest';
import { portConflict } from './port-conflict.js';

const port = (hostPort: number, hostIp?: string, protocol: PortMapping['protocol'] = 'TCP'): PortMapping => ({
  ...{ protocol, containerPort: 80, hostPort },
  ...(hostIp === undefined ? {} : { hostIp }),
});

it.each([
  ['the same port', port(80), port(80), true],
  ['another port', port(80), port(81), false],
  ['another protocol', port(80), port(80, undefined, 'UDP'), false],
  ['two addresses', port(80, '127.0.0.1'), port(80, '127.0.0.2'), false],
  ['one address and all of them', port(80, '127.0.0.1'), port(80, '0.0.0.0'), true],
] as const)('%s', (_what, asked, taken, conflict) => {
  expect(portConflict([port(1), asked], [taken])).toEqual(conflict ? asked : undefined);
});
