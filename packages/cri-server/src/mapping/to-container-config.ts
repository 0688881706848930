import { join } from 'node:path';
import { type ContainerConfig, type Device, type EnvVar, type PidMode } from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { invalid, unsupported } from './refusals.js';
import { toStopSignal } from './stop-signals.js';
import { toMount } from './to-mount.js';
import { toResources } from './to-resources.js';
import { toSecurity } from './to-security.js';

const { NamespaceMode } = cri;

/** The CRI names a grace with each stop; this one counts when the host itself ends the unit. Kubernetes' default. */
const GRACE_MS = 30_000;

/** What of CreateContainer is not in the container's own configuration. */
export interface ContainerSurroundings {
  /** `PodSandboxConfig.log_directory`; empty: the container's output goes to no file. */
  readonly logDirectory: string;
  /** The sandbox's default PID namespace. */
  readonly sandboxPid: PidMode;
}

/**
 * What CreateContainer asks for, in the words of the contract. The kubelet decides when it is started again, and so the
 * backend never does.
 *
 * Not taken over: annotations, `user_specified_image` and `runtime_handler` of the image, which name it again; the
 * network, IPC and user namespaces, which are the sandbox's.
 * @throws PodwrightError kind `invalid-argument`, `unsupported`
 */
export function toContainerConfig(
  config: cri.ContainerConfig | undefined,
  { logDirectory, sandboxPid }: ContainerSurroundings,
): ContainerConfig {
  if (config?.metadata === undefined || config.metadata.name === '') {
    throw invalid('The container has no name in its metadata.');
  }
  const { name, attempt } = config.metadata;
  const what = `container ${name}`;
  checkUnsupported(config, what);
  const { image, command, args, workingDir, labels, annotations, stdin, stdinOnce, tty, logPath } = config;
  if (image === undefined || image.image === '') throw invalid(`The ${what} has no image.`);
  const { resources, securityContext } = config.linux ?? {};
  const stopSignal = toStopSignal(config.stopSignal);
  return {
    metadata: { name, attempt },
    image: image.image,
    ...(command.length === 0 ? {} : { command }),
    ...(args.length === 0 ? {} : { args }),
    ...(workingDir === '' ? {} : { workingDir }),
    env: config.envs.map((variable) => toEnvVar(variable, what)),
    mounts: config.mounts.map((mount) => toMount(mount, what)),
    devices: config.devices.map((device) => toDevice(device, what)),
    labels,
    annotations,
    resources: toResources(resources, what),
    security: toSecurity(securityContext, what),
    restart: { by: 'caller' },
    stdin,
    stdinOnce,
    tty,
    // As with containerd, one without the other is no log file.
    ...(logDirectory === '' || logPath === ''
      ? {}
      : { logPath: join(logDirectory, checkedLog(logPath, what)) }),
    ...toPid(securityContext?.namespaceOptions, sandboxPid, what),
    ...(stopSignal === undefined ? {} : { stopSignal }),
    terminationGraceMs: GRACE_MS,
  };
}

/** It may lie beside the sandbox's directory, as with containerd and CRI-O: whoever calls chooses both. */
function checkedLog(logPath: string, what: string): string {
  if (!logPath.includes('\0')) return logPath;
  throw invalid(`The log_path of the ${what} is ${JSON.stringify(logPath)}: a path has no NUL.`);
}

function checkUnsupported({ windows, CDIDevices }: cri.ContainerConfig, what: string): void {
  if (windows !== undefined) {
    throw unsupported(
      'ContainerConfig.windows',
      `Windows options of ${what} are not supported: this is Linux.`,
    );
  }
  if (CDIDevices.length > 0) {
    throw unsupported(
      'ContainerConfig.CDI_devices',
      `CDI devices (${CDIDevices.map(({ name }) => name).join(', ')} of ${what}) are not supported: name the device ` +
        'files and mounts themselves.',
    );
  }
}

/** The bytes of a value are text everywhere else. */
function toEnvVar({ key, value }: cri.KeyValue, what: string): EnvVar {
  try {
    return { name: key, value: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value) };
  } catch {
    throw invalid(`The environment variable ${key} of ${what} is no UTF-8.`);
  }
}

/** Without permissions it has all, as with containerd and CRI-O. */
function toDevice({ hostPath, containerPath, permissions }: cri.Device, what: string): Device {
  if (hostPath === '') throw invalid(`A device of ${what} has no host_path.`);
  return { hostPath, containerPath: containerPath || hostPath, permissions: permissions || 'rwm' };
}

/** POD means the sandbox's: its own, or the node's where it has that. */
function toPid(
  options: cri.NamespaceOption | undefined,
  sandboxPid: PidMode,
  what: string,
): Pick<ContainerConfig, 'pid' | 'pidTarget'> {
  if (options === undefined) return {};
  switch (options.pid) {
    case NamespaceMode.POD:
      return sandboxPid === 'container' ? { pid: 'pod' } : {};
    case NamespaceMode.CONTAINER:
      return sandboxPid === 'container' ? {} : { pid: 'container' };
    case NamespaceMode.NODE:
      return sandboxPid === 'node' ? {} : { pid: 'node' };
    case NamespaceMode.TARGET:
      if (options.targetId === '')
        throw invalid(`The PID namespace of ${what} is TARGET without a target_id.`);
      return { pidTarget: options.targetId };
    default:
      throw invalid(`The PID namespace of ${what} is ${options.pid}, which the CRI does not have.`);
  }
}
