import { parseOptions, restartBackoffOption } from '@podwright/core';
import type { ServiceIdentifier } from 'inversify';
import { z } from 'zod';

const absolutePath = z.string().startsWith('/', 'has to be an absolute path on the host');

/** Options of the CRI backend, as they stand under `backendOptions`. */
export const criBackendOptionsSchema = z.strictObject({
  address: z
    .string()
    .min(1)
    .default('unix:///run/containerd/containerd.sock')
    .describe('the runtime’s socket as gRPC names it, such as unix:///run/crio/crio.sock'),
  logDir: absolutePath
    .optional()
    .describe('where the runtime writes the logs of containers; default: `logs` in the state directory'),
  connectTimeoutMs: z.int().min(1).default(10_000).describe('time for the runtime to answer at the start'),
  callTimeoutMs: z
    .int()
    .min(1)
    .default(120_000)
    .describe('time for a call, but for pulls, stops and commands'),
  pullTimeoutMs: z.int().min(1).default(1_800_000).describe('time for the pull of an image'),
  relistMs: z
    .int()
    .min(10)
    .max(24 * 3_600_000)
    .default(1000)
    .describe(
      'how often the runtime is asked what has changed, where it tells no events (containerd before 1.7)',
    ),
  restartBackoff: restartBackoffOption,
  seccompProfileRoot: absolutePath
    .optional()
    .describe(
      'below it lie the profiles that pods name (Localhost); default: `seccomp` in the state directory',
    ),
});

export type CriBackendOptions = z.output<typeof criBackendOptionsSchema>;

export const CriBackendOptions: ServiceIdentifier<CriBackendOptions> = Symbol.for(
  'podwright.backend-cri.CriBackendOptions',
);

/** @throws PodwrightError kind `invalid-argument` that names each wrong option */
export function parseCriBackendOptions(options: Readonly<Record<string, unknown>>): CriBackendOptions {
  return parseOptions(criBackendOptionsSchema, options, 'the options of the CRI backend');
}
