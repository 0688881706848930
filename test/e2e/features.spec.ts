// What docs/features.md calls supported is taken by the systemd backend: pods with all fields of the manifest at once, but
// those that this host may lack something for.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unsupportedFields } from '@podwright/backend-systemd';
import {
  type ContainerRuntime,
  manifestFields,
  ProbeResults,
  parseConfigObject,
  parsePod,
} from '@podwright/core';
import { ContainerModule } from 'inversify';
import { createRuntime } from 'podwright';
import { lastValueFrom } from 'rxjs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { testImages, testRegistry } from '../host/images.js';
import { pathsOf, SAMPLE_IMAGE, takenManifests } from '../unit/features/manifest-samples.js';

let folder: string;
let runtime: ContainerRuntime;

/** What a filter of seccomp has to be in a file for: it forbids nothing. */
const PROFILE = JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [] });

const objects = [
  parseConfigObject({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'config' }, data: { k: 'v' } }),
  parseConfigObject({
    ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'secret' } },
    stringData: { k: 'v' },
  }),
];

beforeAll(async () => {
  // On a tmpfs: the root file system of the throw-away host is an overlay, on which no overlay can stand.
  folder = await mkdtemp('/run/podwright-features-');
  const seccompProfileRoot = join(folder, 'seccomp');
  await mkdir(seccompProfileRoot);
  await writeFile(join(seccompProfileRoot, 'p.json'), PROFILE);
  // Nobody answers the probes of the samples; that they are asked is shown elsewhere.
  const calm = new ContainerModule(
    ({ rebind }) =>
      void rebind(ProbeResults).toConstantValue({
        readiness: () => 'success',
        liveness: () => 'success',
        startup: () => 'success',
      }),
  );
  const backendOptions = { insecureRegistries: [testRegistry], seccompProfileRoot };
  runtime = await createRuntime(
    { backend: 'systemd', stateDir: join(folder, 'state'), runDir: join(folder, 'run'), backendOptions },
    { modules: [calm] },
  );
  await runtime.start();
  await lastValueFrom(runtime.pullImage(testImages.busybox));
});

afterAll(async () => {
  for (const { uid } of await runtime.getPods({ all: true }))
    await runtime.removePod({ uid }, { graceMs: 0 });
  await runtime[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** Samples as this host takes them: its image, no huge pages, and no hook that asks a server which may not serve yet. */
const samples: readonly object[] = takenManifests.map((manifest) => {
  const text = JSON.stringify(manifest, (name, value: unknown) =>
    name.startsWith('hugepages-') ? undefined : name === 'postStart' ? { sleep: { seconds: 0 } } : value,
  );
  return JSON.parse(text.replaceAll(SAMPLE_IMAGE, testImages.busybox));
});

it('has samples of all fields but these', () => {
  const used = new Set(samples.flatMap((sample) => pathsOf(sample)));
  const byHost = Object.values(unsupportedFields).flatMap(({ paths }) => paths as readonly string[]);
  const missing = manifestFields().filter(({ supported, path }) => {
    const field = path.replace('.initContainers.', '.containers.');
    return (
      supported &&
      !used.has(path) &&
      !field.includes('.postStart.') &&
      !byHost.some((each) => field === each || field.startsWith(`${each}.`))
    );
  });
  expect(missing).toEqual([]);
});

it.each(samples.map((sample) => parsePod(sample)))(
  'runs $metadata.name',
  { timeout: 120_000 },
  async (pod) => {
    const { uid } = await runtime.runPod(pod, { objects });
    const { phase, containers } = await runtime.getPodStatus({ uid });
    expect(containers.filter(({ state }) => state !== 'running')).toEqual([]);
    expect(phase).toBe('Running');
    await runtime.removePod({ uid }, { graceMs: 0 });
  },
);
