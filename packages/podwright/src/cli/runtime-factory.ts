import { type ContainerRuntime, Logger, silentLogger } from '@podwright/core';
import { type Container, ContainerModule } from 'inversify';
import { createContainer, createRuntime } from '../create-runtime.js';
import type { ResolvedRuntimeConfig } from '../runtime-config.js';
import type { RuntimeRequest } from './cli-context.js';

/** What goes wrong beside the command itself is told, and nothing else. */
const cliLogger: Logger = {
  ...silentLogger,
  error: (message) => void process.stderr.write(`podwright: ${message}\n`),
};

export function createCliRuntime(
  config: ResolvedRuntimeConfig,
  request: RuntimeRequest,
): Promise<ContainerRuntime> {
  return createRuntime(config, { ...request, modules: modulesOf(config) });
}

export function createCliContainer(
  config: ResolvedRuntimeConfig,
  request: RuntimeRequest = { access: 'observe', lockTimeoutMs: 0 },
): Promise<Container> {
  return createContainer(config, { ...request, modules: modulesOf(config) });
}

function modulesOf({ debug }: ResolvedRuntimeConfig): readonly ContainerModule[] {
  if (debug) return [];
  return [new ContainerModule(async ({ rebind }) => void (await rebind(Logger)).toConstantValue(cliLogger))];
}
