import { describe, expect, it } from 'vitest';
import { containerOfUnit, containerUnitName, HostLayout } from './host-layout.js';
import { CONTAINER_ID } from './testing.spec-helper.js';

describe('HostLayout', () => {
  const layout = new HostLayout('/var/lib/podwright', '/run/podwright');

  it('keeps what outlives a reboot apart from what does not', () => {
    const { state, run, rootfs, stage, ...files } = layout.container(CONTAINER_ID);
    expect([state, run, rootfs, stage]).toEqual([
      `/var/lib/podwright/containers/${CONTAINER_ID}`,
      `/run/podwright/containers/${CONTAINER_ID}`,
      `/run/podwright/rootfs/${CONTAINER_ID}`,
      `/run/podwright/rootfs/${CONTAINER_ID}.stage`,
    ]);
    const below = (path: string, folder: string) => path.startsWith(`${folder}/`);
    for (const path of Object.values(files)) expect(below(path, state) || below(path, run)).toBe(true);
    expect(new Set(Object.values(files)).size).toBe(Object.values(files).length);
    expect(
      Object.entries(files)
        .filter(([, path]) => below(path, run))
        .map(([name]) => name),
    ).toEqual(['pidFile', 'conmonPidFile', 'createLog', 'exitDir', 'stoppingMarker']);
  });

  it('has its shared directories below these two', () => {
    const { containersDir, containersRunDir, runtimeRoot, rootfsDir, volumesDir, memoryVolumesDir } = layout;
    expect({ containersDir, containersRunDir, runtimeRoot, rootfsDir, volumesDir, memoryVolumesDir }).toEqual(
      {
        containersDir: '/var/lib/podwright/containers',
        containersRunDir: '/run/podwright/containers',
        runtimeRoot: '/run/podwright/runtime',
        rootfsDir: '/run/podwright/rootfs',
        volumesDir: '/var/lib/podwright/volumes',
        memoryVolumesDir: '/run/podwright/volumes',
      },
    );
  });
});

describe('names of units', () => {
  it('go there and back', () => {
    expect(containerUnitName(CONTAINER_ID)).toBe(`podwright-${CONTAINER_ID}.service`);
    expect(containerOfUnit(containerUnitName(CONTAINER_ID))).toBe(CONTAINER_ID);
  });

  it.each([
    'podwright.service',
    `podwright-${CONTAINER_ID}.slice`,
    `podwright-${CONTAINER_ID.slice(1)}.service`,
    `podwright-${CONTAINER_ID}0.service`,
    `podwright-${CONTAINER_ID.toUpperCase()}.service`,
    `x-podwright-${CONTAINER_ID}.service`,
    'podwright-agent.service',
  ])('%s is none of ours', (name) => {
    expect(containerOfUnit(name)).toBeUndefined();
  });
});
