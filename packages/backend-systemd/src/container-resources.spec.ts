import { type ContainerResources, PodwrightError } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import {
  type CgroupAbilities,
  checkResources,
  containerProperties,
  resourceProperties,
} from './container-resources.js';

describe('resourceProperties', () => {
  it.each<[ContainerResources, readonly (readonly [string, unknown])[]]>([
    [{}, []],
    [{ memoryLimitBytes: 1024 }, [['MemoryMax', 1024]]],
    [{ memoryRequestBytes: 512 }, [['MemoryLow', 512]]],
    [
      { memoryLimitBytes: 1024, memorySwapLimitBytes: 1536 },
      [
        ['MemoryMax', 1024],
        ['MemorySwapMax', 512],
      ],
    ],
    [{ swapLimitBytes: 0 }, [['MemorySwapMax', 0]]],
    [{ pidsLimit: 7 }, [['TasksMax', 7]]],
    [{ cpuLimitMillis: 250 }, [['CPUQuotaPerSecUSec', 250_000]]],
    [{ cpuRequestMillis: 1000 }, [['CPUWeight', 100]]],
    [{ cpuRequestMillis: 1 }, [['CPUWeight', 1]]],
    [{ cpuRequestMillis: 1_000_000 }, [['CPUWeight', 10_000]]],
    [{ cpusetCpus: '0-2,4' }, [['AllowedCPUs', Buffer.from([0b10111])]]],
    [{ cpusetMems: '1,8' }, [['AllowedMemoryNodes', Buffer.from([0b10, 0b1])]]],
    [{ oomScoreAdj: 5, hugepageLimits: { '2MB': 0 } }, []],
  ])('of %j', (resources, expected) => {
    const seen = resourceProperties(resources).map(({ name, value }) => [name, value]);
    expect(seen).toEqual(expected);
  });
});

describe('containerProperties', () => {
  it.each([
    [2, 1000, { CPUWeight: 100 }],
    [1, 1000, { CPUShares: 1024 }],
    [1, 125, { CPUShares: 128 }],
    [1, 0, { CPUShares: 2 }],
    [1, 1_000_000, { CPUShares: 262_144 }],
    [1, undefined, { CPUShares: 2 }],
    [2, undefined, { CPUWeight: 1 }],
  ] as const)(
    'on version %i with a request of %s thousandths of a core',
    (version, cpuRequestMillis, expected) => {
      const properties = containerProperties(
        { pidsLimit: 1, ...(cpuRequestMillis === undefined ? {} : { cpuRequestMillis }) },
        version,
      );
      const seen = Object.fromEntries(properties.map(({ name, value }) => [name, value]));
      expect(seen).toEqual({ TasksMax: 1, ...expected });
    },
  );
});

describe('checkResources', () => {
  const swap = { memoryLimitBytes: 1, memorySwapLimitBytes: 1 };
  const unified: CgroupAbilities = { version: 2, swap: 'property' };

  it.each<[CgroupAbilities, ContainerResources]>([
    [
      { version: 1, swap: 'missing' },
      { cpuLimitMillis: 1, memoryLimitBytes: 1, pidsLimit: 1, oomScoreAdj: 1, hugepageLimits: { '2MB': 0 } },
    ],
    [{ version: 1, swap: 'file' }, swap],
    [{ version: 1, swap: 'no-swap' }, swap],
    [{ version: 1, swap: 'no-swap' }, { swapLimitBytes: 0 }],
    [unified, { swapLimitBytes: 0 }],
    [unified, { ...swap, cpusetCpus: '0', cpusetMems: '0' }],
  ])('takes with %j %j', (abilities, resources) => {
    expect(() => checkResources(resources, abilities, 'container a')).not.toThrow();
  });

  it.each<[CgroupAbilities, ContainerResources, string]>([
    [{ version: 1, swap: 'missing' }, swap, 'MemorySwapMax='],
    [{ version: 1, swap: 'file' }, { swapLimitBytes: 0 }, 'MemorySwapMax='],
    [{ version: 1, swap: 'file' }, { cpusetCpus: '0' }, 'AllowedCPUs='],
    [{ version: 1, swap: 'file' }, { cpusetMems: '0' }, 'cpuset controller'],
    [unified, { hugepageLimits: { '2MB': 1 } }, 'hugetlb'],
  ])('says with %j what %j would need', (abilities, resources, facility) => {
    try {
      checkResources(resources, abilities, 'container a');
    } catch (error) {
      if (!PodwrightError.is(error, 'unsupported')) throw error;
      expect(error.message).toContain(facility);
      return;
    }
    throw new Error('It was taken.');
  });

  it('refuses what is wrong anywhere', () => {
    expect(() => checkResources({ pidsLimit: 0 }, unified, 'container a')).toThrow('pidsLimit is 0');
  });
});
