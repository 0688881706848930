import type { ContainerResources } from '@podwright/core';
import type { SandboxRecord } from '@podwright/sandbox';
import { beforeEach, describe, expect, it } from 'vitest';
import { FakeSystemd } from './fake-systemd.spec-helper.js';
import { HostLayout } from './host-layout.js';
import { PodSlices } from './pod-slices.js';
import { ResourceUpdater } from './resource-updater.js';
import { errorOf, fakeHost, sandboxRecord } from './testing.spec-helper.js';

const MIB = 2 ** 20;

let systemd: FakeSystemd;
let written: SandboxRecord[];
let updater: ResourceUpdater;

beforeEach(() => {
  systemd = new FakeSystemd();
  written = [];
  const layout = new HostLayout('/s', '/r');
  const cgroups = { swapControl: async () => 'missing', version: async () => 2 };
  const sandboxes = { update: async (record: SandboxRecord) => void written.push(record) };
  updater = Reflect.construct(ResourceUpdater, [
    ...[fakeHost(), layout, systemd, cgroups, {}, {}, {}],
    ...[new PodSlices(systemd, layout), sandboxes],
  ]);
});

describe('the limits of a pod', () => {
  it.each<[string, ContainerResources | undefined, ContainerResources, ContainerResources]>([
    [
      'other ones',
      { memoryLimitBytes: 64 * MIB },
      { memoryLimitBytes: 128 * MIB },
      { memoryLimitBytes: 128 * MIB },
    ],
    ['the first ones', undefined, { pidsLimit: 5 }, { pidsLimit: 5 }],
    [
      'some of them',
      { memoryLimitBytes: 64 * MIB, pidsLimit: 5 },
      { pidsLimit: 6 },
      { memoryLimitBytes: 64 * MIB, pidsLimit: 6 },
    ],
  ])('are those of its slice, and of its record for the next boot: %s', async (_, before, change, after) => {
    const sandbox = sandboxRecord(before === undefined ? {} : { resources: before });
    await updater.updatePod(sandbox, change);
    expect(systemd.calls).toEqual([expect.stringMatching(/^set podwright-pod1\.slice /)]);
    expect(written).toEqual([{ ...sandbox, resources: after }]);
  });

  it('are taken away where they are to go, on the slice and on the record', async () => {
    const sandbox = sandboxRecord({ resources: { memoryLimitBytes: MIB, cpuLimitMillis: 5, pidsLimit: 5 } });
    await updater.updatePod(sandbox, { cpuLimitMillis: 6 }, ['memoryLimitBytes']);
    expect(systemd.calls).toEqual(['set podwright-pod1.slice MemoryMax,CPUQuotaPerSecUSec']);
    expect(written).toEqual([{ ...sandbox, resources: { cpuLimitMillis: 6, pidsLimit: 5 } }]);
  });

  it('stay on the record when systemd refuses others', async () => {
    systemd.setUnitProperties = () => Promise.reject(new Error('no'));
    await expect(updater.updatePod(sandboxRecord(), { pidsLimit: 5 })).rejects.toThrow('no');
    expect(written).toEqual([]);
  });

  it('are not changed where the slice is of somebody else', async () => {
    const error = await errorOf(() =>
      updater.updatePod(sandboxRecord({ cgroupParent: 'kubepods.slice' }), { pidsLimit: 5 }),
    );
    expect([error.kind, systemd.calls, written]).toEqual(['unsupported', [], []]);
  });
});
