// Makes docs/features.md out of the code: manifestFields(), the backends' tables of unsupported fields, the interfaces of
// core, and the suite with the mutants that it has to notice.
import { unsupportedFields as criFields } from '@podwright/backend-cri';
import { unsupportedFields as memoryFields, unenforcedFields } from '@podwright/backend-memory';
import { unsupportedFields as systemdFields } from '@podwright/backend-systemd';
import { conformanceCases } from '@podwright/conformance';
import {
  type ManifestField,
  manifestFields,
  type RuntimeFeatures,
  type UnsupportedField,
} from '@podwright/core';
import { imageMutants, runtimeMutants, serviceMutants } from '../../conformance/mutants.js';
import { comparison, comparisonNotes, products } from './comparison.js';
import { membersOf } from './interfaces.js';

/** A backend as the document shows it. */
export interface DescribedBackend {
  readonly name: string;
  readonly features: RuntimeFeatures;
  readonly fields: readonly UnsupportedField[];
  /** Taken and not enforced, by path. */
  readonly unenforced: readonly string[];
}

export function describedBackends(
  features: Readonly<Record<'systemd' | 'cri' | 'memory', RuntimeFeatures>>,
): readonly DescribedBackend[] {
  return [
    {
      name: 'systemd',
      features: features.systemd,
      fields: Object.values<UnsupportedField>(systemdFields),
      unenforced: [],
    },
    {
      name: 'cri',
      features: features.cri,
      fields: Object.values<UnsupportedField>(criFields),
      unenforced: [],
    },
    {
      name: 'memory',
      features: features.memory,
      fields: Object.values<UnsupportedField>(memoryFields),
      unenforced: unenforcedFields,
    },
  ];
}

/** Which feature an operation or an option needs; without one all backends have it. */
const FEATURE_OF: Readonly<Record<string, keyof RuntimeFeatures>> = {
  attach: 'attach',
  attachContainer: 'attach',
  stats: 'stats',
  watchStats: 'stats',
  listContainerStats: 'stats',
  listPodSandboxStats: 'stats',
  updateContainerResources: 'updateResources',
  updatePodSandboxResources: 'updateResources',
  'RunPodOptions.persist': 'persist',
};

/** What options there are, and the calls that take them. */
const OPTIONS: Readonly<Record<string, string>> = {
  RunPodOptions: '`runPod`, `syncPod`',
  PodFilter: '`getPods`, `stats`, `watchStats`',
  EphemeralContainer: '`runEphemeralContainer`',
  ContainerResources: '`updateContainerResources`, `updatePodSandboxResources`',
  StopOptions: '`killPod`, `removePod`, `stopContainer`',
  LogOptions: '`getContainerLogs`, `containerLogs`',
  ExecSyncOptions: '`runInContainer`, `execSync`',
  ExecOptions: '`execInContainer`, `exec`',
  AttachOptions: '`attachContainer`, `attach`',
  PortForwardOptions: '`portForward` of RuntimeService',
  PullOptions: '`pullImage`, `ensureImage`',
  GcPolicy: '`garbageCollect`',
  GcOptions: '`garbageCollect`',
  OrphanOptions: '`removeOrphans`',
  PodSandboxFilter: '`listPodSandboxes`, `listPodSandboxStats`',
  ContainerFilter: '`listContainers`, `listContainerStats`',
};

/** Whether a field of the manifest or of a contract is supported by a backend, in words. */
export function supportOf(backend: DescribedBackend, path: string, needs?: keyof RuntimeFeatures): string {
  const row = backend.fields.find(({ paths, feature }) =>
    needs === undefined
      ? paths.some((each) => path === each || path.startsWith(`${each}.`))
      : feature === needs,
  );
  if (row) {
    const values = row.values === undefined ? '' : ` for ${row.values}`;
    return row.byHost
      ? `supported, given ${row.missing}; else error \`unsupported\`${values}`
      : `error \`unsupported\`${values}: it has no ${row.missing.replace(/^an? /, '')}`;
  }
  if (needs !== undefined && backend.features[needs] === false)
    return `error \`unsupported\` (\`features.${needs}\` is false)`;
  return backend.unenforced.some((each) => path === each || path.startsWith(`${each}.`))
    ? 'taken, not enforced'
    : 'supported';
}

