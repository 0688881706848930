import { normalizedPath } from './names.js';
import type { ContainerView, PlacedContainer, PodView, Report } from './pod-view.js';
import { reportRepeated } from './pod-view.js';

/** What a container may not have beside its kind, its pod or its own other fields. */
export function checkContainer(placed: PlacedContainer, pod: PodView, report: Report): void {
  const { container, path } = placed;
  const volumes = new Set((pod.spec.volumes ?? []).map(({ name }) => name));
  checkMounts(container, path, volumes, report);
  checkSecurity(container, path, pod.spec.securityContext, report);
  checkProcMount(container, path, pod, report);
  checkInit(placed, report);
  checkHandlers(container, path, pod, report);
}

/** Init containers that end have nothing to probe, and nothing to be told before their end. */
function checkInit({ container, path, isInit }: PlacedContainer, report: Report): void {
  if (!isInit) return;
  for (const field of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    if (container[field] === undefined) continue;
    report(
      [...path, field],
      'is for sidecars and app containers only: remove it, or set restartPolicy: Always',
    );
  }
  if (container.resizePolicy?.length) {
    report(
      [...path, 'resizePolicy'],
      'is for sidecars and app containers only: remove it, or set restartPolicy: Always',
    );
  }
}

function checkHandlers(
  { ports = [], lifecycle, ...probes }: ContainerView,
  path: readonly PropertyKey[],
  { spec }: PodView,
  report: Report,
): void {
  const names = ports.map(({ name }) => name).filter((name) => name !== undefined);
  const handlers = {
    'lifecycle.postStart': lifecycle?.postStart,
    'lifecycle.preStop': lifecycle?.preStop,
    livenessProbe: probes.livenessProbe,
    readinessProbe: probes.readinessProbe,
    startupProbe: probes.startupProbe,
  };
  for (const [place, handler] of Object.entries(handlers)) {
    const at = [...path, ...place.split('.')];
    for (const kind of ['httpGet', 'tcpSocket'] as const) {
      const port = handler?.[kind]?.port;
      if (typeof port !== 'string' || names.includes(port)) continue;
      const known = names.length === 0 ? 'it names none' : `it has ${names.join(', ')}`;
      report([...at, kind, 'port'], `has to be the name of a port of this container (${known}), or a number`);
    }
    const grace = spec.terminationGracePeriodSeconds ?? 30;
    if ((handler?.sleep?.seconds ?? 0) > grace) {
      report([...at, 'sleep', 'seconds'], `has to be at most spec.terminationGracePeriodSeconds (${grace})`);
    }
  }
  if (lifecycle?.stopSignal !== undefined && spec.os?.name === undefined) {
    report([...path, 'lifecycle', 'stopSignal'], 'needs spec.os: {name: linux}, as in Kubernetes');
  }
}

function checkProcMount(
  { securityContext }: ContainerView,
  path: readonly PropertyKey[],
  { spec }: PodView,
  report: Report,
): void {
  if (securityContext?.procMount !== 'Unmasked' || spec.hostUsers === false) return;
  report(
    [...path, 'securityContext', 'procMount'],
    'can be Unmasked only in a user namespace of the pod: add spec.hostUsers: false',
  );
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
