import type { MessageInitShape } from '@bufbuild/protobuf';
import type { IdMapping, PodSandboxStatus } from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { toNanoseconds } from './nanoseconds.js';

const { NamespaceMode, PodSandboxState } = cri;

const MODES = {
  pod: NamespaceMode.POD,
  container: NamespaceMode.CONTAINER,
  node: NamespaceMode.NODE,
} as const;

/** A sandbox as PodSandboxStatus and the container events give it. */
export function toCriSandboxStatus(
  status: PodSandboxStatus,
): MessageInitShape<typeof cri.PodSandboxStatusSchema> {
  return {
    ...toCriSandbox(status),
    network: toNetworkStatus(status),
    linux: {
      namespaces: {
        options: {
          network: MODES[status.network],
          pid: MODES[status.pid],
          ipc: MODES[status.ipc],
          usernsOptions: toUserNamespace(status.idMappings),
        },
      },
    },
  };
}

/** A sandbox as the lists give it. */
export function toCriSandbox(status: PodSandboxStatus) {
  const { id, metadata, state, createdAtMs, labels, annotations, runtimeHandler = '' } = status;
  return {
    id,
    metadata: { ...metadata },
    state: state === 'ready' ? PodSandboxState.SANDBOX_READY : PodSandboxState.SANDBOX_NOTREADY,
    createdAt: toNanoseconds(createdAtMs),
    labels: { ...labels },
    annotations: { ...annotations },
    runtimeHandler,
  } satisfies MessageInitShape<typeof cri.PodSandboxSchema>;
}

/**
 * With the node's network there is no address, as containerd and CRI-O answer: the kubelet knows better than a runtime
 * which of the node's is meant. A stopped sandbox has given its addresses back.
 */
function toNetworkStatus({ network, state, ips }: PodSandboxStatus) {
  const [ip = '', ...others] = network === 'node' || state !== 'ready' ? [] : ips;
  return { ip, additionalIps: others.map((other) => ({ ip: other })) };
}

function toUserNamespace(idMappings: readonly IdMapping[] | undefined) {
  if (idMappings === undefined) return { mode: NamespaceMode.NODE };
  const mappings = idMappings.map(({ containerId, hostId, size }) => ({ containerId, hostId, length: size }));
  return { mode: NamespaceMode.POD, uids: mappings, gids: mappings };
}
