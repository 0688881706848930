import { z } from 'zod';
import { annotationsSizeProblem, labelValueProblem, normalizedPath, qualifiedNameProblem } from './names.js';
import { type ManifestProblem, problemAt } from './problems.js';
import { quantityNanos } from './quantity.js';

/** A manifest as far as it can be read, so that these checks have their say beside those of the schema. */
const word = z.string().optional().catch(undefined);
const number = z.number().optional().catch(undefined);
const flag = z.boolean().optional().catch(undefined);
const amount = z
  .union([z.string(), z.number().transform(String)])
  .optional()
  .catch(undefined);
const texts = z.record(z.string(), z.string().catch('')).catch({});

function list<T extends z.ZodType>(item: T) {
  return z.array(item).catch([]);
}

const amountsView = z.object({ cpu: amount, memory: amount }).catch({ cpu: undefined, memory: undefined });
const portView = z
  .object({ name: word, containerPort: number, hostPort: number, hostIP: word, protocol: word })
  .partial()
  .catch({});
const containerView = z
  .object({
    name: word,
    ports: list(portView),
    volumeMounts: list(z.object({ name: word, mountPath: word, mountPropagation: word }).partial().catch({})),
    resources: z
      .object({ limits: amountsView.optional(), requests: amountsView.optional() })
      .optional()
      .catch(undefined),
    securityContext: z
      .object({
        runAsUser: number,
        runAsNonRoot: flag,
        privileged: flag,
        allowPrivilegeEscalation: flag,
        capabilities: z
          .object({ add: list(z.string().catch('')) })
          .optional()
          .catch(undefined),
      })
      .partial()
      .optional()
      .catch(undefined),
  })
  .partial()
  .catch({});
const volumeView = z.looseObject({ name: word }).catch({ name: undefined });
const podView = z.object({
  metadata: z.object({ labels: texts, annotations: texts }).partial().catch({}),
  spec: z
    .object({
      initContainers: list(containerView),
      containers: list(containerView),
      volumes: list(volumeView),
      hostNetwork: flag,
      hostIPC: flag,
      hostname: word,
      dnsPolicy: word,
      dnsConfig: z
        .object({ nameservers: list(z.string().catch('')) })
        .partial()
        .optional()
        .catch(undefined),
      securityContext: z
        .object({
          runAsUser: number,
          runAsNonRoot: flag,
          sysctls: list(z.object({ name: word }).catch({ name: undefined })),
        })
        .partial()
        .optional()
        .catch(undefined),
    })
    .partial()
    .catch({}),
});

type ContainerView = z.infer<typeof containerView>;
type PortView = z.infer<typeof portView>;
type PodView = z.infer<typeof podView>;
type Report = (path: readonly PropertyKey[], message: string) => void;

/** What no single field shows: names that come twice, references to nowhere, settings that exclude each other. */
export function crossCheck(input: unknown): ManifestProblem[] {
  const parsed = podView.safeParse(input);
  if (!parsed.success) return [];
  const problems: ManifestProblem[] = [];
  const report: Report = (path, message) => problems.push(problemAt(input, path, message));
  const pod = parsed.data;
  checkMetadata(pod, report);
  checkVolumes(pod, report);
  checkContainers(pod, report);
  checkHostPorts(pod, report);
  checkPodWide(pod, report);
  return problems;
}

function checkMetadata({ metadata }: PodView, report: Report): void {
  for (const [key, value] of Object.entries(metadata.labels ?? {})) {
    const path = ['metadata', 'labels', key];
    reportKey(key, path, report);
    const problem = labelValueProblem(value);
    if (problem) report(path, problem);
  }
  for (const key of Object.keys(metadata.annotations ?? {})) {
    // Kubernetes compares the keys of annotations in lower case; labels as they are.
    reportKey(key.toLowerCase(), ['metadata', 'annotations', key], report);
  }
  const size = annotationsSizeProblem(metadata.annotations ?? {});
  if (size) report(['metadata', 'annotations'], size);
}

function reportKey(key: string, path: readonly PropertyKey[], report: Report): void {
  const problem = qualifiedNameProblem(key);
  if (problem) report(path, `has a key that ${problem}`);
}

