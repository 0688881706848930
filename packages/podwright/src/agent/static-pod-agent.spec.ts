import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ContainerRuntime, type PodStatus, SystemClock } from '@podwright/core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createRuntime } from '../create-runtime.js';
import { StaticPodAgent } from './static-pod-agent.js';

const IMAGE = 'registry.test/app:1';
const WAIT = { timeout: 20_000, interval: 20 };

let directory: string;
let runtime: ContainerRuntime;
let lines: string[];
let agent: { readonly end: AbortController; readonly ended: Promise<void> } | undefined;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'podwright-static-'));
  lines = [];
  const backendOptions = { registry: { images: [{ reference: IMAGE, config: { Cmd: ['sh'] } }] } };
  runtime = await createRuntime({ backend: 'memory', backendOptions });
  await runtime.start();
});

afterEach(async () => {
  await endAgent();
  await runtime[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

function startAgent(over: ContainerRuntime = runtime): void {
  const tell = (line: string) => void lines.push(line);
  const logger = { debug: tell, info: tell, warn: tell, error: tell };
  const end = new AbortController();
  const made = new StaticPodAgent(over, { directory, rescanMs: 100 }, new SystemClock(), logger);
  agent = { end, ended: made.run(end.signal) };
}

async function endAgent(): Promise<void> {
  agent?.end.abort();
  await agent?.ended;
  agent = undefined;
}

/** A file put there as a whole, with a pod `job` of one container. */
function put(script: string, spec: object = {}, resources: object = {}): void {
  const containers = [{ name: 'main', image: IMAGE, command: ['sh', '-c', script], resources }];
  const more = { restartPolicy: 'Never', terminationGracePeriodSeconds: 0, ...spec };
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'job' }, spec: { ...more, containers } };
  writeFileSync(join(directory, '.job'), JSON.stringify(pod));
  renameSync(join(directory, '.job'), join(directory, 'job.json'));
}

async function job(): Promise<PodStatus | undefined> {
  return await runtime.getPodStatus({ name: 'job' }).catch(() => undefined);
}

const exitCodes = async () =>
  (await job())?.containers.flatMap(({ attempts }) => attempts.map(({ exitCode }) => exitCode));

/** Ends with 3 when it is told to. */
const WORK = 'until [ -e /end ]; do sleep 0.02; done; exit 3';

async function endWork(): Promise<void> {
  await runtime.runInContainer({ name: 'job' }, ['touch', '/end']);
  await expect.poll(exitCodes, WAIT).toEqual([3]);
}

describe('StaticPodAgent', { timeout: 60_000 }, () => {
  it.each([
    ['that has done its work', 'exit 0', {}, 'Succeeded', [0]],
    ['that has failed', 'exit 3', {}, 'Failed', [3]],
    ['that its deadline has ended', 'sleep 1000', { activeDeadlineSeconds: 1 }, 'Failed', [137]],
    [
      'that its deadline has ended, of the policy Always',
      'sleep 1000',
      { activeDeadlineSeconds: 1, restartPolicy: 'Always' },
      'Failed',
      [137],
    ],
  ])(
    'begins a pod anew %s when its file changes, and only then',
    async (_what, script, spec, phase, codes) => {
      put(script, spec);
      startAgent();
      await expect.poll(job, WAIT).toMatchObject({ phase });
      await expect.poll(exitCodes, WAIT).toEqual(codes);
      const before = await job();

      await endAgent();
      startAgent();
      await expect.poll(() => lines, WAIT).toContain('default/job is as job.json says');
      expect((await job())?.containers).toEqual(before?.containers);

      put('exit 7');
      await expect.poll(exitCodes, WAIT).toEqual([7]);
      expect(await job()).toMatchObject({ uid: before?.uid, phase: 'Failed' });
      expect((await job())?.reason).toBeUndefined();
      expect(lines).toContain('Removing default/job: it has ended, and job.json says something else now');
    },
  );

  it('begins one anew whose file was changed while no agent lived', async () => {
    put('exit 0');
    startAgent();
    await expect.poll(exitCodes, WAIT).toEqual([0]);
    await endAgent();
    put('exit 7');
    startAgent();
    await expect.poll(exitCodes, WAIT).toEqual([7]);
  });

  it('does not do work twice because its limits were changed while it ran', async () => {
    const memory = (quantity: string) => ({ limits: { memory: quantity } });
    put(WORK, {}, memory('64Mi'));
    startAgent();
    await expect.poll(job, WAIT).toMatchObject({ phase: 'Running' });
    await endAgent();
    await runtime.updateContainerResources({ name: 'job', container: 'main' }, { memoryLimitBytes: 2 ** 27 });
    await endWork();
    const before = await job();
    lines = [];
    startAgent();
    await expect.poll(() => lines, WAIT).toContain('default/job is as job.json says');
    expect((await job())?.containers).toEqual(before?.containers);
  });

  it('begins one anew that ended after it was looked at', async () => {
    put(WORK);
    startAgent();
    await expect.poll(job, WAIT).toMatchObject({ phase: 'Running' });
    await endAgent();
    put('exit 7');
    const syncPod = vi.spyOn(runtime, 'syncPod').mockImplementationOnce(async (...call) => {
      await endWork();
      return await runtime.syncPod(...call);
    });
    startAgent();
    await expect.poll(exitCodes, WAIT).toEqual([7]);
    expect(syncPod).toHaveBeenCalledTimes(3);
  });
});
