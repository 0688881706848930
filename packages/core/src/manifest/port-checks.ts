import type { PlacedContainer, PodView, PortView, Report } from './pod-view.js';
import { placedContainers, reportRepeated } from './pod-view.js';

export function checkPorts(
  { container, path, isInit }: PlacedContainer,
  hostNetwork: boolean,
  report: Report,
): void {
  const ports = container.ports ?? [];
  for (const [index, port] of ports.entries()) {
    if (port.hostPort === undefined) continue;
    const at = [...path, 'ports', index, 'hostPort'];
    if (hostNetwork && port.hostPort !== port.containerPort) {
      report(at, `has to be containerPort (${port.containerPort}) with hostNetwork: true, or left out`);
    }
    if (isInit && !hostNetwork) report(at, 'is not mapped for init containers: remove it');
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

/** Ports of the node: no two containers of a pod can have the same. With the node's network every port is one. */
export function checkHostPorts(pod: PodView, report: Report): void {
  const taken: { protocol: string; hostPort: number; hostIP: string }[] = [];
  for (const { container, path, isInit } of placedContainers(pod)) {
    if (isInit) continue;
    for (const [index, port] of (container.ports ?? []).entries()) {
      const field = port.hostPort === undefined ? 'containerPort' : 'hostPort';
      const hostPort = port.hostPort ?? (pod.spec.hostNetwork ? port.containerPort : undefined);
      if (hostPort === undefined) continue;
      const entry = { protocol: port.protocol ?? 'TCP', hostPort, hostIP: port.hostIP ?? '' };
      const conflict = taken.some(
        (other) =>
          other.hostPort === hostPort &&
          other.protocol === entry.protocol &&
          (isAnyAddress(other.hostIP) || isAnyAddress(entry.hostIP) || other.hostIP === entry.hostIP),
      );
      if (conflict) report([...path, 'ports', index, field], 'is taken by another port of this pod');
      taken.push(entry);
    }
  }
}

function isAnyAddress(address: string): boolean {
  return address === '' || address === '0.0.0.0' || address === '::';
}
