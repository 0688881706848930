import type { ContainerConfig, PodSandboxConfig } from '@podwright/core';
import { z } from 'zod';

/** Of the files' form: a file of another version is not read. */
export const RECORD_VERSION = 1;

/** What is remembered of a sandbox. Without an id it is being made, or its agent ended while it was. */
export interface SandboxRecord {
  readonly version: typeof RECORD_VERSION;
  /** Name of its directory. */
  readonly key: string;
  readonly id?: string;
  readonly config: PodSandboxConfig;
}

/** What is remembered of a container: no environment, which may hold secrets. */
export interface ContainerRecord {
  readonly version: typeof RECORD_VERSION;
  readonly key: string;
  readonly id?: string;
  readonly sandboxId: string;
  readonly podUid: string;
  readonly config: Omit<ContainerConfig, 'env'>;
  readonly imageId: string;
  /** On the host. */
  readonly logPath: string;
}

/** A record with the runtime's id. */
export type Made<R extends SandboxRecord | ContainerRecord> = R & { readonly id: string };

const metadata = { name: z.string(), attempt: z.number() };

/** What is relied on; the configurations are as this backend has written them. */
export const sandboxRecordSchema = z.looseObject({
  version: z.literal(RECORD_VERSION),
  key: z.string(),
  id: z.string().optional(),
  config: z.looseObject({
    metadata: z.object({ ...metadata, namespace: z.string(), uid: z.string() }),
    network: z.enum(['pod', 'node']),
    portMappings: z.array(z.looseObject({ hostPort: z.number() })),
  }),
});

export const containerRecordSchema = z.looseObject({
  version: z.literal(RECORD_VERSION),
  key: z.string(),
  id: z.string().optional(),
  sandboxId: z.string(),
  podUid: z.string(),
  config: z.looseObject({
    metadata: z.object(metadata),
    image: z.string(),
    mounts: z.array(z.looseObject({ hostPath: z.string(), containerPath: z.string() })),
    resources: z.looseObject({}),
  }),
  imageId: z.string(),
  logPath: z.string(),
});
