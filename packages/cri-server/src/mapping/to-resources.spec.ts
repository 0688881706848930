import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { cri } from '@podwright/cri-api';
import { describe, expect, it } from 'vitest';
import { toCriResources } from './to-cri-resources.js';
import { toResources, toResourcesChange } from './to-resources.js';

const resources = (init: MessageInitShape<typeof cri.LinuxContainerResourcesSchema>) =>
  create(cri.LinuxContainerResourcesSchema, init);

describe('toResources', () => {
  it.each<[string, MessageInitShape<typeof cri.LinuxContainerResourcesSchema>, object]>([
    ['nothing is no limit', {}, {}],
    ['a quota of the default period', { cpuQuota: 50_000n }, { cpuLimitMillis: 500 }],
    ['a quota of another period', { cpuQuota: 30_000n, cpuPeriod: 20_000n }, { cpuLimitMillis: 1500 }],
    ['no quota', { cpuQuota: -1n, cpuPeriod: 100_000n }, {}],
    ['shares', { cpuShares: 1024n }, { cpuRequestMillis: 1000 }],
    ["the kubelet's fewest shares", { cpuShares: 2n }, { cpuRequestMillis: 2 }],
    [
      'shares beyond the quota',
      { cpuShares: 2048n, cpuQuota: 50_000n },
      { cpuLimitMillis: 500, cpuRequestMillis: 2000 },
    ],
    [
      'memory and swap',
      { memoryLimitInBytes: 100n, memorySwapLimitInBytes: 200n },
      { memoryLimitBytes: 100, memorySwapLimitBytes: 200 },
    ],
    [
      'swap without end',
      { memoryLimitInBytes: 100n, memorySwapLimitInBytes: -1n },
      { memoryLimitBytes: 100 },
    ],
    ['cores', { cpusetCpus: '0-1', cpusetMems: '0' }, { cpusetCpus: '0-1', cpusetMems: '0' }],
    ['huge pages', { hugepageLimits: [{ pageSize: '2MB', limit: 4n }] }, { hugepageLimits: { '2MB': 4 } }],
    [
      'what a kubelet says of every container on cgroup v2',
      { unified: { 'memory.oom.group': '1', 'memory.swap.max': '0' } },
      { swapLimitBytes: 0 },
    ],
    ['processes', { unified: { 'pids.max': '7' } }, { pidsLimit: 7 }],
    ['swap without end on cgroup v2', { unified: { 'memory.swap.max': 'max' } }, {}],
  ])('%s', (_name, init, expected) => {
    expect(toResources(resources(init), 'container a')).toEqual({ oomScoreAdj: 0, ...expected });
  });

  it('keeps the OOM score', () => {
    expect(toResources(resources({ oomScoreAdj: -997n }), 'container a')).toEqual({ oomScoreAdj: -997 });
  });

  it('has no limits without the message', () => {
    expect(toResources(undefined, 'container a')).toEqual({});
  });

  it.each<[string, MessageInitShape<typeof cri.LinuxContainerResourcesSchema>, string]>([
    ['keys of cgroup v2', { unified: { 'memory.high': '1', 'memory.min': '2' } }, 'unsupported'],
    ['swap that is no number', { unified: { 'memory.swap.max': '1Gi' } }, 'invalid-argument'],
    ['negative memory', { memoryLimitInBytes: -5n }, 'invalid-argument'],
    ['negative shares', { cpuShares: -5n }, 'invalid-argument'],
  ])('refuses %s', (_name, init, kind) => {
    expect(() => toResources(resources(init), 'container a')).toThrow(expect.objectContaining({ kind }));
  });
});

describe('toResourcesChange', () => {
  it('leaves out what is zero', () => {
    expect(
      toResourcesChange(resources({ memoryLimitInBytes: 5n }), { oomScoreAdj: 7 }, 'container a'),
    ).toEqual({
      memoryLimitBytes: 5,
    });
  });

  it('refuses to take a limit away, and takes it that there is none', () => {
    const unlimited = resources({ cpuQuota: -1n });
    expect(() => toResourcesChange(unlimited, { cpuLimitMillis: 5 }, 'container a')).toThrow(
      expect.objectContaining({ kind: 'unsupported' }),
    );
    expect(toResourcesChange(unlimited, {}, 'container a')).toEqual({});
  });
});

describe('toCriResources', () => {
  // Shares as a kubelet makes them of a request: it has to find the same ones in the status.
  it.each([1, 2, 5, 41, 100, 250, 333, 500, 1000, 1500, 64_000])(
    'gives back what a kubelet sent for %i thousandths of a core',
    (millis) => {
      const sent = {
        cpuShares: BigInt(Math.max(2, Math.floor((millis * 1024) / 1000))),
        cpuQuota: BigInt(Math.max(1000, millis * 100)),
        cpuPeriod: 100_000n,
        memoryLimitInBytes: 5n,
        hugepageLimits: [{ pageSize: '2MB', limit: 0n }],
        unified: { 'memory.swap.max': '0', 'pids.max': '7' },
      };
      expect(toCriResources(toResources(resources(sent), 'container a'))).toMatchObject(sent);
    },
  );
});
