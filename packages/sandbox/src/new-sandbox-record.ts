import { PodwrightError } from '@podwright/core';
import type { NamespaceKind } from './namespaces/namespace-pinner.js';
import { type SysctlFile, sysctlFiles } from './namespaces/sysctls.js';
import { ownNamespaces, type SandboxPaths, sandboxFilePaths } from './sandbox-paths.js';
import { SANDBOX_RECORD_VERSION, type SandboxConfig, type SandboxRecord } from './sandbox-record.js';

/** Longest host name of a kernel, sethostname(2), less one for Kubernetes' limit of a label. */
const HOSTNAME_MAX = 63;

/** What is known of the host and the moment when a sandbox is made. */
export interface SandboxCircumstances {
  readonly id: string;
  readonly createdAtMs: number;
  readonly bootId: string;
  readonly nodeHostname: string;
}

/**
 * Checks what a sandbox is asked to be.
 * @returns the files of its kernel parameters
 * @throws PodwrightError kind `invalid-argument`
 */
export function checkSandboxConfig(config: SandboxConfig, paths: SandboxPaths): readonly SysctlFile[] {
  const { hostname } = config;
  if (hostname !== undefined && !isHostname(hostname)) {
    throw new PodwrightError(
      'invalid-argument',
      `"${hostname}" cannot be a pod's host name: it has to have at most ${HOSTNAME_MAX} letters, digits, - and dots, ` +
        'and begin and end with a letter or digit.',
      { details: { hostname } },
    );
  }
  const own = Object.keys(ownNamespaces(config, paths)) as NamespaceKind[];
  return sysctlFiles(config.sysctls ?? {}, new Set(own));
}

/** The record of a sandbox of which nothing was made yet. */
export function newSandboxRecord(
  config: SandboxConfig,
  paths: SandboxPaths,
  { id, createdAtMs, bootId, nodeHostname }: SandboxCircumstances,
): SandboxRecord {
  const { metadata, labels, annotations, network, ipc, pid, portMappings } = config;
  return {
    version: SANDBOX_RECORD_VERSION,
    id,
    metadata,
    labels,
    annotations,
    createdAtMs,
    bootId,
    hostname: network === 'node' ? nodeHostname : (config.hostname ?? hostnameOf(metadata.name)),
    network,
    ipc,
    pid,
    namespaces: ownNamespaces(config, paths),
    ...(config.cgroupParent === undefined ? {} : { cgroupParent: config.cgroupParent }),
    ...(config.resources === undefined ? {} : { resources: config.resources }),
    sysctls: config.sysctls ?? {},
    ips: [],
    portMappings,
    ...(config.dns === undefined ? {} : { dns: config.dns }),
    cni: [],
    files: sandboxFilePaths(config, paths),
    created: false,
    networkStopped: false,
    stopped: false,
  };
}

/** As the kubelet does: the pod's name, cut where it is too long, and not ending in a separator then. */
function hostnameOf(podName: string): string {
  return podName.slice(0, HOSTNAME_MAX).replace(/[-.]+$/, '');
}

function isHostname(text: string): boolean {
  return text.length <= HOSTNAME_MAX && /^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$/.test(text);
}
