import { relative } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ContainerConfig, IdMapping, Mount, MountPropagation } from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { toCriResources } from './to-cri-resources.js';

const PROPAGATIONS: Readonly<Record<MountPropagation, cri.MountPropagation>> = {
  private: cri.MountPropagation.PROPAGATION_PRIVATE,
  'host-to-container': cri.MountPropagation.PROPAGATION_HOST_TO_CONTAINER,
  bidirectional: cri.MountPropagation.PROPAGATION_BIDIRECTIONAL,
};

export interface ContainerParts {
  /** The store's id of the image. */
  readonly imageId: string;
  /** All of them, from where they are on the host. */
  readonly mounts: readonly Mount[];
  readonly logDirectory: string;
  /** On the host. */
  readonly logPath: string;
  readonly idMappings: readonly IdMapping[];
  readonly securityContext: MessageInitShape<typeof cri.LinuxContainerSecurityContextSchema>;
}

/** A container as the CRI asks for it. */
export function toCriContainer(
  config: ContainerConfig,
  parts: ContainerParts,
): MessageInitShape<typeof cri.ContainerConfigSchema> {
  const { metadata, image, command = [], args = [], workingDir = '', env, devices, stopSignal } = config;
  return {
    metadata: { ...metadata },
    image: { image: parts.imageId, userSpecifiedImage: image },
    command: [...command],
    args: [...args],
    workingDir,
    envs: env.map(({ name, value }) => ({ key: name, value: Buffer.from(value) })),
    mounts: parts.mounts.map((mount) => toCriMount(mount, parts.idMappings)),
    devices: devices.map((device) => ({ ...device })),
    labels: { ...config.labels },
    annotations: { ...config.annotations },
    logPath: relative(parts.logDirectory, parts.logPath),
    stdin: config.stdin ?? false,
    stdinOnce: config.stdinOnce ?? false,
    tty: config.tty ?? false,
    linux: { resources: toCriResources(config.resources), securityContext: parts.securityContext },
    ...(stopSignal === undefined ? {} : { stopSignal: toCriSignal(stopSignal) ?? 0 }),
  };
}

/** The number of the CRI's own list; undefined for a name that it does not have. */
export function toCriSignal(name: string): cri.Signal | undefined {
  const full = /^SIG/i.test(name) ? name.toUpperCase() : `SIG${name.toUpperCase()}`;
  const found: unknown = Reflect.get(cri.Signal, full.replace('+', 'PLUS').replace('-', 'MINUS'));
  return typeof found === 'number' ? found : undefined;
}

function toCriMount(mount: Mount, idMappings: readonly IdMapping[]) {
  const { hostPath, containerPath, readOnly = false, recursiveReadOnly = false, propagation } = mount;
  const ids = (mount.idMapped === true ? idMappings : []).map(({ containerId, hostId, size }) => ({
    ...{ containerId, hostId, length: size },
  }));
  return {
    hostPath,
    containerPath,
    readonly: readOnly,
    recursiveReadOnly,
    propagation: PROPAGATIONS[propagation ?? 'private'],
    uidMappings: ids,
    gidMappings: ids,
  } satisfies MessageInitShape<typeof cri.MountSchema>;
}
