import { expect, it } from 'vitest';
import { parseCriBackendOptions } from './backend-options.js';

it('fills in the defaults', () => {
  expect(parseCriBackendOptions({})).toEqual({
    address: 'unix:///run/containerd/containerd.sock',
    connectTimeoutMs: 10_000,
    callTimeoutMs: 120_000,
    pullTimeoutMs: 1_800_000,
    relistMs: 1000,
    restartBackoff: { initialMs: 10_000, maxMs: 300_000, resetMs: 600_000 },
  });
  expect(parseCriBackendOptions({ restartBackoff: { initialMs: 300 } }).restartBackoff).toEqual({
    initialMs: 300,
    maxMs: 300_000,
    resetMs: 600_000,
  });
});

it.each<[object, RegExp]>([
  [{ adress: 'unix:///run/crio/crio.sock' }, /adress/],
  [{ address: '' }, /address/],
  [{ relistMs: 9 }, /relistMs/],
  [{ relistMs: 24 * 3_600_000 + 1 }, /relistMs/],
  [{ restartBackoff: { initialMs: 10, maxMs: 5 } }, /restartBackoff.*initialMs.*maxMs/],
  [{ logDir: 'logs' }, /logDir: has to be an absolute path/],
])('refuses %j, and names what is wrong and what there is', (options, message) => {
  expect(() => parseCriBackendOptions({ ...options })).toThrow(message);
  expect(() => parseCriBackendOptions({ ...options })).toThrow('Known keys: address, ');
});
