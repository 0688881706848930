import { type IdMapping, PodwrightError, type UserNamespaceMode } from '@podwright/core';
import { type SysctlFile, sysctlFiles } from './namespaces/sysctls.js';
import { ownKinds, ownNamespaces, type SandboxPaths, sandboxFilePaths } from './sandbox-paths.js';
import { SANDBOX_RECORD_VERSION, type SandboxConfig, type SandboxRecord } from './sandbox-record.js';
import { sandboxName } from './sandbox-record-schema.js';

/** Longest host name of a kernel, sethostname(2); a fully qualified one may be so long. */
const HOSTNAME_MAX = 64;
/** Kubernetes' limit of a label. */
const LABEL_MAX = 63;
/** The greatest id of a kernel; the one after it stands for none. */
const LAST_ID = 0xffff_fffe;

/** What is known of the host and the moment when a sandbox is made. */
export interface SandboxCircumstances {
  readonly id: string;
  readonly createdAtMs: number;
  readonly bootId: string;
  readonly nodeHostname: string;
  readonly idMappings: readonly IdMapping[];
}

/**
 * Checks what a sandbox is asked to be.
 * @returns the files of its kernel parameters
 * @throws PodwrightError kind `invalid-argument`
 */
export function checkSandboxConfig(config: SandboxConfig): readonly SysctlFile[] {
  const { hostname, userNamespace, network, ipc, pid } = config;
  if (hostname !== undefined && !isHostname(hostname)) {
    throw new PodwrightError(
      'invalid-argument',
      `"${hostname}" cannot be a pod's host name: it has to have at most ${HOSTNAME_MAX} letters, digits, - and dots, ` +
        'and begin and end with a letter or digit.',
      { details: { hostname } },
    );
  }
  if (userNamespace === 'pod' && (network === 'node' || ipc === 'node' || pid === 'node')) {
    throw new PodwrightError(
      'invalid-argument',
      "A pod with a user namespace of its own cannot have the node's network, IPC or PID namespace, as in Kubernetes: " +
        'set hostUsers, or leave the others to the pod too.',
      { details: { userNamespace, network, ipc, pid } },
    );
  }
  checkLines(config);
  if (config.idMappings !== undefined) checkIdMappings(config.idMappings, userNamespace);
  return sysctlFiles(config.sysctls ?? {}, new Set(ownKinds(config)));
}

/** resolv.conf(5) and hosts(5) have words in lines: what is one of them here is one of them there. */
function checkLines({ domain, dns, hostAliases = [] }: SandboxConfig): void {
  const words = Object.entries({
    domain: domain === undefined ? [] : [domain],
    'dns.servers': dns?.servers ?? [],
    'dns.searches': dns?.searches ?? [],
    'dns.options': dns?.options ?? [],
    hostAliases: hostAliases.flatMap(({ ip, hostnames }) => [ip, ...hostnames]),
  });
  for (const [field, values] of words) {
    const wrong = values.find((value) => !/^[^\s\p{Cc}]*$/u.test(value));
    if (wrong === undefined) continue;
    throw new PodwrightError(
      'invalid-argument',
      `${JSON.stringify(wrong)} cannot be among the pod's ${field}: it has to be one word, without blanks, line feeds and control characters.`,
      { details: { field, value: wrong } },
    );
  }
}

/** user_namespaces(7): ranges that do not overlap on either side; and the pod's files belong to its root. */
function checkIdMappings(mappings: readonly IdMapping[], userNamespace: UserNamespaceMode | undefined): void {
  const fail = (why: string): never => {
    throw new PodwrightError('invalid-argument', `The pod's ids cannot be mapped to the host's so: ${why}.`, {
      details: { idMappings: mappings },
    });
  };
  if (userNamespace !== 'pod') fail("it has the node's user namespace (userNamespace is to be pod)");
  for (const [index, { containerId, hostId, size }] of mappings.entries()) {
    const isId = (id: number) => Number.isSafeInteger(id) && id >= 0 && id + size <= LAST_ID + 1;
    if (!Number.isSafeInteger(size) || size < 1 || !isId(containerId) || !isId(hostId)) {
      fail(`${containerId} ${hostId} ${size} is no range of ids from 0 to ${LAST_ID}`);
    }
    for (const other of mappings.slice(index + 1)) {
      const meets = (a: number, b: number) => a < b + other.size && b < a + size;
      if (meets(containerId, other.containerId) || meets(hostId, other.hostId)) {
        fail(`the ranges from ${containerId} and from ${other.containerId} overlap`);
      }
    }
  }
  if (!mappings.some(({ containerId }) => containerId === 0))
    fail('no range begins with the root of the pod, 0');
}

/** The record of a sandbox of which nothing was made yet. */
export function newSandboxRecord(
  config: SandboxConfig,
  paths: SandboxPaths,
  { id, createdAtMs, bootId, nodeHostname, idMappings }: SandboxCircumstances,
): SandboxRecord {
  const { metadata, labels, annotations, network, ipc, pid, portMappings } = config;
  return {
    version: SANDBOX_RECORD_VERSION,
    id,
    name: sandboxName({ ...metadata }),
    kubeName: metadata.name,
    namespace: metadata.namespace,
    metadata,
    labels,
    annotations,
    createdAtMs,
    bootId,
    hostname: network === 'node' ? nodeHostname : (config.hostname ?? hostnameOf(metadata.name)),
    hostAliases: config.hostAliases ?? [],
    network,
    hostNetwork: network === 'node',
    ipc,
    pid,
    userNamespace: config.userNamespace ?? 'node',
    idMappings,
    namespaces: ownNamespaces(config, paths),
    ...present(config, ['domain', 'logDirectory', 'processLabel', 'mountLabel', 'cgroupParent']),
    ...present(config, ['runtimeHandler', 'seccompPath', 'resources', 'dns']),
    privileged: config.privileged ?? false,
    persist: config.persist ?? false,
    sysctls: config.sysctls ?? {},
    ips: [],
    networks: [],
    portMappings,
    dnsPolicy: config.dnsPolicy ?? (config.dns === undefined ? 'Default' : 'None'),
    cni: [],
    files: sandboxFilePaths(config, paths),
    created: false,
    stopping: false,
    networkStopped: false,
    stopped: false,
  };
}

/** Those of the fields that are there. */
function present<Source, Key extends keyof Source>(
  source: Source,
  keys: readonly Key[],
): { readonly [Name in Key]?: Exclude<Source[Name], undefined> } {
  const found: { [Name in Key]?: Exclude<Source[Name], undefined> } = {};
  for (const key of keys) {
    const value = source[key];
    if (value !== undefined) found[key] = value as Exclude<Source[Key], undefined>;
  }
  return found;
}

/** As the kubelet does: the pod's name, cut where it is too long, and not ending in a separator then. */
function hostnameOf(podName: string): string {
  return podName.slice(0, LABEL_MAX).replace(/[-.]+$/, '');
}

function isHostname(text: string): boolean {
  return text.length <= HOSTNAME_MAX && /^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$/.test(text);
}
