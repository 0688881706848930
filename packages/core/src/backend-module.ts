import type { ContainerModule } from 'inversify';

/** What every backend is told; its own options come beside, under its name. */
export interface BackendContext {
  /** State that outlives a reboot. */
  readonly stateDir: string;
  /** State that ends with the host's run. */
  readonly runDir: string;
  readonly configDir: string;
  /** The backend's own options, as they stand in the configuration. */
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * What an npm package exports under the name `backendModule` to be a backend. The module binds `RuntimeService`,
 * `ImageService` and `VolumeProvider`; `Logger` and `Clock` are there to be injected.
 * @throws PodwrightError kind `invalid-argument` for an option it does not know
 */
export type BackendModuleFactory = (context: BackendContext) => ContainerModule;
