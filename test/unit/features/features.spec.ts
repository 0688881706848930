// docs/features.md is made of the code, and what it says of the backends is proven here. `npm run features` writes it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryHost, unsupportedFields as memoryFields, unenforcedFields } from '@podwright/backend-memory';
import { unsupportedFields as systemdFields } from '@podwright/backend-systemd';
import { conformanceCases } from '@podwright/conformance';
import {
  ContainerRuntime,
  manifestFields,
  PodwrightError,
  ProbeResults,
  parseConfigObject,
  parsePod,
  type RuntimeFeatures,
  RuntimeService,
} from '@podwright/core';
import { accessLabels } from '@podwright/oci';
import { type Container, ContainerModule, type ServiceIdentifier } from 'inversify';
import { createContainer, createRuntime } from 'podwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkResources } from '../../../packages/backend-systemd/src/container-resources.js';
import { PersistentUnits } from '../../../packages/backend-systemd/src/persistent-units.js';
import { checkRecursiveReadOnly } from '../../../packages/backend-systemd/src/recursive-read-only.js';
import { UserNamespaces } from '../../../packages/backend-systemd/src/user-namespaces.js';
import { imageMutants, runtimeMutants, serviceMutants } from '../../conformance/mutants.js';
import { comparison } from './comparison.js';
import { membersOf } from './interfaces.js';
import { manifestWith, pathsOf, SAMPLE_IMAGE, takenManifests } from './manifest-samples.js';
import { describedBackends, renderFeatures } from './render.js';

async function featuresOf(backend: 'systemd' | 'cri' | 'memory'): Promise<RuntimeFeatures> {
  const runtime = await createRuntime({ backend, stateDir: join(tmpdir(), 'podwright-features') });
  return runtime.features;
}

it('docs/features.md is what the code says (npm run features writes it)', async () => {
  const backends = describedBackends({
    systemd: await featuresOf('systemd'),
    cri: await featuresOf('cri'),
    memory: await featuresOf('memory'),
  });
  await expect(renderFeatures(backends)).toMatchFileSnapshot('../../../docs/features.md');
});

it('the suite has at least 250 cases, each with an id of its own', () => {
  expect(new Set(conformanceCases.map(({ id }) => id)).size).toBe(conformanceCases.length);
  expect(conformanceCases.length).toBeGreaterThanOrEqual(250);
});

describe('the comparison', () => {
  const operations = ['ContainerRuntime', 'RuntimeService', 'ImageService'].flatMap((owner) =>
    membersOf(owner).map(({ name }) => name),
  );
  const options = membersOf('RunPodOptions').map(({ name }) => `RunPodOptions.${name}`);
  const fields = manifestFields().flatMap(({ path, supported }) => (supported ? [path] : []));
  const known = new Set([...operations, ...options, ...fields]);

  it.each(comparison)('tells of $what what there is', ({ how, by, others }) => {
    expect(by.filter((name) => !known.has(name))).toEqual([]);
    expect(by).not.toEqual([]);
    expect([how, ...others].filter((cell) => cell.trim() === '')).toEqual([]);
    expect(how).not.toMatch(/^(–|no)$/);
  });
});

describe('every operation', () => {
  const ids = new Set(conformanceCases.map(({ id }) => id));
  it.each<[string, Readonly<Record<string, readonly { readonly fails: string }[]>>]>([
    ['ContainerRuntime', runtimeMutants],
    ['RuntimeService', serviceMutants],
    ['ImageService', imageMutants],
  ])('of %s has cases that notice when it is done wrong', (owner, mutants) => {
    const missing = membersOf(owner).filter(
      ({ name }) => !Object.entries(mutants).some(([key, list]) => key === name && list.length > 0),
    );
    expect(missing).toEqual([]);
    const named = Object.values(mutants).flatMap((list) => list.map(({ fails }) => fails));
    expect(named.filter((id) => !ids.has(id))).toEqual([]);
  });
});

