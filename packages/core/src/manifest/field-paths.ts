import { qualifiedNameProblem } from './names.js';
import { quantityNanos } from './quantity.js';

/** A `fieldPath` of the downward API in parts. */
export interface FieldPath {
  readonly field: string;
  /** Of `metadata.labels['key']` and `metadata.annotations['key']`. */
  readonly key?: string;
}

const IN_BOTH = ['metadata.name', 'metadata.namespace', 'metadata.uid'];
const MAPS = ['metadata.labels', 'metadata.annotations'];
const IN_ENV = [
  ...IN_BOTH,
  ...['spec.nodeName', 'status.hostIP', 'status.hostIPs', 'status.podIP', 'status.podIPs'],
];

/** Takes `metadata.labels['app']` apart; undefined when the text has no such form. */
export function parseFieldPath(text: string): FieldPath | undefined {
  const match = /^([A-Za-z.]+)(?:\['([^']*)'\])?$/.exec(text);
  if (!match?.[1]) return undefined;
  return { field: match[1], ...(match[2] === undefined ? {} : { key: match[2] }) };
}

/** Why a path cannot be the value of an environment variable, or undefined when it can. */
export function envFieldProblem(text: string): string | undefined {
  const path = parseFieldPath(text);
  if (path && path.key === undefined && MAPS.includes(path.field)) {
    return `is a whole map: give the key, as in ${path.field}['app'], or use a downwardAPI volume`;
  }
  return fieldProblem(text, IN_ENV);
}

/** Why a path cannot be the content of a file of a downwardAPI volume, or undefined when it can. */
export function volumeFieldProblem(text: string): string | undefined {
  const path = parseFieldPath(text);
  if (path && path.key === undefined && MAPS.includes(path.field)) return undefined;
  if (path && IN_ENV.includes(path.field) && !IN_BOTH.includes(path.field)) {
    return 'is known to environment variables only: use env.valueFrom.fieldRef';
  }
  return fieldProblem(text, [...IN_BOTH, ...MAPS]);
}

function fieldProblem(text: string, fields: readonly string[]): string | undefined {
  const path = parseFieldPath(text);
  if (path?.field === 'spec.serviceAccountName') {
    return 'is not supported: there are no service accounts here, give the name as the value itself';
  }
  if (path?.key !== undefined && MAPS.includes(path.field)) {
    // Kubernetes compares the keys of annotations in lower case.
    const problem = qualifiedNameProblem(
      path.field === 'metadata.annotations' ? path.key.toLowerCase() : path.key,
    );
    return problem && `has a key that ${problem}`;
  }
  if (path && path.key === undefined && fields.includes(path.field)) return undefined;
  const all = [...new Set([...fields.filter((field) => !MAPS.includes(field)), ...MAPS])];
  return `has to be one of ${all.map((field) => (MAPS.includes(field) ? `${field}['key']` : field)).join(', ')}`;
}

const CPU_DIVISORS = ['1m', '1'];
const BYTE_DIVISORS = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei'];

/** Why an amount of the resource is not told in this unit, or undefined when it is. Kubernetes takes no others. */
export function resourceDivisorProblem(resource: string, divisor: string): string | undefined {
  const divisors = resource.endsWith('.cpu') ? CPU_DIVISORS : BYTE_DIVISORS;
  const nanos = quantityNanos(divisor);
  if (nanos === 0n) return undefined;
  return nanos !== undefined && divisors.some((unit) => quantityNanos(unit) === nanos)
    ? undefined
    : `has to be one of ${divisors.join(', ')} for ${resource}`;
}
