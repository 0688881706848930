import { z } from 'zod';
import { configKeyProblem } from './names.js';
import { metadataSchema } from './pod-schema.js';

/** Both kinds may have this many bytes, as in Kubernetes. */
const LARGEST_CONTENT_BYTES = 1024 * 1024;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

type Issues = z.core.ParsePayload['issues'];

/** Kubernetes' parser lets line breaks stand in base64. */
const base64 = z.string().transform((value, { issues }) => {
  const packed = value.replace(/[\r\n]/g, '');
  if (!BASE64.test(packed)) {
    const message =
      'has to be base64, as `base64 -w0` writes it; plain text goes into data of a ConfigMap or stringData of a Secret';
    issues.push({ code: 'custom', message, input: undefined });
  }
  return packed;
});

const texts = z.record(z.string(), z.string()).default({});
const bytes = z.record(z.string(), base64).default({});

export const configMapSchema = z
  .strictObject({
    apiVersion: z.literal('v1'),
    kind: z.literal('ConfigMap'),
    metadata: metadataSchema,
    data: texts,
    /** Base64. */
    binaryData: bytes,
    immutable: z.boolean().default(false),
  })
  .check(({ value: { data, binaryData }, issues }) => {
    checkKeys('data', data, issues);
    checkKeys('binaryData', binaryData, issues);
    for (const key of Object.keys(binaryData).filter((name) => Object.hasOwn(data, name))) {
      issues.push({
        code: 'custom',
        message: 'stands in data too',
        path: ['binaryData', key],
        input: undefined,
      });
    }
    checkSize(
      [...Object.values(data).map(utf8Length), ...Object.values(binaryData).map(base64Length)],
      issues,
    );
  });

/** What a Secret of a type has to have: all of the keys, or one of them. */
const TYPES: Readonly<
  Record<string, { readonly keys: readonly string[]; readonly any?: boolean; readonly json?: boolean }>
> = {
  'kubernetes.io/dockerconfigjson': { keys: ['.dockerconfigjson'], json: true },
  'kubernetes.io/dockercfg': { keys: ['.dockercfg'], json: true },
  'kubernetes.io/basic-auth': { keys: ['username', 'password'], any: true },
  'kubernetes.io/ssh-auth': { keys: ['ssh-privatekey'] },
  'kubernetes.io/tls': { keys: ['tls.crt', 'tls.key'] },
};

const secretInput = z
  .strictObject({
    apiVersion: z.literal('v1'),
    kind: z.literal('Secret'),
    metadata: metadataSchema,
    type: z
      .string()
      .default('Opaque')
      .transform((type) => type || 'Opaque'),
    /** Base64. */
    data: bytes,
    /** Wins over `data`. */
    stringData: texts,
    immutable: z.boolean().default(false),
  })
  .check(({ value: { data, stringData }, issues }) => {
    checkKeys('data', data, issues);
    checkKeys('stringData', stringData, issues);
  });

export const secretSchema = secretInput.transform(({ stringData, ...secret }, { issues }) => {
  const added = Object.entries(stringData).map(([key, value]) => [
    key,
    Buffer.from(value).toString('base64'),
  ]);
  const data: Record<string, string> = { ...secret.data, ...Object.fromEntries(added) };
  checkSize(Object.values(data).map(base64Length), issues);
  checkType(secret.type, data, issues);
  return { ...secret, data };
});

function checkKeys(field: string, entries: object, issues: Issues): void {
  for (const key of Object.keys(entries)) {
    const problem = configKeyProblem(key);
    if (problem === undefined) continue;
    issues.push({
      code: 'custom',
      message: `has a key that ${problem}`,
      path: [field, key],
      input: undefined,
    });
  }
}

function checkSize(lengths: readonly number[], issues: Issues): void {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (total <= LARGEST_CONTENT_BYTES) return;
  const message = `has ${total} bytes: all entries together may have ${LARGEST_CONTENT_BYTES}`;
  issues.push({ code: 'custom', message, path: ['data'], input: undefined });
}

function checkType(type: string, data: Readonly<Record<string, string>>, issues: Issues): void {
  const rule = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  if (!rule) return;
  const missing = rule.keys.filter((key) => !Object.hasOwn(data, key));
  if (rule.any ? missing.length === rule.keys.length : missing.length > 0) {
    const message = `needs ${missing.join(rule.any ? ' or ' : ' and ')}, because the type is ${type}`;
    issues.push({ code: 'custom', message, path: ['data'], input: undefined });
    return;
  }
  for (const key of rule.json ? rule.keys : []) {
    if (isJsonObject(Buffer.from(data[key] ?? '', 'base64').toString())) continue;
    const message = 'has to be a JSON object, in base64';
    issues.push({ code: 'custom', message, path: ['data', key], input: undefined });
  }
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function utf8Length(value: string): number {
  return Buffer.byteLength(value);
}

function base64Length(value: string): number {
  return Buffer.byteLength(value, 'base64');
}