/** The facility and fields that an error of kind `unsupported` names. */
async function refusalOf(action: () => unknown): Promise<unknown> {
  try {
    await action();
  } catch (error) {
    if (PodwrightError.is(error, 'unsupported')) return error.details['facility'];
    throw error;
  }
  return 'it was taken';
}

describe('the memory backend', () => {
  let container: Container;
  let runtime: ContainerRuntime;
  let stateDir: string;
  const host = new MemoryHost({ registry: { images: [{ reference: SAMPLE_IMAGE }] } });
  const objects = ['ConfigMap', 'Secret'].map((kind) =>
    parseConfigObject({
      ...{ apiVersion: 'v1', kind, metadata: { name: kind === 'Secret' ? 'secret' : 'config' } },
      ...(kind === 'Secret' ? { stringData: { k: 'v' } } : { data: { k: 'v' } }),
    }),
  );

  beforeAll(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'podwright-features-'));
    // Probes are not what is looked at: a sidecar's startup probe of gRPC, which nobody answers, would hold all others up.
    const calm = new ContainerModule(
      ({ rebind }) =>
        void rebind(ProbeResults).toConstantValue({
          readiness: () => 'success',
          liveness: () => 'success',
          startup: () => 'success',
        }),
    );
    container = await createContainer(
      { backend: 'memory', stateDir, backendOptions: { host } },
      { modules: [calm] },
    );
    runtime = container.get(ContainerRuntime);
    await runtime.start();
  });

  afterAll(async () => {
    await runtime[Symbol.asyncDispose]();
    host.powerOff();
    await rm(stateDir, { recursive: true, force: true });
  });

  const refused = new Set(Object.values(memoryFields).flatMap(({ paths }) => paths as readonly string[]));
  const isRefused = (path: string) =>
    [...refused].some((each) => {
      const field = path.replace('.initContainers.', '.containers.');
      return field === each || field.startsWith(`${each}.`);
    });

  it('is shown all fields that it does not refuse', () => {
    const used = new Set(takenManifests.flatMap((manifest) => pathsOf(manifest)));
    const unused = manifestFields()
      .filter(({ supported, path }) => supported && !used.has(path) && !isRefused(path))
      .map(({ path }) => path);
    expect(unused).toEqual([]);
  });

  it.each(takenManifests.map((manifest) => parsePod(manifest)))('runs $metadata.name', async (pod) => {
    const { uid } = await runtime.runPod(pod, { objects });
    const { phase, containers } = await runtime.getPodStatus({ uid });
    expect(phase).toBe('Running');
    expect(containers.filter(({ state }) => state !== 'running')).toEqual([]);
    await runtime.removePod({ uid }, { graceMs: 0 });
  });

  const manifests: Partial<Record<keyof typeof memoryFields, readonly object[]>> = {
    nodeProcesses: [manifestWith({ hostPID: true })],
    userNamespaces: [manifestWith({ hostUsers: false })],
    appArmor: [
      manifestWith({ securityContext: { appArmorProfile: { type: 'RuntimeDefault' } } }),
      manifestWith(
        {},
        { securityContext: { appArmorProfile: { type: 'Localhost', localhostProfile: 'p' } } },
      ),
    ],
    seLinux: [
      manifestWith({ securityContext: { seLinuxOptions: { level: 's0' } } }),
      manifestWith({}, { securityContext: { seLinuxOptions: { type: 't' } } }),
    ],
    propagation: [
      manifestWith(
        { volumes: [{ name: 'v', emptyDir: {} }] },
        {
          securityContext: { privileged: true },
          volumeMounts: [{ name: 'v', mountPath: '/v', mountPropagation: 'Bidirectional' }],
        },
      ),
    ],
    specialFiles: ['Socket', 'CharDevice', 'BlockDevice'].map((type) =>
      manifestWith({ volumes: [{ name: 'v', hostPath: { path: '/dev/x', type } }] }),
    ),
  };

  it.each(Object.entries(memoryFields))('refuses %s, as its table says', async (name, { missing }) => {
    const samples = manifests[name as keyof typeof manifests];
    if (name === 'devices') {
      const service = container.get(RuntimeService);
      const { uid } = await runtime.runPod(parsePod(manifestWith({})));
      const [sandboxId = ''] = (await runtime.getPodStatus({ uid })).sandboxIds;
      const device = { hostPath: '/dev/x', containerPath: '/dev/x', permissions: 'r' };
      const config = {
        ...{
          metadata: { name: 'd', attempt: 0 },
          image: SAMPLE_IMAGE,
          env: [],
          mounts: [],
          devices: [device],
        },
        ...{ labels: {}, annotations: {}, resources: {}, security: {}, terminationGraceMs: 0 },
        restart: { by: 'caller' } as const,
      };
      expect(await refusalOf(() => service.createContainer(sandboxId, config))).toBe(missing);
      await runtime.removePod({ uid }, { graceMs: 0 });
      return;
    }
    expect(samples?.length, 'a manifest for the row').toBeGreaterThan(0);
    for (const sample of samples ?? []) {
      expect(await refusalOf(() => runtime.runPod(parsePod(sample)))).toBe(missing);
    }
  });

  it('and every other one refuse sysctls that nobody has allowed', async () => {
    const sysctls = [{ name: 'net.core.somaxconn', value: '1' }];
    const pod = parsePod(manifestWith({ securityContext: { sysctls } }));
    await expect(runtime.runPod(pod)).rejects.toMatchObject({ kind: 'unsupported' });
  });

  it('takes without effect only what is a field, and none that it refuses', () => {
    const fields = new Set(manifestFields().flatMap(({ path, supported }) => (supported ? [path] : [])));
    const paths = unenforcedFields.filter((path) => path.startsWith('spec.'));
    expect(paths.filter((path) => !fields.has(path) || isRefused(path))).toEqual([]);
  });
});

