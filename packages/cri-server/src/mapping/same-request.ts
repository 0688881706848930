import { isDeepStrictEqual } from 'node:util';
import type { ContainerConfig, ContainerStatus, PodSandboxConfig, PodSandboxStatus } from '@podwright/core';

/** Whether a sandbox is what this configuration asks for, as far as its status tells. */
export function isSandboxOf(status: PodSandboxStatus, config: PodSandboxConfig): boolean {
  return isDeepStrictEqual(partOf(status), partOf(config));
}

function partOf({
  metadata: { namespace, name, uid, attempt },
  labels,
  annotations,
  network,
  ipc,
  pid,
  runtimeHandler,
}: PodSandboxStatus | PodSandboxConfig) {
  return [
    namespace,
    name,
    uid,
    attempt,
    network,
    ipc,
    pid,
    runtimeHandler,
    { ...labels },
    { ...annotations },
  ];
}

/** Whether a container is what this configuration asks for, as far as its status tells. */
export function isContainerOf(status: ContainerStatus, config: ContainerConfig): boolean {
  return isDeepStrictEqual(containerPartOf(status), containerPartOf(config));
}

function containerPartOf({
  metadata: { name, attempt },
  image,
  labels,
  annotations,
  logPath,
}: ContainerStatus | ContainerConfig) {
  return [name, attempt, image, logPath, { ...labels }, { ...annotations }];
}
