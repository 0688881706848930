import { type BackendModuleFactory, messageOf, PodwrightError } from '@podwright/core';
import type { ContainerModule } from 'inversify';

/** Only the one that is used is loaded. */
const BUILT_IN: Readonly<Record<string, () => Promise<{ readonly backendModule: BackendModuleFactory }>>> = {
  systemd: () => import('@podwright/backend-systemd'),
  memory: () => import('@podwright/backend-memory'),
  cri: () => import('@podwright/backend-cri'),
};

/**
 * Finds a backend: a built-in one by its short name, else an npm package that exports `backendModule`.
 * @param resolveFrom URL of the module from which the package is looked up
 * @throws PodwrightError kind `invalid-argument` when there is none of that name, or it exports no backend
 */
export async function loadBackend(name: string, resolveFrom: string): Promise<BackendModuleFactory> {
  const builtIn = Object.hasOwn(BUILT_IN, name) ? BUILT_IN[name] : undefined;
  if (builtIn) return (await builtIn()).backendModule;
  const exported = await importFrom(name, resolveFrom);
  const factory: unknown = Reflect.get(exported, 'backendModule');
  if (typeof factory !== 'function') throw noBackend(name, 'it exports no function named backendModule');
  return (context) => {
    const module: unknown = Reflect.apply(factory, undefined, [context]);
    if (isContainerModule(module)) return module;
    throw noBackend(name, 'its backendModule has to return a ContainerModule of inversify');
  };
}

/** Also of another installed copy of inversify. */
function isContainerModule(value: unknown): value is ContainerModule {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, 'load') === 'function';
}

function noBackend(name: string, why: string): PodwrightError {
  return new PodwrightError('invalid-argument', `The package "${name}" is no backend: ${why}.`, {
    details: { backend: name },
  });
}

async function importFrom(name: string, resolveFrom: string): Promise<object> {
  try {
    const { createRequire } = await import('node:module');
    const { pathToFileURL } = await import('node:url');
    const path = createRequire(resolveFrom).resolve(name);
    return (await import(pathToFileURL(path).href)) as object;
  } catch (cause) {
    throw new PodwrightError(
      'invalid-argument',
      `There is no backend "${name}": it is neither one of ${Object.keys(BUILT_IN).join(', ')} nor a package that can ` +
        `be imported (${firstLine(messageOf(cause))}). Install it, or correct the key "backend" of the configuration.`,
      { cause, details: { backend: name } },
    );
  }
}

/** Node goes on with the files that asked for the module. */
function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text;
}
