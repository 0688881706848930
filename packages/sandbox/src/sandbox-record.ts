import {
  type ContainerResources,
  type DnsConfig,
  type IpcMode,
  type NetworkMode,
  type PidMode,
  type PodSandboxConfig,
  type PodSandboxMetadata,
  PodwrightError,
  type PortMapping,
  type StringMap,
} from '@podwright/core';
import { isJsonObject } from './cni/cni-config.js';
import type { CniAttachment } from './cni/cni-invocation.js';
import type { NamespacePaths } from './namespaces/namespace-pinner.js';

/** Version of the record's format; a greater one is of a newer agent and is left alone. */
export const SANDBOX_RECORD_VERSION = 1;

/** What a sandbox is made of: the contract's configuration, and what a backend adds. */
export interface SandboxConfig extends PodSandboxConfig {
  /** Slice or cgroup in which the pod's containers run; kept for the backend, not used here. */
  readonly cgroupParent?: string;
  /** Kernel parameters of the pod's own namespaces. */
  readonly sysctls?: StringMap;
}

/** Paths on the host of the files that containers of the sandbox see. */
export interface SandboxFilePaths {
  /** For /etc/hosts. */
  readonly hosts: string;
  /** For /etc/resolv.conf. */
  readonly resolvConf: string;
  /** For /etc/hostname. */
  readonly hostname: string;
  /** For /dev/shm: a tmpfs of the pod's own, or the host's with the node's IPC namespace. */
  readonly shm: string;
}

/** All that is remembered of a sandbox, over restarts of the agent and of the host. The one record there is. */
export interface SandboxRecord {
  readonly version: typeof SANDBOX_RECORD_VERSION;
  readonly id: string;
  readonly metadata: PodSandboxMetadata;
  readonly labels: StringMap;
  readonly annotations: StringMap;
  readonly createdAtMs: number;
  /** The host's boot in which its namespaces were made. */
  readonly bootId: string;
  readonly hostname: string;
  readonly network: NetworkMode;
  readonly ipc: IpcMode;
  readonly pid: PidMode;
  /** Namespaces of its own; the node's have no path. */
  readonly namespaces: NamespacePaths;
  readonly cgroupParent?: string;
  readonly resources?: ContainerResources;
  readonly sysctls: StringMap;
  /** The primary one first. */
  readonly ips: readonly string[];
  readonly portMappings: readonly PortMapping[];
  readonly dns?: DnsConfig;
  readonly cni: readonly CniAttachment[];
  readonly files: SandboxFilePaths;
  /** Everything was made. A record without it is of a creation that an agent's end broke off. */
  readonly created: boolean;
  /** The networks were taken down. */
  readonly networkStopped: boolean;
  /** The networks were taken down and the namespaces let go. */
  readonly stopped: boolean;
}

export function formatSandboxRecord(record: SandboxRecord): string {
  return `${JSON.stringify(record, undefined, 2)}\n`;
}

type FieldType = 'string' | 'number' | 'boolean' | 'object' | 'list';

const FIELDS: Readonly<Record<string, FieldType>> = {
  id: 'string',
  metadata: 'object',
  labels: 'object',
  annotations: 'object',
  createdAtMs: 'number',
  bootId: 'string',
  hostname: 'string',
  network: 'string',
  ipc: 'string',
  pid: 'string',
  namespaces: 'object',
  sysctls: 'object',
  ips: 'list',
  portMappings: 'list',
  cni: 'list',
  files: 'object',
  created: 'boolean',
  networkStopped: 'boolean',
  stopped: 'boolean',
};
const NESTED: Readonly<Record<string, Readonly<Record<string, FieldType>>>> = {
  metadata: { name: 'string', namespace: 'string', uid: 'string', attempt: 'number' },
  files: { hosts: 'string', resolvConf: 'string', hostname: 'string', shm: 'string' },
};

/**
 * Reads a record.
 * @param id the sandbox whose record it has to be
 * @param path where it lies, for the error
 * @throws PodwrightError kind `corrupt-state` (not readable, or another sandbox's), `unsupported` (of a newer version)
 */
export function parseSandboxRecord(text: string, id: string, path: string): SandboxRecord {
  const refuse = (why: string, cause?: unknown) =>
    new PodwrightError(
      'corrupt-state',
      `The record of sandbox ${id} at ${path} cannot be read: ${why}. Remove the sandbox to be rid of it.`,
      { cause, details: { id, path } },
    );
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refuse('it is not JSON', error);
  }
  if (!isJsonObject(value)) throw refuse('it is not a JSON object');
  const version = value['version'];
  if (typeof version === 'number' && version > SANDBOX_RECORD_VERSION) {
    throw new PodwrightError(
      'unsupported',
      `The record of sandbox ${id} at ${path} has version ${version}, this agent reads up to ` +
        `${SANDBOX_RECORD_VERSION}: it is a newer agent's. Run that version, or another state directory.`,
      { details: { id, path, version } },
    );
  }
  if (version !== SANDBOX_RECORD_VERSION) throw refuse('it has no version');
  const wrong = wrongField(value, FIELDS, '');
  if (wrong !== undefined) throw refuse(`its field ${wrong} is missing or of another type`);
  if (value['id'] !== id) throw refuse(`it is the record of sandbox ${String(value['id'])}`);
  return value as unknown as SandboxRecord;
}

function wrongField(
  value: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, FieldType>>,
  prefix: string,
): string | undefined {
  for (const [name, type] of Object.entries(fields)) {
    const field = value[name];
    const right =
      type === 'list'
        ? Array.isArray(field)
        : type === 'object'
          ? isJsonObject(field)
          : typeof field === type;
    if (!right) return prefix + name;
    const nested = NESTED[name];
    if (prefix === '' && nested && isJsonObject(field)) {
      const wrong = wrongField(field, nested, `${name}.`);
      if (wrong !== undefined) return wrong;
    }
  }
  return undefined;
}
