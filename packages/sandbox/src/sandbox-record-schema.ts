import { PodwrightError } from '@podwright/core';
import { z } from 'zod';
import { isJsonObject, type JsonObject } from './cni/cni-config.js';
import { SANDBOX_RECORD_VERSION, type SandboxRecord } from './sandbox-record.js';

const text = z.string();
const number = z.number();
const texts = z.record(text, text);
/** Of a CNI plugin's own making, or of core's: kept as it is. */
const json = z.record(text, z.unknown());
const path = z.string().startsWith('/');
const word = z.string().min(1);

/** A `CniAttachment`. */
export const attachmentSchema = z.strictObject({
  network: z.strictObject({
    cniVersion: text,
    name: text,
    disableCheck: z.boolean(),
    plugins: z.array(
      z.looseObject({ type: word, capabilities: z.record(text, z.boolean()).exactOptional() }),
    ),
  }),
  containerId: word,
  ifName: word,
  args: texts,
  capabilityArgs: json,
  result: json.exactOptional(),
});

const recordSchema = z.strictObject({
  version: z.literal(SANDBOX_RECORD_VERSION),
  id: word,
  name: word,
  kubeName: text,
  namespace: text,
  metadata: z.strictObject({ name: text, namespace: text, uid: text, attempt: z.int().min(0) }),
  labels: texts,
  annotations: texts,
  createdAtMs: number,
  bootId: text,
  hostname: text,
  domain: text.exactOptional(),
  hostAliases: z.array(z.strictObject({ ip: text, hostnames: z.array(text) })),
  network: z.enum(['pod', 'node']),
  hostNetwork: z.boolean(),
  ipc: z.enum(['pod', 'node']),
  pid: z.enum(['container', 'pod', 'node']),
  userNamespace: z.enum(['pod', 'node']),
  idMappings: z.array(z.strictObject({ containerId: z.int(), hostId: z.int(), size: z.int() })),
  namespaces: z.strictObject({
    network: path.exactOptional(),
    ipc: path.exactOptional(),
    uts: path.exactOptional(),
    user: path.exactOptional(),
    pid: path.exactOptional(),
  }),
  infra: z.strictObject({ pid: z.int().min(1), startTimeTicks: number }).exactOptional(),
  logDirectory: text.exactOptional(),
  processLabel: text.exactOptional(),
  mountLabel: text.exactOptional(),
  cgroupParent: text.exactOptional(),
  privileged: z.boolean(),
  runtimeHandler: text.exactOptional(),
  seccompPath: text.exactOptional(),
  persist: z.boolean(),
  resources: json.exactOptional(),
  sysctls: texts,
  ips: z.array(text),
  networks: z.array(
    z.strictObject({
      name: text,
      interface: text,
      ips: z.array(text),
      mac: text.exactOptional(),
      default: z.boolean(),
    }),
  ),
  portMappings: z.array(
    z.strictObject({
      protocol: z.enum(['TCP', 'UDP', 'SCTP']),
      containerPort: z.int(),
      hostPort: z.int(),
      hostIp: text.exactOptional(),
    }),
  ),
  dns: z
    .strictObject({ servers: z.array(text), searches: z.array(text), options: z.array(text) })
    .exactOptional(),
  dnsPolicy: z.enum(['Default', 'None']),
  cni: z.array(attachmentSchema),
  files: z.strictObject({ hosts: path, resolvConf: path, hostname: path, shm: path }),
  created: z.boolean(),
  stopping: z.boolean(),
  networkStopped: z.boolean(),
  stopped: z.boolean(),
}) satisfies z.ZodType<SandboxRecord>;

export function formatSandboxRecord(record: SandboxRecord): string {
  return `${JSON.stringify(record, undefined, 2)}\n`;
}

/**
 * Reads a record, also one of an older version.
 * @param id the sandbox whose record it has to be
 * @param source where it lies, for the error
 * @throws PodwrightError kind `empty-id`, `corrupt-state` (not readable, or another sandbox's), `unsupported` (of a
 *   newer version)
 */
export function parseSandboxRecord(content: string, id: string, source: string): SandboxRecord {
  const details = { id, path: source };
  const refuse = (why: string, cause?: unknown) =>
    new PodwrightError(
      'corrupt-state',
      `The record of sandbox ${id} at ${source} cannot be read: ${why}. Remove its pod, or collect garbage, to be rid of it.`,
      { cause, details },
    );
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (error) {
    throw refuse('it is not JSON', error);
  }
  if (!isJsonObject(value)) throw refuse('it is not a JSON object');
  const version = value['version'];
  if (typeof version === 'number' && version > SANDBOX_RECORD_VERSION) {
    throw new PodwrightError(
      'unsupported',
      `The record of sandbox ${id} at ${source} has version ${version}, this agent reads up to ` +
        `${SANDBOX_RECORD_VERSION}: it is a newer agent's. Run that version, or another state directory.`,
      { details: { ...details, version } },
    );
  }
  if (value['id'] === '') {
    throw new PodwrightError('empty-id', `The record at ${source} has an empty id. Remove sandbox ${id}.`, {
      details,
    });
  }
  const parsed = recordSchema.safeParse(version === 1 ? fromVersion1(value) : value);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'it'}: ${issue.message}`);
    throw refuse(problems.join('; '), parsed.error);
  }
  if (parsed.data.id !== id) throw refuse(`it is the record of sandbox ${parsed.data.id}`);
  return parsed.data;
}

/** Version 1 knew neither user namespaces, first processes nor a second network, and not that an end was asked for. */
function fromVersion1(old: JsonObject): JsonObject {
  const metadata = isJsonObject(old['metadata']) ? old['metadata'] : {};
  return {
    ...old,
    version: SANDBOX_RECORD_VERSION,
    name: sandboxName(metadata),
    kubeName: metadata['name'],
    namespace: metadata['namespace'],
    hostAliases: [],
    hostNetwork: old['network'] === 'node',
    userNamespace: 'node',
    idMappings: [],
    privileged: false,
    persist: false,
    networks: [],
    dnsPolicy: old['dns'] === undefined ? 'Default' : 'None',
    stopping: old['networkStopped'] === true,
  };
}

/** Name of a sandbox among all of a node. */
export function sandboxName({ name, namespace, uid, attempt }: Readonly<Record<string, unknown>>): string {
  return [name, namespace, uid, attempt].join('_');
}
