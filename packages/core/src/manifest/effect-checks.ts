import type { PlacedContainer, PodView, Report } from './pod-view.js';
import { reportRepeated } from './pod-view.js';

/**
 * What another setting leaves without an effect: Kubernetes takes it and does nothing, here it is told. A profile of the
 * whole pod is none of these: its containers that are not privileged have it.
 */
export function checkEffects({ container, path }: PlacedContainer, { spec }: PodView, report: Report): void {
  if (container.stdinOnce && !container.stdin) report([...path, 'stdinOnce'], 'needs stdin: true');
  for (const [index, { hostIP, hostPort }] of (container.ports ?? []).entries()) {
    if (hostIP === undefined) continue;
    const at = [...path, 'ports', index, 'hostIP'];
    if (spec.hostNetwork) {
      report(at, 'has no effect with hostNetwork: true, where the container itself chooses: remove it');
    } else if (hostPort === undefined) {
      report(at, 'needs hostPort beside it: without one no port of the node is opened');
    }
  }
  reportRepeated(
    container.resizePolicy ?? [],
    ({ resourceName }) => resourceName,
    (index) =>
      report([...path, 'resizePolicy', index, 'resourceName'], 'is decided by an earlier entry already'),
  );
  checkPrivileged({ container, path }, report);
}

function checkPrivileged({ container, path }: Omit<PlacedContainer, 'isInit'>, report: Report): void {
  const { privileged, capabilities, ...profiles } = container.securityContext ?? {};
  if (privileged !== true) return;
  const at = [...path, 'securityContext'];
  if (capabilities?.drop?.length) {
    report(
      [...at, 'capabilities', 'drop'],
      'has no effect with privileged: true, which has all capabilities: remove one of them',
    );
  }
  for (const field of ['seccompProfile', 'appArmorProfile'] as const) {
    const type = profiles[field]?.type;
    if (type === undefined || type === 'Unconfined') continue;
    report(
      [...at, field],
      'has no effect with privileged: true, which is not confined: remove one of them, or set type: Unconfined',
    );
  }
}
