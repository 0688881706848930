import { parseOptions } from '@podwright/core';
import { z } from 'zod';

const absolutePath = z.string().startsWith('/', 'has to be an absolute path');

/**
 * The configuration of a runtime, as the file and `createRuntime` take it. Everything has a default.
 */
export const runtimeConfigSchema = z.strictObject({
  backend: z
    .string()
    .min(1)
    .default('systemd')
    .describe('`systemd`, `memory`, `cri`, or the name of an npm package that exports `backendModule`'),
  stateDir: absolutePath
    .optional()
    .describe('what outlives a reboot; one agent each. Default: /var/lib/podwright; memory: nothing is kept'),
  runDir: absolutePath.default('/run/podwright').describe('what ends with the run of the host'),
  configDir: absolutePath.default('/etc/podwright').describe('configuration beside this file'),
  allowedUnsafeSysctls: z
    .array(z.string().min(1))
    .default([])
    .describe(
      'kernel parameters that pods may set beside the safe ones, such as `net.core.somaxconn` or `net.ipv4.*`',
    ),
  debug: z.boolean().default(false).describe('log every command, with secrets masked'),
  maxParallelPulls: z
    .int()
    .min(1)
    .default(1)
    .describe('images pulled at once for pods; 1: one after the other'),
  backendOptions: z
    .record(z.string(), z.unknown())
    .default({})
    .describe("the backend's own options; see the README of the backend"),
});

export type RuntimeConfig = z.input<typeof runtimeConfigSchema>;
export type ResolvedRuntimeConfig = z.output<typeof runtimeConfigSchema>;

/**
 * Checks a configuration and fills in the defaults.
 * @param source where it came from, for the message
 * @throws PodwrightError kind `invalid-argument` that names each wrong key
 */
export function resolveRuntimeConfig(
  config: unknown,
  source = 'the runtime configuration',
): ResolvedRuntimeConfig {
  return parseOptions(runtimeConfigSchema, config ?? {}, source);
}
