import { PassThrough } from 'node:stream';
import { type ContainerRuntime, PodwrightError } from '@podwright/core';
import { expect, it } from 'vitest';
import { main } from './main.js';

it('tells why a command failed, also when what it opened cannot be let go of', async () => {
  const runtime = {
    start: () => Promise.reject(new PodwrightError('permission-denied', 'It takes root.')),
    [Symbol.asyncDispose]: () =>
      Promise.reject(new PodwrightError('internal', 'A mount cannot be looked at.')),
  } as Partial<ContainerRuntime> as ContainerRuntime;
  const stderr = new PassThrough({ encoding: 'utf8' });
  const exitCode = await main(['ps'], {
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    stderr,
    env: { PODWRIGHT_CONFIG: '/dev/null' },
    signal: new AbortController().signal,
    createRuntime: async () => runtime,
    createContainer: () => Promise.reject(new Error('It is not asked for.')),
  });
  expect(exitCode).toBe(1);
  expect(stderr.read()).toMatch(
    /^podwright: A mount cannot be looked at\.\npodwright: It takes root\.\npodwright: hint: run it as root/,
  );
});
