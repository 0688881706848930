import {
  type ContainerConfig,
  type PodSandboxConfig,
  PodwrightError,
  relativePathProblem,
  type UnsupportedField,
  unsupportedField,
} from '@podwright/core';
import { signalNumber } from '../machine/signals.js';
import { unsupportedFields } from '../unsupported-fields.js';

const { nodeProcesses, userNamespaces, appArmor: noAppArmor, seLinux: noSeLinux } = unsupportedFields;

/**
 * Refuses what the simulation cannot show. What only a kernel enforces (capabilities, seccomp, limits, sysctls) is
 * taken and reported as given, and has no effect: `features.kernel` is false.
 * @throws PodwrightError kind `unsupported`
 */
export function checkSandboxConfig(config: PodSandboxConfig, runtimeHandlers: readonly string[]): void {
  const { runtimeHandler, idMappings, userNamespace } = config;
  if (runtimeHandler !== undefined && !runtimeHandlers.includes(runtimeHandler)) {
    throw new PodwrightError(
      'invalid-argument',
      `There is no runtime handler "${runtimeHandler}", only ${runtimeHandlers.join(', ')}. Leave it out for the default.`,
    );
  }
  if (idMappings !== undefined && userNamespace !== 'pod') {
    throw new PodwrightError(
      'invalid-argument',
      `Pod ${config.metadata.name} has idMappings, and the node's user namespace: leave them out.`,
    );
  }
  if (config.pid === 'node')
    throw refusal(nodeProcesses, `the node's processes in pod ${config.metadata.name} (hostPID)`);
  if (config.userNamespace === 'pod')
    throw refusal(userNamespaces, `users of its own in pod ${config.metadata.name} (hostUsers: false)`);
  for (const name of Object.keys(config.sysctls ?? {})) checkSysctl(name, config);
}

/** Whether a kernel parameter is of a namespace that the pod has of its own. */
function checkSysctl(name: string, { network, ipc }: PodSandboxConfig): void {
  const isNetwork = /^(net[./]|kernel[./]domainname$)/.test(name);
  const isIpc = /^(kernel[./](shm|msg|sem)|fs[./]mqueue[./])/.test(name);
  if ((isNetwork && network === 'pod') || (isIpc && ipc === 'pod')) return;
  throw new PodwrightError(
    'invalid-argument',
    `The kernel parameter ${name} is the node's: a pod can set those of its own network and IPC namespaces.`,
    { details: { name } },
  );
}

function checkSecurity({ metadata, security }: ContainerConfig): void {
  const { privileged, allowPrivilegeEscalation, appArmor, seLinux } = security;
  if (privileged === true && allowPrivilegeEscalation === false) {
    throw new PodwrightError(
      'invalid-argument',
      `Container ${metadata.name} is privileged and has allowPrivilegeEscalation: false: leave one of them out.`,
    );
  }
  if (appArmor !== undefined && appArmor.type !== 'Unconfined') {
    throw refusal(noAppArmor, `AppArmor, which container ${metadata.name} asks for`);
  }
  if (seLinux !== undefined) throw refusal(noSeLinux, `SELinux, which container ${metadata.name} asks for`);
}

function checkPid({ metadata, pid, pidTarget }: ContainerConfig, sandbox: PodSandboxConfig): void {
  const { name } = metadata;
  if (pid === 'node') throw refusal(nodeProcesses, `the node's processes in container ${name} (pid: node)`);
  if (pid !== undefined && pidTarget !== undefined) {
    throw new PodwrightError(
      'invalid-argument',
      `Container ${name} has a pid and a pidTarget: leave one of them out.`,
    );
  }
  if (pid === 'pod' && sandbox.pid !== 'pod') {
    throw new PodwrightError(
      'failed-precondition',
      `Container ${name} is to share the processes of its pod (pid: pod), and its sandbox was made with pid: ${sandbox.pid}. ` +
        'Make the sandbox with pid: pod.',
    );
  }
}

/** @throws PodwrightError kind `unsupported`, `invalid-argument`, `failed-precondition` */
export function checkContainerConfig(config: ContainerConfig, sandbox: PodSandboxConfig): void {
  const { name } = config.metadata;
  checkSecurity(config);
  checkPid(config, sandbox);
  if (config.logPath !== undefined && !/^\/.*[^/]$/.test(config.logPath)) {
    throw new PodwrightError(
      'invalid-argument',
      `The log file "${config.logPath}" of container ${name} has to be an absolute path.`,
    );
  }
  if (config.devices.length > 0)
    throw refusal(unsupportedFields.devices, `devices of the host in container ${name}`);
  if (config.mounts.some(({ propagation }) => propagation === 'bidirectional')) {
    throw refusal(
      unsupportedFields.propagation,
      `mounts that reach the host from container ${name} (Bidirectional propagation)`,
    );
  }
  for (const { containerPath, hostPath } of config.mounts) {
    if (containerPath.startsWith('/') && hostPath.startsWith('/')) continue;
    throw new PodwrightError(
      'invalid-argument',
      `Mount of "${hostPath}" at "${containerPath}" in container ${name}: both paths have to be absolute.`,
    );
  }
  for (const { containerPath, readOnly, recursiveReadOnly } of config.mounts) {
    if (recursiveReadOnly !== true || readOnly === true) continue;
    throw new PodwrightError(
      'invalid-argument',
      `The mount at ${containerPath} in container ${name} has recursiveReadOnly, which needs readOnly beside it.`,
    );
  }
  for (const { containerPath, recursiveReadOnly, propagation = 'private' } of config.mounts) {
    if (recursiveReadOnly !== true || propagation === 'private') continue;
    throw new PodwrightError(
      'invalid-argument',
      `The mount at ${containerPath} in container ${name} has recursiveReadOnly and the propagation ${propagation}: leave one of them out.`,
    );
  }
  for (const { containerPath, subPath = '' } of config.mounts) {
    const problem = relativePathProblem(subPath);
    if (problem === undefined) continue;
    throw new PodwrightError(
      'invalid-argument',
      `The subPath "${subPath}" of the mount at ${containerPath} in container ${name} ${problem}.`,
    );
  }
  if (config.stopSignal !== undefined && signalNumber(config.stopSignal) === undefined) {
    throw new PodwrightError(
      'invalid-argument',
      `Stop signal "${config.stopSignal}" of container ${name} is none; write one such as SIGTERM.`,
    );
  }
}

/** @param what is asked for, and where */
export function refusal(field: UnsupportedField, what: string): PodwrightError {
  return unsupportedField(field, `The memory backend does not simulate ${what}. Use the systemd backend.`);
}
