import { type ContainerConfig, type ContainerUser, PodwrightError } from '@podwright/core';
import type { DeviceAllow } from '@podwright/oci';

const VERSION = 1;

/** What the backend remembers of a container; the OCI bundle beside it is made of this. */
export interface ContainerRecord {
  readonly id: string;
  readonly sandboxId: string;
  readonly podUid: string;
  readonly createdAtMs: number;
  readonly imageId: string;
  /** Slice that the unit lies in. */
  readonly slice: string;
  /** The unit's DeviceAllow=. */
  readonly deviceAllow: readonly DeviceAllow[];
  /** Without `SIG`, or a number. */
  readonly stopSignal: string;
  /** Whom its first process runs as; absent in records of before it was kept. */
  readonly user?: ContainerUser;
  /** As it was given, except the environment: that stands only in the bundle. */
  readonly config: ContainerConfig;
}

/** The record's file. The environment is left out, so that secrets are in one file only. */
export function serializeRecord(record: ContainerRecord): string {
  const config = { ...record.config, env: [] };
  return `${JSON.stringify({ version: VERSION, ...record, config }, undefined, 2)}\n`;
}

/** @throws PodwrightError kind `corrupt-state` with the path */
export function parseRecord(text: string, path: string): ContainerRecord {
  try {
    const value: unknown = JSON.parse(text);
    if (isRecord(value)) return value;
  } catch (cause) {
    throw corrupt(path, cause);
  }
  throw corrupt(path, undefined);
}

function isRecord(value: unknown): value is ContainerRecord {
  if (!isObject(value)) return false;
  const has = (key: string, type: string) => typeof Reflect.get(value, key) === type;
  return (
    Reflect.get(value, 'version') === VERSION &&
    ['id', 'sandboxId', 'podUid', 'imageId', 'slice', 'stopSignal'].every((key) => has(key, 'string')) &&
    has('createdAtMs', 'number') &&
    Array.isArray(Reflect.get(value, 'deviceAllow')) &&
    isObject(Reflect.get(value, 'config'))
  );
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function corrupt(path: string, cause: unknown): PodwrightError {
  return new PodwrightError(
    'corrupt-state',
    `${path} is not a container record of version ${VERSION}. If a newer Podwright wrote it, use that one; otherwise ` +
      'remove the directory it lies in, and garbage collection removes the rest.',
    { cause, details: { path } },
  );
}