function checkVolumes({ spec }: PodView, report: Report): void {
  reportRepeated(
    spec.volumes ?? [],
    ({ name }) => name,
    (index) => report(['spec', 'volumes', index, 'name'], 'has the name of an earlier volume'),
  );
  for (const [index, volume] of (spec.volumes ?? []).entries()) {
    const sources = Object.keys(volume).filter((key) => key !== 'name' && volume[key] !== undefined);
    const path = ['spec', 'volumes', index];
    if (sources.length === 0) report(path, 'needs a source: give it hostPath: {path: …} or emptyDir: {}');
    if (sources.length > 1) report(path, `has the sources ${sources.join(' and ')}: give it one`);
  }
}

function checkContainers({ spec }: PodView, report: Report): void {
  const volumes = new Set((spec.volumes ?? []).map(({ name }) => name));
  const all = [
    ...(spec.initContainers ?? []).map((container, index) => ({ container, index, list: 'initContainers' })),
    ...(spec.containers ?? []).map((container, index) => ({ container, index, list: 'containers' })),
  ];
  reportRepeated(
    all,
    ({ container }) => container.name,
    (at) => {
      const entry = all[at];
      if (entry) report(['spec', entry.list, entry.index, 'name'], 'has the name of an earlier container');
    },
  );
  for (const { container, index, list } of all) {
    const path = ['spec', list, index];
    checkMounts(container, path, volumes, report);
    checkPorts(container, path, spec.hostNetwork === true, list === 'initContainers', report);
    checkResources(container, path, report);
    checkSecurity(container, path, spec.securityContext, report);
  }
}

function checkMounts(
  container: ContainerView,
  path: readonly PropertyKey[],
  volumes: ReadonlySet<string | undefined>,
  report: Report,
): void {
  const mounts = container.volumeMounts ?? [];
  for (const [index, mount] of mounts.entries()) {
    const at = [...path, 'volumeMounts', index];
    if (mount.name !== undefined && !volumes.has(mount.name)) {
      const names = [...volumes].filter((name) => name !== undefined);
      const known = names.length === 0 ? 'the pod has none' : `the pod has ${names.join(', ')}`;
      report([...at, 'name'], `has to be the name of a volume of spec.volumes (${known})`);
    }
    if (mount.mountPath !== undefined && normalizedPath(mount.mountPath) === '/') {
      report([...at, 'mountPath'], 'must not be the root of the container');
    }
    if (mount.mountPropagation === 'Bidirectional' && container.securityContext?.privileged !== true) {
      report(
        [...at, 'mountPropagation'],
        'needs securityContext.privileged: true, because mounts would reach the host',
      );
    }
  }
  reportRepeated(
    mounts,
    ({ mountPath }) => (mountPath === undefined ? undefined : normalizedPath(mountPath)),
    (index) =>
      report([...path, 'volumeMounts', index, 'mountPath'], 'is mounted by an earlier entry already'),
  );
}

function checkPorts(
  container: ContainerView,
  path: readonly PropertyKey[],
  hostNetwork: boolean,
  init: boolean,
  report: Report,
): void {
  const ports = container.ports ?? [];
  for (const [index, port] of ports.entries()) {
    if (port.hostPort === undefined) continue;
    const at = [...path, 'ports', index, 'hostPort'];
    if (hostNetwork && port.hostPort !== port.containerPort) {
      report(at, `has to be containerPort (${port.containerPort}) with hostNetwork: true, or left out`);
    }
    if (init && !hostNetwork) report(at, 'is not mapped for init containers: remove it');
  }
  reportRepeated(
    ports,
    ({ name }) => name,
    (index) => report([...path, 'ports', index, 'name'], 'has the name of an earlier port'),
  );
  reportRepeated(
    ports,
    (port) => (port.containerPort === undefined ? undefined : portKey(port)),
    (index) => report([...path, 'ports', index, 'containerPort'], 'is listed by an earlier entry already'),
  );
}

function portKey({ containerPort, hostPort, hostIP, protocol = 'TCP' }: PortView): string {
  return [protocol, containerPort, hostPort, hostIP].join(' ');
}

