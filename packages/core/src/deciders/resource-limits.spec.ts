import { describe, expect, it } from 'vitest';
import { PodwrightError } from '../errors.js';
import { parsePod } from '../manifest/pod.js';
import type { ContainerResources } from '../model.js';
import { checkContainerResources, mergeResources, oomScoreAdj, parseCpuset } from './resource-limits.js';

describe('checkContainerResources', () => {
  it.each<[string, ContainerResources]>([
    ['none', {}],
    [
      'all',
      { cpuLimitMillis: 2, cpuRequestMillis: 1, memoryLimitBytes: 2, memoryRequestBytes: 2, pidsLimit: 1 },
    ],
    ['a weight above the limit', { cpuLimitMillis: 1, cpuRequestMillis: 2 }],
    ['swap', { memoryLimitBytes: 5, memorySwapLimitBytes: 5 }],
    ['swap alone', { swapLimitBytes: 0 }],
    ['the rest', { cpusetCpus: '0-1', cpusetMems: '0', oomScoreAdj: -1000, hugepageLimits: { '2MB': 0 } }],
  ])('takes %s', (_what, resources) => {
    expect(() => checkContainerResources(resources, 'container a')).not.toThrow();
  });

  it.each<[ContainerResources, string]>([
    [{ memoryLimitBytes: 0 }, 'memoryLimitBytes is 0'],
    [{ cpuLimitMillis: -1 }, 'cpuLimitMillis is -1'],
    [{ cpuLimitMillis: 0.5 }, 'whole number'],
    [{ pidsLimit: Number.NaN }, 'pidsLimit'],
    [{ memoryLimitBytes: 1, memoryRequestBytes: 2 }, 'memoryRequestBytes is 2'],
    [{ memorySwapLimitBytes: 1 }, 'needs memoryLimitBytes'],
    [{ memorySwapLimitBytes: 2, memoryLimitBytes: 1, swapLimitBytes: 1 }, 'exclude each other'],
    [{ swapLimitBytes: -1 }, 'swapLimitBytes is -1'],
    [{ memorySwapLimitBytes: 1, memoryLimitBytes: 2 }, 'memory and swap together'],
    [{ oomScoreAdj: 1001 }, 'oomScoreAdj is 1001'],
    [{ cpusetCpus: '3-1' }, 'cpusetCpus is "3-1"'],
    [{ cpusetMems: '' }, 'cpusetMems'],
    [{ hugepageLimits: { '2MB': -1 } }, 'hugepageLimits["2MB"]'],
  ])('refuses %j', (resources, words) => {
    const check = () => checkContainerResources(resources, 'container a');
    expect(check).toThrow(PodwrightError);
    expect(check).toThrow(words);
    expect(check).toThrow('container a');
  });
});

it.each<[string, readonly number[] | undefined]>([
  ['0', [0]],
  ['0-2,4', [0, 1, 2, 4]],
  ['4, 1-2,2', [1, 2, 4]],
  ['', undefined],
  ['a', undefined],
  ['1-', undefined],
  ['2-1', undefined],
  ['99999', undefined],
])('the list %j has the numbers %j', (text, numbers) => {
  expect(parseCpuset(text)).toEqual(numbers);
});

it('merges limits: what a change leaves out stays', () => {
  const before = { cpuLimitMillis: 1, memoryLimitBytes: 2 };
  expect(mergeResources(before, { memoryLimitBytes: 3 })).toEqual({ cpuLimitMillis: 1, memoryLimitBytes: 3 });
  const together = { memoryLimitBytes: 3, memorySwapLimitBytes: 3 };
  const alone = { memoryLimitBytes: 3, swapLimitBytes: 0 };
  expect(mergeResources(together, { swapLimitBytes: 0 })).toEqual(alone);
  expect(mergeResources(alone, { memorySwapLimitBytes: 3 })).toEqual(together);
});

describe('oomScoreAdj', () => {
  const pod = (resources: object) =>
    parsePod({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'a' },
      spec: { containers: [{ name: 'a', image: 'a', resources }] },
    });
  const guaranteed = pod({ limits: { cpu: '1', memory: '1Ki' } });
  const burstable = pod({ requests: { cpu: '1' } });

  it.each<[string, ReturnType<typeof pod>, number | undefined, number]>([
    ['Guaranteed', guaranteed, 1024, -997],
    ['BestEffort', pod({}), undefined, 1000],
    ['Burstable without a request of memory', burstable, undefined, 999],
    ['Burstable, half of the memory', burstable, 500, 500],
    ['Burstable, all of the memory', burstable, 1000, 3],
    ['Burstable, next to nothing', burstable, 1, 999],
  ])('%s', (_what, manifest, request, expected) => {
    expect(oomScoreAdj(manifest, request, 1000)).toBe(expected);
  });
});
