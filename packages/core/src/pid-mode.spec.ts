import { expect, it } from 'vitest';
import { pidModeOf } from './pid-mode.js';

it.each<[...Parameters<typeof pidModeOf>, ReturnType<typeof pidModeOf>]>([
  [{}, { pid: 'container' }, 'container'],
  [{}, { pid: 'pod' }, 'pod'],
  [{}, { pid: 'node' }, 'node'],
  [{ pid: 'container' }, { pid: 'pod' }, 'container'],
  [{ pid: 'node' }, { pid: 'container' }, 'node'],
  [{ pidTarget: 'c1' }, { pid: 'container' }, 'target'],
  [{ pidTarget: 'c1' }, { pid: 'pod' }, 'target'],
])('of a container %j in a sandbox %j: %s', (container, sandbox, mode) => {
  expect(pidModeOf(container, sandbox)).toBe(mode);
});
