import { PodwrightError } from '@podwright/core';
import { beforeEach, expect, it } from 'vitest';
import { FakeSystemd } from './fake-systemd.spec-helper.js';
import { containerUnitName, HostLayout } from './host-layout.js';
import { PodSlices } from './pod-slices.js';
import { CONTAINER_ID } from './testing.spec-helper.js';

let systemd: FakeSystemd;
let slices: PodSlices;

beforeEach(() => {
  systemd = new FakeSystemd();
  slices = new PodSlices(systemd, new HostLayout('/s', '/r'));
  systemd.set('podwright.slice', 'active');
});

it('makes a slice only where the pod has limits', async () => {
  await slices.create('a1', undefined);
  await slices.create('a1', {});
  expect(systemd.calls).toEqual([]);
  await slices.create('a1', { memoryLimitBytes: 1 });
  expect(systemd.calls).toEqual(['start podwright-poda1.slice']);
});

it('gives limits to a slice that is there already', async () => {
  systemd.set('podwright-poda1.slice', 'active');
  await slices.create('a1', { memoryLimitBytes: 1, pidsLimit: 2 });
  expect(systemd.calls).toEqual([
    'start podwright-poda1.slice',
    'set podwright-poda1.slice TasksMax,MemoryMax',
  ]);
});

it('the last pod out takes the parent away', async () => {
  for (const uid of ['a1', 'b2']) systemd.set(slices.nameOf(uid), 'active');
  systemd.set('podwright-agent.service', 'active');
  await slices.remove('a1');
  expect([...systemd.units.keys()]).toContain('podwright.slice');
  await slices.remove('b2');
  expect([...systemd.units.keys()]).toEqual(['podwright-agent.service']);
  await slices.remove('b2');
});

it.each([
  ['a container of another agent lives', () => systemd.set(containerUnitName(CONTAINER_ID), 'activating')],
  ['a pod of another agent lives', () => systemd.set('podwright-podb2.slice', 'active')],
])('the parent stays while %s', async (_what, live) => {
  live();
  await slices.remove('a1');
  expect([...systemd.units.keys()]).toContain('podwright.slice');
});

it('the parent stays while something is being started in it', async () => {
  await slices.whileStarting(() => slices.remove('a1'));
  expect([...systemd.units.keys()]).toContain('podwright.slice');
});

it.each<[string, PodwrightError, boolean]>([
  [
    'a start that replaced its stop',
    new PodwrightError('job-failed', '', { details: { result: 'canceled' } }),
    true,
  ],
  ['a stop that failed', new PodwrightError('job-failed', '', { details: { result: 'failed' } }), false],
  ['a bus that is gone', new PodwrightError('unavailable', ''), false],
])('to %s it is content: %s', async (_what, error, isFine) => {
  systemd.set('podwright-poda1.slice', 'active');
  systemd.onStop = () => Promise.reject(error);
  const removed = slices.remove('a1');
  await (isFine ? removed : expect(removed).rejects.toBe(error));
});
