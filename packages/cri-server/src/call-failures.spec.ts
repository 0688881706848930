import { PodwrightError } from '@podwright/core';
import { expect, it } from 'vitest';
import { failureLevel } from './call-failures.js';

it.each([
  ['ContainerStatus', new PodwrightError('not-found', ''), 'debug'],
  ['PodSandboxStats', new PodwrightError('not-found', ''), 'debug'],
  ['ExecSync', new PodwrightError('not-found', ''), 'debug'],
  ['ExecSync', new PodwrightError('failed-precondition', ''), 'debug'],
  ['ExecSync', new PodwrightError('command-failed', ''), 'warn'],
  ['StartContainer', new PodwrightError('failed-precondition', ''), 'warn'],
  ['CreateContainer', new PodwrightError('image-not-found', ''), 'warn'],
  ['RunPodSandbox', new PodwrightError('cancelled', ''), 'debug'],
  ['RunPodSandbox', new PodwrightError('internal', ''), 'error'],
  ['RunPodSandbox', new TypeError('x'), 'error'],
] as const)('%s that fails with %o is told as %s', (method, error, level) => {
  expect(failureLevel(method, error)).toBe(level);
});