function checkHostPorts({ spec }: PodView, report: Report): void {
  const taken: { protocol: string; hostPort: number; hostIP: string }[] = [];
  for (const [index, container] of (spec.containers ?? []).entries()) {
    for (const [portIndex, port] of (container.ports ?? []).entries()) {
      const hostPort = port.hostPort;
      if (hostPort === undefined) continue;
      const entry = { protocol: port.protocol ?? 'TCP', hostPort, hostIP: port.hostIP ?? '' };
      const conflict = taken.some(
        (other) =>
          other.hostPort === hostPort &&
          other.protocol === entry.protocol &&
          (isAnyAddress(other.hostIP) || isAnyAddress(entry.hostIP) || other.hostIP === entry.hostIP),
      );
      if (conflict) {
        report(
          ['spec', 'containers', index, 'ports', portIndex, 'hostPort'],
          'is taken by another port of this pod',
        );
      }
      taken.push(entry);
    }
  }
}

function isAnyAddress(address: string): boolean {
  return address === '' || address === '0.0.0.0' || address === '::';
}

function checkResources(container: ContainerView, path: readonly PropertyKey[], report: Report): void {
  for (const resource of ['cpu', 'memory'] as const) {
    const limit = container.resources?.limits?.[resource];
    const request = container.resources?.requests?.[resource];
    if (limit === undefined || request === undefined) continue;
    const [limitNanos, requestNanos] = [quantityNanos(limit), quantityNanos(request)];
    if (limitNanos !== undefined && requestNanos !== undefined && requestNanos > limitNanos) {
      report(
        [...path, 'resources', 'requests', resource],
        `has to be at most the limit, resources.limits.${resource} (${limit})`,
      );
    }
  }
}

function checkSecurity(
  container: ContainerView,
  path: readonly PropertyKey[],
  pod: PodView['spec']['securityContext'],
  report: Report,
): void {
  const security = container.securityContext ?? {};
  const at = [...path, 'securityContext'];
  const user = security.runAsUser ?? pod?.runAsUser;
  if ((security.runAsNonRoot ?? pod?.runAsNonRoot) === true && user === 0) {
    const where = security.runAsUser === undefined ? ['spec', 'securityContext'] : at;
    report([...where, 'runAsUser'], 'must not be 0 with runAsNonRoot: true');
  }
  if (security.allowPrivilegeEscalation !== false) return;
  const needs = security.privileged
    ? 'privileged: true'
    : security.capabilities?.add?.some((name) => /^(CAP_)?SYS_ADMIN$/i.test(name)) && 'capability SYS_ADMIN';
  if (needs) report([...at, 'allowPrivilegeEscalation'], `cannot be false together with ${needs}`);
}

function checkPodWide({ spec }: PodView, report: Report): void {
  const { dnsConfig, dnsPolicy, securityContext } = spec;
  if (dnsPolicy === 'None' && (dnsConfig?.nameservers ?? []).length === 0) {
    report(['spec', 'dnsPolicy'], 'needs spec.dnsConfig.nameservers with at least one address');
  }
  if (dnsConfig !== undefined && dnsPolicy !== 'None') {
    report(['spec', 'dnsConfig'], 'is supported together with dnsPolicy: None only: add that or remove it');
  }
  if (spec.hostNetwork && spec.hostname !== undefined) {
    report(['spec', 'hostname'], 'cannot be given with hostNetwork: true, where the name is the node’s own');
  }
  const sysctls = securityContext?.sysctls ?? [];
  for (const [index, { name = '' }] of sysctls.entries()) {
    const at = ['spec', 'securityContext', 'sysctls', index, 'name'];
    const dotted = name.replaceAll('/', '.');
    if (spec.hostNetwork && dotted.startsWith('net.')) {
      report(at, 'would change the node’s own setting with hostNetwork: true');
    }
    if (spec.hostIPC && /^(kernel\.(shm|msg|sem)|fs\.mqueue\.)/.test(dotted)) {
      report(at, 'would change the node’s own setting with hostIPC: true');
    }
  }
  reportRepeated(
    sysctls,
    ({ name }) => name?.replaceAll('/', '.'),
    (index) =>
      report(['spec', 'securityContext', 'sysctls', index, 'name'], 'is set by an earlier entry already'),
  );
}

/** Calls back for each entry whose key came before. */
function reportRepeated<T>(
  entries: readonly T[],
  keyOf: (entry: T) => string | undefined,
  report: (index: number) => void,
): void {
  const seen = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    const key = keyOf(entry);
    if (key === undefined) continue;
    if (seen.has(key)) report(index);
    seen.add(key);
  }
}
