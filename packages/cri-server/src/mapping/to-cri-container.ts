import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  ContainerAttempt,
  ContainerPhase,
  ContainerStatus,
  Image,
  Mount,
  MountPropagation,
} from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { toNanoseconds } from './nanoseconds.js';
import { toCriResources } from './to-cri-resources.js';

const { ContainerState } = cri;

/** A container waiting for its backend to restart it has ended, as far as the CRI knows. */
const STATES: Readonly<Record<ContainerPhase, cri.ContainerState>> = {
  created: ContainerState.CONTAINER_CREATED,
  running: ContainerState.CONTAINER_RUNNING,
  waiting: ContainerState.CONTAINER_EXITED,
  exited: ContainerState.CONTAINER_EXITED,
  unknown: ContainerState.CONTAINER_UNKNOWN,
};

const PROPAGATIONS: Readonly<Record<MountPropagation, cri.MountPropagation>> = {
  private: cri.MountPropagation.PROPAGATION_PRIVATE,
  'host-to-container': cri.MountPropagation.PROPAGATION_HOST_TO_CONTAINER,
  bidirectional: cri.MountPropagation.PROPAGATION_BIDIRECTIONAL,
};

/** Exit code of a container whose own is not known, as containerd has it: never that of a success. */
const UNKNOWN_EXIT_CODE = 255;

/**
 * A container as ContainerStatus and the container events give it.
 * @param image the store's record of `status.imageId`; absent: it is gone from the store
 */
export function toCriContainerStatus(
  status: ContainerStatus,
  image?: Image,
): MessageInitShape<typeof cri.ContainerStatusSchema> {
  const { id, metadata, createdAtMs, imageId, labels, annotations, mounts, resources, logPath, user } =
    status;
  return {
    id,
    metadata: { ...metadata },
    state: STATES[status.state],
    createdAt: toNanoseconds(createdAtMs),
    ...toRun(status),
    image: { image: imageName(status, image) },
    // What pods show as their imageID. Unlike in lists it is a digest by which others can pull the image.
    imageRef: image?.repoDigests[0] ?? imageId,
    imageId,
    labels: { ...labels },
    annotations: { ...annotations },
    mounts: mounts.map(toCriMount),
    logPath: logPath ?? '',
    resources: { linux: toCriResources(resources) },
    ...(user === undefined
      ? {}
      : {
          user: {
            linux: {
              uid: BigInt(user.uid),
              gid: BigInt(user.gid),
              supplementalGroups: user.supplementalGroups.map((group) => BigInt(group)),
            },
          },
        }),
  };
}

/** A container as the lists give it. */
export function toCriContainer(status: ContainerStatus) {
  const { id, sandboxId, metadata, createdAtMs, image, imageId, labels, annotations } = status;
  return {
    id,
    podSandboxId: sandboxId,
    metadata: { ...metadata },
    image: { image },
    // The kubelet's image collector compares it with Image.id to know which images are in use.
    imageRef: imageId,
    imageId,
    state: STATES[status.state],
    createdAt: toNanoseconds(createdAtMs),
    labels: { ...labels },
    annotations: { ...annotations },
  } satisfies MessageInitShape<typeof cri.ContainerSchema>;
}

/** A kubelet creates containers by the image's id; pods are to show a name that people know. */
function imageName({ image: asked, imageId }: ContainerStatus, image: Image | undefined): string {
  if (image === undefined || !(asked === imageId || `sha256:${asked}` === imageId)) return asked;
  return image.repoTags[0] ?? image.repoDigests[0] ?? asked;
}

function toRun(status: ContainerStatus) {
  const { state, attempts, reason = '', message = '' } = status;
  const last = attempts.at(-1);
  if (state === 'running' && last) return { startedAt: toNanoseconds(last.startedAtMs) };
  if (state !== 'exited' && state !== 'waiting') {
    return { startedAt: last ? toNanoseconds(last.startedAtMs) : 0n, reason, message };
  }
  if (last === undefined) {
    // It was stopped before its first start, or could not be started.
    return {
      finishedAt: toNanoseconds(status.createdAtMs),
      exitCode: UNKNOWN_EXIT_CODE,
      reason: reason || 'Unknown',
      message,
    };
  }
  return toExit(last, status);
}

function toExit(last: ContainerAttempt, { createdAtMs, reason, message }: ContainerStatus) {
  const exitCode = last.exitCode ?? UNKNOWN_EXIT_CODE;
  return {
    startedAt: toNanoseconds(last.startedAtMs),
    finishedAt: toNanoseconds(last.finishedAtMs ?? Math.max(last.startedAtMs, createdAtMs)),
    exitCode,
    reason: last.reason ?? reason ?? (exitCode === 0 ? 'Completed' : 'Error'),
    message: last.message ?? message ?? '',
  };
}

function toCriMount({
  hostPath,
  containerPath,
  readOnly = false,
  recursiveReadOnly = false,
  propagation = 'private',
}: Mount): MessageInitShape<typeof cri.MountSchema> {
  return {
    hostPath,
    containerPath,
    readonly: readOnly,
    recursiveReadOnly,
    propagation: PROPAGATIONS[propagation],
  };
}
