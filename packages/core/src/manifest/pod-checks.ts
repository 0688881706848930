import { normalizedPath } from './names.js';
import type { PodView, Report, VolumeView } from './pod-view.js';
import { placedContainers, reportRepeated } from './pod-view.js';

export function checkVolumes({ spec }: PodView, report: Report): void {
  reportRepeated(
    spec.volumes ?? [],
    ({ name }) => name,
    (index) => report(['spec', 'volumes', index, 'name'], 'has the name of an earlier volume'),
  );
  for (const [index, volume] of (spec.volumes ?? []).entries()) {
    const sources = Object.keys(volume).filter((key) => key !== 'name' && volume[key] !== undefined);
    const path = ['spec', 'volumes', index];
    if (sources.length === 0)
      report(path, 'needs a source, such as hostPath: {path: …}, emptyDir: {} or configMap: {name: …}');
    if (sources.length > 1) report(path, `has the sources ${sources.join(' and ')}: give it one`);
    checkProjectedPaths(volume, path, report);
  }
}

/** Two sources of a projected volume cannot give the same file. */
function checkProjectedPaths({ projected }: VolumeView, path: readonly PropertyKey[], report: Report): void {
  const files = (projected?.sources ?? []).flatMap((source, index) =>
    (['configMap', 'secret', 'downwardAPI'] as const).flatMap((kind) =>
      (source[kind]?.items ?? []).map((item, place) => ({
        path: item.path,
        at: [...path, 'projected', 'sources', index, kind, 'items', place, 'path'],
      })),
    ),
  );
  reportRepeated(
    files,
    (file) => (file.path === undefined ? undefined : normalizedPath(file.path)),
    (index) => report(files[index]?.at ?? path, 'is the path of an earlier file of this volume'),
  );
}

/** The downward API tells of resources of containers of this pod. */
export function checkResourceReferences(pod: PodView, report: Report): void {
  const placed = placedContainers(pod);
  const names = placed.map(({ container }) => container.name).filter((name) => name !== undefined);
  const check = (name: string | undefined, at: readonly PropertyKey[]) => {
    if (name === undefined || names.includes(name)) return;
    report(
      [...at, 'resourceFieldRef', 'containerName'],
      `has to be a container of this pod (${names.join(', ')})`,
    );
  };
  for (const { container, path } of placed) {
    for (const [index, { valueFrom }] of (container.env ?? []).entries()) {
      check(valueFrom?.resourceFieldRef?.containerName, [...path, 'env', index, 'valueFrom']);
    }
  }
  for (const [index, volume] of (pod.spec.volumes ?? []).entries()) {
    const lists = [
      { items: volume.downwardAPI?.items, at: ['downwardAPI'] },
      ...(volume.projected?.sources ?? []).map((source, place) => ({
        items: source.downwardAPI?.items,
        at: ['projected', 'sources', place, 'downwardAPI'],
      })),
    ];
    for (const { items = [], at } of lists) {
      for (const [place, { resourceFieldRef }] of items.entries()) {
        check(resourceFieldRef?.containerName, ['spec', 'volumes', index, ...at, 'items', place]);
      }
    }
  }
}

/** Names of namespaces that a pod of the node's cannot have beside its own user ids. */
const HOST_NAMESPACES = ['hostNetwork', 'hostPID', 'hostIPC'] as const;

function checkNamespaces(spec: PodView['spec'], report: Report): void {
  if (spec.shareProcessNamespace && spec.hostPID) {
    report(['spec', 'shareProcessNamespace'], 'cannot be given together with hostPID: true');
  }
  const shared = HOST_NAMESPACES.filter((field) => spec[field]);
  if (spec.hostUsers === false && shared.length > 0) {
    report(['spec', 'hostUsers'], `cannot be false together with ${shared.join(' and ')}`);
  }
}

const LONGEST_HOSTNAME = 64;

function checkHostname(spec: PodView['spec'], report: Report): void {
  for (const field of ['hostname', 'subdomain', 'setHostnameAsFQDN', 'hostnameOverride'] as const) {
    if (!spec.hostNetwork || spec[field] === undefined || spec[field] === false) continue;
    report(['spec', field], 'cannot be given with hostNetwork: true, where the name is the node’s own');
  }
  if (spec.hostnameOverride === undefined) return;
  const at = ['spec', 'hostnameOverride'];
  if (spec.setHostnameAsFQDN) report(at, 'cannot be given together with setHostnameAsFQDN: true');
  if (spec.hostnameOverride.length > LONGEST_HOSTNAME) {
    report(at, `is longer than ${LONGEST_HOSTNAME} characters, which is what the kernel takes`);
  }
}

export function checkPodWide({ spec }: PodView, report: Report): void {
  const { dnsConfig, dnsPolicy, securityContext } = spec;
  if (dnsPolicy === 'None' && (dnsConfig?.nameservers ?? []).length === 0) {
    report(['spec', 'dnsPolicy'], 'needs spec.dnsConfig.nameservers with at least one address');
  }
  checkHostname(spec, report);
  checkNamespaces(spec, report);
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
