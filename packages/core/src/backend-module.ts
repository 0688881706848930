import type { ContainerModule } from 'inversify';

/**
 * How a runtime shares its state directory with other processes.
 *
 * - `exclusive`: the one that changes pods. It holds the directory's lock, and at its start removes what an earlier
 *   agent left half-made.
 * - `observe`: reads pods beside whoever changes them, and enters and follows them. It takes no lock and changes
 *   nothing of the state, at its start either; methods that change pods fail with `failed-precondition`.
 */
export type RuntimeAccess = 'exclusive' | 'observe';

/** What every backend is told; its own options come beside, under its name. */
export interface BackendContext {
  /** State that outlives a reboot. */
  readonly stateDir: string;
  /** State that ends with the host's run. */
  readonly runDir: string;
  readonly configDir: string;
  /** Default: `exclusive`. With `observe` pods and containers that another process makes are seen too. */
  readonly access?: RuntimeAccess;
  /**
   * Command of the host that brings a pod back after a reboot; `--config FILE` and the pod's uid are added. Absent: pods
   * cannot be persisted.
   */
  readonly restoreCommand?: readonly string[];
  /** The backend's own options, as they stand in the configuration. */
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * What an npm package exports under the name `backendModule` to be a backend. The module binds `RuntimeService`,
 * `ImageService` and `VolumeProvider`; `Logger` and `Clock` are there to be injected.
 * @throws PodwrightError kind `invalid-argument` for an option it does not know
 */
export type BackendModuleFactory = (context: BackendContext) => ContainerModule;
