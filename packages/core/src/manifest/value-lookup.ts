import { containerResources, podLimits } from '../deciders/resources.js';
import { PodwrightError } from '../errors.js';
import { type ConfigObject, configContent } from './config-object.js';
import { parseFieldPath } from './field-paths.js';
import type { Container, Pod } from './pod.js';
import { quantityBytes, quantityNanos } from './quantity.js';

/** What a node has to give to pods; a container without a limit is told this, as in Kubernetes. */
export interface NodeCapacity {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  readonly ephemeralStorageBytes: number;
}

/** Who asks for a value, as it is called in errors: `Volume "config"`, `The variable A of container "web"`. */
export interface Asker {
  readonly what: string;
  readonly optional: boolean;
}

/**
 * The object of that kind and name in the pod's namespace; undefined when it is optional and there is none.
 * @throws PodwrightError kind `not-found`
 */
export function findObject<Kind extends ConfigObject['kind']>(
  kind: Kind,
  name: string,
  { pod, objects }: { readonly pod: Pod; readonly objects: readonly ConfigObject[] },
  { what, optional }: Asker,
): Extract<ConfigObject, { kind: Kind }> | undefined {
  const { namespace } = pod.metadata;
  const isWanted = (object: ConfigObject): object is Extract<ConfigObject, { kind: Kind }> =>
    object.kind === kind && object.metadata.name === name && object.metadata.namespace === namespace;
  const found = objects.find(isWanted);
  if (found || optional) return found;
  throw new PodwrightError(
    'not-found',
    `${what} needs the ${kind} ${name} in the namespace ${namespace}, which is not there: give it with the pod, or set ` +
      'optional: true.',
    { details: { kind, name, namespace } },
  );
}

/**
 * The bytes of one key; undefined when it is optional and not there.
 * @throws PodwrightError kind `not-found`
 */
export function findKey(object: ConfigObject, key: string, { what, optional }: Asker): Buffer | undefined {
  const content = configContent(object);
  const found = content.get(key);
  if (found || optional) return found;
  const { name, namespace } = object.metadata;
  const keys = content.size === 0 ? 'it has none' : `it has ${[...content.keys()].join(', ')}`;
  throw new PodwrightError(
    'not-found',
    `${what} needs the key ${key} of the ${object.kind} ${namespace}/${name}, which is not there (${keys}): add it, or ` +
      'set optional: true.',
    { details: { kind: object.kind, name, namespace, key } },
  );
}

/** A field of the pod's metadata as text; a whole map is one `key="value"` per line, sorted by key. */
export function metadataField({ metadata }: Pod, fieldPath: string): string {
  const { field, key } = parseFieldPath(fieldPath) ?? { field: fieldPath };
  switch (field) {
    case 'metadata.name':
      return metadata.name;
    case 'metadata.namespace':
      return metadata.namespace;
    case 'metadata.uid':
      return metadata.uid;
    case 'metadata.labels':
      return ofMap(metadata.labels, key);
    case 'metadata.annotations':
      return ofMap(metadata.annotations, key);
    default:
      throw new PodwrightError('internal', `The field ${fieldPath} is none of the pod's metadata.`);
  }
}

function ofMap(map: Readonly<Record<string, string>>, key: string | undefined): string {
  if (key !== undefined) return (Object.hasOwn(map, key) && map[key]) || '';
  return Object.keys(map)
    .sort()
    .map((name) => `${name}=${goQuoted(map[name] ?? '')}`)
    .join('\n');
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '"': '\\"',
  '\\': '\\\\',
};

/** As Go's `%q` writes a text, which is what programs that read these files expect. */
function goQuoted(text: string): string {
  const letters = [...text].map((letter) => {
    const code = letter.codePointAt(0) ?? 0;
    if (ESCAPES[letter] !== undefined) return ESCAPES[letter];
    if (letter === ' ' || /[\p{L}\p{M}\p{N}\p{P}\p{S}]/u.test(letter)) return letter;
    const hex = code.toString(16);
    if (code < 0x20 || code === 0x7f) return `\\x${hex.padStart(2, '0')}`;
    return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
  });
  return `"${letters.join('')}"`;
}

interface ResourceRef {
  readonly resource: string;
  readonly divisor: string;
}

/**
 * A container's limit or request in units of the divisor, rounded up. Told is what is in force: a lone request is the
 * limit too (see `containerResources`), then comes the pod's limit, then what the node has.
 * @throws PodwrightError kind `failed-precondition` when only the node could tell and its capacity is not given
 */
export function resourceField(
  pod: Pod,
  container: Container,
  { resource, divisor }: ResourceRef,
  capacity: NodeCapacity | undefined,
): string {
  const [list, name = ''] = resource.split(/\.(.*)/s);
  const amounts = amountsOf(pod, container, name, capacity);
  const amount = list === 'limits' ? amounts.limit : amounts.request;
  if (amount === undefined) {
    throw new PodwrightError(
      'failed-precondition',
      `${resource} of container "${container.name}" cannot be told: it has no such limit, and the capacity of the node ` +
        'is not known here. Set the limit.',
      { details: { container: container.name, resource } },
    );
  }
  const unit = quantityNanos(divisor) || quantityNanos('1') || 1n;
  // Amounts of CPU are thousandths.
  const nanos = BigInt(amount) * (name === 'cpu' ? 10n ** 6n : 10n ** 9n);
  return String((nanos + unit - 1n) / unit);
}

function amountsOf(pod: Pod, container: Container, name: string, capacity: NodeCapacity | undefined) {
  const own = containerResources(container);
  const shared = podLimits(pod);
  if (name === 'cpu') {
    return {
      limit: own.cpuLimitMillis ?? shared.cpuLimitMillis ?? capacity?.cpuMillis,
      request: own.cpuRequestMillis ?? 0,
    };
  }
  if (name === 'memory') {
    return {
      limit: own.memoryLimitBytes ?? shared.memoryLimitBytes ?? capacity?.memoryBytes,
      request: own.memoryRequestBytes ?? 0,
    };
  }
  const { limits, requests } = container.resources;
  const limit = limits['ephemeral-storage'];
  const request = requests['ephemeral-storage'] ?? limit;
  return {
    limit: limit === undefined ? capacity?.ephemeralStorageBytes : quantityBytes(limit),
    request: request === undefined ? 0 : quantityBytes(request),
  };
}