describe('the systemd backend', () => {
  const mount = { hostPath: '/h', containerPath: '/c', readOnly: true, recursiveReadOnly: true };
  /** A part of a backend in a container, with an OCI runtime that knows no idmapped mounts. */
  const part = async <T>(type: ServiceIdentifier<T>): Promise<T> =>
    (
      await createContainer({ backend: 'systemd', backendOptions: { ociRuntime: 'runc', inContainer: {} } })
    ).get(type);
  /** What it does on a host that lacks the facility. */
  const onSuchAHost: Record<keyof typeof systemdFields, () => unknown> = {
    appArmor: () => accessLabels({ appArmor: { type: 'RuntimeDefault' } }, { seLinux: false }),
    seLinux: () => accessLabels({ seLinux: { level: 's0' } }, { seLinux: false }),
    userNamespaces: async () => (await part(UserNamespaces)).check(),
    recursiveReadOnly: () => checkRecursiveReadOnly([mount], '5.10.0'),
    persist: async () => (await part(PersistentUnits)).requirePossible(),
    hugePages: () =>
      checkResources({ hugepageLimits: { '2MB': 2_097_152 } }, { version: 2, swap: 'property' }, 'c'),
    swapLimit: () =>
      checkResources({ memoryLimitBytes: 1, memorySwapLimitBytes: 1 }, { version: 1, swap: 'missing' }, 'c'),
    cpusets: () => checkResources({ cpusetCpus: '0' }, { version: 1, swap: 'file' }, 'c'),
  };

  it.each(Object.entries(systemdFields))('refuses %s on a host that lacks it', async (name, row) => {
    const action = onSuchAHost[name as keyof typeof systemdFields];
    expect(await refusalOf(action)).toBe(row.missing);
  });

  it('refuses nothing but for want of a facility of the host', () => {
    expect(Object.values(systemdFields).filter(({ byHost }) => !byHost)).toEqual([]);
  });

  it('names fields that there are', () => {
    const fields = new Set(manifestFields().flatMap(({ path, supported }) => (supported ? [path] : [])));
    for (const { paths } of [...Object.values(systemdFields), ...Object.values(memoryFields)]) {
      for (const path of paths) {
        const [owner = '', member] = path.split('.');
        if (owner === 'spec') expect(fields, path).toContain(path);
        else expect(membersOf(owner).map(({ name }) => name)).toContain(member);
      }
    }
  });
});