/** The cases that notice when a method is done wrong, and that a backend with these features runs. */
export function casesOf(mutants: readonly { readonly fails: string }[]): readonly string[] {
  return [...new Set(mutants.map(({ fails }) => fails))];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

const SAME = /^spec\.(containers|initContainers)\./;

/** Fields that are the same of containers and init containers, in one row. */
function mergedFields(): readonly ManifestField[] {
  const byPath = new Map(manifestFields().map((field) => [field.path, field]));
  return [...byPath.values()].flatMap((field) => {
    const match = SAME.exec(field.path);
    if (!match) return [field];
    const other = match[1] === 'containers' ? 'initContainers' : 'containers';
    const twin = byPath.get(field.path.replace(match[1] ?? '', other));
    if (twin?.supported !== field.supported || twin.advice !== field.advice) return [field];
    return match[1] === 'containers'
      ? [{ ...field, path: field.path.replace('.containers', '.(init)containers') }]
      : [];
  });
}

/** As the backends' tables name it. */
function tablePath(path: string): string {
  return path.replace('.(init)containers', '.containers').replace('.initContainers', '.containers');
}

function manifestTable(backends: readonly DescribedBackend[]): string {
  const rows = mergedFields().map(({ path, supported, advice }) => [
    `\`${path}\``,
    ...backends.map((backend) =>
      supported ? supportOf(backend, tablePath(path)) : `error \`invalid-manifest\`: ${advice}`,
    ),
  ]);
  // What no backend takes is said once.
  const taken = rows.filter(([, first = '']) => !first.startsWith('error `invalid-manifest`'));
  const refused = rows.filter(([, first = '']) => first.startsWith('error `invalid-manifest`'));
  return [
    table(['field', ...backends.map(({ name }) => name)], taken),
    '',
    'Kubernetes has these too. On every backend they are an error of kind `invalid-manifest` with this advice:',
    '',
    table(
      ['field', 'advice'],
      refused.map(([path = '', advice = '']) => [path, advice.replace('error `invalid-manifest`: ', '')]),
    ),
  ].join('\n');
}

function operationTable(
  owner: string,
  mutants: Readonly<Record<string, readonly { readonly fails: string }[]>>,
  backends: readonly DescribedBackend[],
): string {
  return table(
    [owner, ...backends.map(({ name }) => name), 'what it does', 'a case fails without it'],
    membersOf(owner).map(({ name, says }) => [
      `\`${name}\``,
      ...backends.map((backend) => supportOf(backend, `${owner}.${name}`, FEATURE_OF[name])),
      says,
      casesOf(mutants[name] ?? [])
        .slice(0, 2)
        .map((id) => `\`${id}\``)
        .join(', '),
    ]),
  );
}

function optionTable(backends: readonly DescribedBackend[]): string {
  return table(
    ['option', 'of', ...backends.map(({ name }) => name), 'what it does'],
    Object.entries(OPTIONS).flatMap(([owner, calls]) =>
      membersOf(owner).map(({ name, says }) => [
        `\`${owner}.${name}\``,
        calls,
        ...backends.map((backend) => supportOf(backend, `${owner}.${name}`, FEATURE_OF[`${owner}.${name}`])),
        says,
      ]),
    ),
  );
}

function featureTable(backends: readonly DescribedBackend[]): string {
  return table(
    ['feature', ...backends.map(({ name }) => name), 'what it says'],
    membersOf('RuntimeFeatures').map(({ name, says }) => [
      `\`${name}\``,
      ...backends.map(({ features, fields }) => {
        const row = fields.find(({ feature, byHost }) => feature === name && byHost);
        const value = features[name as keyof RuntimeFeatures];
        return row ? `\`true\`, given ${row.missing}` : `\`${JSON.stringify(value)}\``;
      }),
      says,
    ]),
  );
}

function caseCounts(backends: readonly DescribedBackend[]): string {
  const counts = backends.map(({ name, features, fields }) => {
    const has = (need: string) =>
      features[need as keyof RuntimeFeatures] !== false ||
      fields.some(({ feature, byHost }) => feature === need && byHost);
    return `${conformanceCases.filter(({ needs }) => needs.every(has)).length} of them on ${name}`;
  });
  return `The conformance suite has ${conformanceCases.length} cases, ${counts.join(', ')}; the others need a feature that it does not have.`;
}

export function renderFeatures(backends: readonly DescribedBackend[]): string {
  return [
    '# Features',
    '',
    '<!-- Made by `npm run features`. Do not edit: change the code that it describes. -->',
    '',
    'Every field of the manifest and every operation, by backend, as the code has it: a unit test compares this page with',
    'the code. What is not there is an error, and nothing is left out silently. "Given": where the host has that; the error',
    'names it otherwise. "Not enforced": the memory backend takes it and reports it, and has no kernel to enforce it.',
    'That each field is taken where it says so is shown by running pods that have them all: on memory by the same unit test, on systemd by',
    "`test/e2e/features.spec.ts`. A container's request of CPU or memory without a limit is its limit too.",
    '',
    caseCounts(backends),
    'On cri those that the runtime behind it cannot carry are left out too: `test/conformance/cri-containerd.spec.ts` and',
    '`test/conformance/cri-loopback.spec.ts` list them with their reasons. The fields of the manifest were not run there one by one.',
    '',
    '## Beside others',
    '',
    comparisonNotes,
    '',
    table(
      ['', 'Podwright, systemd backend', ...products],
      comparison.map(({ what, how, others }) => [what, how, ...others]),
    ),
    '',
    '## Features of the backends',
    '',
    featureTable(backends),
    '',
    '## Operations',
    '',
    'The last column names cases of the conformance suite that notice when a backend does it wrong; all backends run them.',
    '',
    operationTable('ContainerRuntime', runtimeMutants, backends),
    '',
    operationTable('RuntimeService', serviceMutants, backends),
    '',
    operationTable('ImageService', imageMutants, backends),
    '',
    '## Options',
    '',
    'Every call that takes time takes a `signal` (AbortSignal) too.',
    '',
    optionTable(backends),
    '',
    '## The manifest',
    '',
    'A Kubernetes Pod v1, ConfigMaps and Secrets. `(init)containers` is for `containers` and `initContainers` alike; init',
    'containers have probes, hooks and `resizePolicy` when they are sidecars (`restartPolicy: Always`). Sysctls that can harm',
    'other pods are an error of kind `unsupported` on every backend, unless `allowedUnsafeSysctls` of the configuration has them.',
    '`imagePullPolicy` is asked whenever a container is made. A restart that the backend does itself (`features.supervisedRestart`)',
    'makes none, and so starts the image that the container was made of, with `Always` too (docs/decisions/0017).',
    '',
    manifestTable(backends),
    '',
  ].join('\n');
}
