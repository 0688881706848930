import { PodwrightError } from '@podwright/core';
import type { SandboxManager } from '@podwright/sandbox';
import { expect, it } from 'vitest';
import { SandboxInterfaces } from './sandbox-interfaces.js';
import { fakeHost, sandboxRecord } from './testing.spec-helper.js';

const failed = new PodwrightError('command-failed', 'nsenter failed.');

function interfaces(run: () => { stdout: Buffer }, { isReady = true, isKnown = true } = {}) {
  const sandboxes: Pick<SandboxManager, 'get' | 'verify'> = {
    get: () => (isKnown ? sandboxRecord() : undefined),
    verify: async () => isReady,
  };
  return new SandboxInterfaces(fakeHost({ run }), sandboxes as SandboxManager);
}

const fail = (error: Error) => () => {
  throw error;
};

it('reads them in the network namespace', async () => {
  const read = () => ({ stdout: Buffer.from('eth0: 1') });
  expect(await interfaces(read).read('s')).toBe('eth0: 1');
});

it('has none of a sandbox that was stopped meanwhile, or is not there', async () => {
  expect(await interfaces(fail(failed), { isReady: false }).read('s')).toBeUndefined();
  expect(await interfaces(fail(failed), { isKnown: false }).read('s')).toBeUndefined();
});

it.each([
  ['nsenter failed while the sandbox is ready', failed, true],
  ['there is no nsenter', new PodwrightError('missing-requirement', 'nsenter'), false],
  ['the caller has gone', new PodwrightError('cancelled', 'gone'), false],
])('says that %s', async (_what, error, isReady) => {
  await expect(interfaces(fail(error), { isReady }).read('s')).rejects.toBe(error);
});
