import type { RuntimeEvent } from '@podwright/core';
import { cri } from '@podwright/cri-api';

const {
  CONTAINER_CREATED_EVENT: CREATED,
  CONTAINER_STARTED_EVENT: STARTED,
  CONTAINER_STOPPED_EVENT: STOPPED,
  CONTAINER_DELETED_EVENT: DELETED,
} = cri.ContainerEventType;

/** A backend's sandbox is ready when it is created, so it is started by then too: containerd and CRI-O send both. */
const TYPES: Readonly<Record<RuntimeEvent['type'], readonly cri.ContainerEventType[]>> = {
  'sandbox-created': [CREATED, STARTED],
  'sandbox-stopped': [STOPPED],
  'sandbox-removed': [DELETED],
  'container-created': [CREATED],
  'container-started': [STARTED],
  'container-exited': [STOPPED],
  'container-removed': [DELETED],
};

/** The CRI's events for one of a backend's: that of a sandbox is one of a container with the sandbox's id. */
export function toCriEvents(event: RuntimeEvent): readonly {
  readonly containerId: string;
  readonly containerEventType: cri.ContainerEventType;
}[] {
  const containerId = 'containerId' in event ? event.containerId : event.sandboxId;
  return TYPES[event.type].map((containerEventType) => ({ containerId, containerEventType }));
}
