import type { z } from 'zod';
import { PodwrightError } from '../errors.js';
import { type ManifestKind, unknownFieldMessage } from './known-fields.js';

/** One thing that is wrong with a manifest. */
export interface ManifestProblem {
  /** Such as `spec.containers[0].ports[1].hostPort`. */
  readonly path: string;
  /** Goes on from the path: `has to be a number`. */
  readonly message: string;
  /** What stands there, unless it may be a secret. */
  readonly value?: unknown;
}

/** Writes `['spec', 'containers', 0, 'name']` as `spec.containers[0].name`; keys with dots or slashes in quotes. */
export function formatPath(path: readonly PropertyKey[]): string {
  const parts = path.map((part, index) => {
    if (typeof part === 'number') return `[${part}]`;
    const name = String(part);
    if (!/^[A-Za-z_][\w-]*$/.test(name)) return `[${JSON.stringify(name)}]`;
    return index === 0 ? name : `.${name}`;
  });
  return parts.length === 0 ? 'the manifest' : parts.join('');
}

const CONTENT_KINDS: readonly unknown[] = ['ConfigMap', 'Secret'];
const TOLD_FIELDS: readonly PropertyKey[] = ['apiVersion', 'kind', 'metadata', 'type', 'immutable'];

/** What the manifest says it is. */
export function kindOf(input: unknown): unknown {
  return valueAt(input, ['kind']);
}

/** Makes a problem; values of environment variables and contents of objects are left out, they may be secrets. */
export function problemAt(input: unknown, path: readonly PropertyKey[], message: string): ManifestProblem {
  const value = valueAt(input, path);
  const isVariable = path.includes('env') && path.at(-1) === 'value';
  // A misspelt field of a Secret has its content as well.
  const isContent = CONTENT_KINDS.includes(kindOf(input)) && !TOLD_FIELDS.includes(path[0] ?? '');
  const secret = isVariable || isContent;
  return { path: formatPath(path), message, ...(value === undefined || secret ? {} : { value }) };
}

/** What zod found, in the words of this package. */
export function problemsOfIssues(
  kind: ManifestKind,
  input: unknown,
  issues: readonly z.core.$ZodIssue[],
): ManifestProblem[] {
  return issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys')
      return [problemAt(input, issue.path, messageOfIssue(input, issue))];
    return issue.keys.map((key) =>
      problemAt(input, [...issue.path, key], unknownFieldMessage(kind, issue.path, key)),
    );
  });
}

/** The one error of a manifest, with everything that is wrong with it. @param what e.g. `pod manifest` */
export function manifestError(
  what: string,
  problems: readonly ManifestProblem[],
  cause?: unknown,
): PodwrightError {
  const lines = problems.map(({ path, message, value }) => {
    const isObject = typeof value === 'object' && value !== null;
    return `${path} ${message}${value === undefined || isObject ? '' : ` (found ${shown(value)})`}.`;
  });
  const message =
    lines.length === 1
      ? `The ${what} is not valid: ${lines[0]}`
      : `The ${what} is not valid, ${lines.length} problems:\n${lines.map((line) => `- ${line}`).join('\n')}`;
  return new PodwrightError('invalid-manifest', message, { cause, details: { problems } });
}

function messageOfIssue(input: unknown, issue: z.core.$ZodIssue): string {
  const value = valueAt(input, issue.path);
  switch (issue.code) {
    case 'invalid_type':
      return typeMessage(issue.expected, value);
    case 'invalid_value':
      if (value === undefined) return `is missing: it has to be ${listed(issue.values)}`;
      return `has to be ${listed(issue.values)}`;
    case 'too_small':
      return issue.origin === 'array'
        ? `needs at least ${issue.minimum === 1 ? 'one entry' : `${issue.minimum} entries`}`
        : `has to be at least ${issue.minimum}`;
    case 'too_big':
      return issue.origin === 'array'
        ? `may have at most ${issue.maximum} entries`
        : `has to be at most ${issue.maximum}`;
    default:
      return issue.message;
  }
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a whole number',
  object: 'an object',
  record: 'an object of texts',
  string: 'a text',
};

function typeMessage(expected: string, value: unknown): string {
  const name = TYPE_NAMES[expected] ?? expected;
  if (value === undefined) return `is missing: it has to be ${name}`;
  if (expected === 'string' && (typeof value === 'number' || typeof value === 'boolean')) {
    return `has to be ${name}: write it in quotes`;
  }
  if (typeof value === 'object' && value !== null) {
    return `has to be ${name}, not ${Array.isArray(value) ? 'a list' : 'an object'}`;
  }
  const unquotable =
    (expected === 'int' || expected === 'number' || expected === 'boolean') && typeof value === 'string';
  return `has to be ${name}${unquotable ? ' without quotes' : ''}`;
}

function listed(values: readonly unknown[]): string {
  const words = values.map((value) => JSON.stringify(value));
  return words.length === 1 ? `${words[0]}` : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => {
    return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
      ? Reflect.get(value, key)
      : undefined;
  }, input);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
