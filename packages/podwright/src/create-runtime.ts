import 'reflect-metadata';
import { fileURLToPath, pathToFileURL } from 'node:url';
import {
  Clock,
  ContainerRuntime,
  Logger,
  type RuntimeAccess,
  SystemClock,
  silentLogger,
} from '@podwright/core';
import { podsModule } from '@podwright/pods';
import { Container, type ContainerModule } from 'inversify';
import { checkBackend } from './check-backend.js';
import { consoleLogger } from './console-logger.js';
import { loadBackend } from './load-backend.js';
import { type RuntimeConfig, resolveRuntimeConfig } from './runtime-config.js';

const DEFAULT_STATE_DIR = '/var/lib/podwright';

/** The command as it is built, also when this runs from the sources. */
const OWN_COMMAND = fileURLToPath(new URL('../dist/command/podwright.js', import.meta.url));

export interface CreateRuntimeOptions {
  /** Whether this process is the one that changes pods, or reads beside it. Default: `exclusive`. */
  readonly access?: RuntimeAccess;
  /**
   * How long `start()` waits while another process holds the state directory, in milliseconds. Default: not at all.
   */
  readonly lockTimeoutMs?: number;
  /**
   * Loaded last: a module that rebinds a token replaces that part, whatever backend does the work.
   * @example new ContainerModule(({ rebind }) => rebind(Logger).toConstantValue(myLogger))
   */
  readonly modules?: readonly ContainerModule[];
  /**
   * Command of the host that brings pods of `persist: true` back at its boot; `--config FILE` and the pod's uid are added.
   * Whoever rebinds parts that make pods gives a program that does so too. Default: this package's own command.
   */
  readonly restoreCommand?: readonly string[];
  /** Where a backend that is an npm package is looked up; default: the working directory. */
  readonly resolveFrom?: string;
}

/**
 * Makes a runtime of a configuration. It does nothing yet: call `start()` on it, and dispose of it at the end.
 * @throws PodwrightError kind `invalid-argument` for a configuration that is wrong, or a backend that lacks a part
 */
export async function createRuntime(
  config: RuntimeConfig = {},
  options: CreateRuntimeOptions = {},
): Promise<ContainerRuntime> {
  const container = await createContainer(config, options);
  checkBackend(container, resolveRuntimeConfig(config).backend);
  return container.get(ContainerRuntime);
}

/** The dependency-injection container behind `createRuntime`, for those who need more than the runtime of it. */
export async function createContainer(
  config: RuntimeConfig = {},
  options: CreateRuntimeOptions = {},
): Promise<Container> {
  const { backend, stateDir, runDir, configDir, debug, backendOptions, ...forPods } =
    resolveRuntimeConfig(config);
  const { access = 'exclusive', lockTimeoutMs = 0 } = options;
  const resolveFrom = options.resolveFrom ?? pathToFileURL(`${process.cwd()}/`).href;
  const backendModule = await loadBackend(backend, resolveFrom);
  const container = new Container({ defaultScope: 'Singleton' });
  container.bind(Logger).toConstantValue(debug ? consoleLogger : silentLogger);
  container.bind(Clock).toConstantValue(new SystemClock());
  await container.loadAsync(
    podsModule({
      // What runs in memory ends with this process, and so does what is remembered of it.
      ...(stateDir === undefined && backend === 'memory' ? {} : { stateDir: stateDir ?? DEFAULT_STATE_DIR }),
      access,
      lockTimeoutMs,
      ...forPods,
    }),
    backendModule({
      stateDir: stateDir ?? DEFAULT_STATE_DIR,
      runDir,
      configDir,
      access,
      restoreCommand: options.restoreCommand ?? [process.execPath, OWN_COMMAND, 'restore'],
      options: backendOptions,
    }),
  );
  // One after the other: modules of one call are loaded at once, and a rebinding has to find what it replaces.
  for (const module of options.modules ?? []) await container.loadAsync(module);
  return container;
}
