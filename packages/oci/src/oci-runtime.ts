import { PodwrightError } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable, type ServiceIdentifier } from 'inversify';
import { OciOptions } from './oci-options.js';
import type { OciRuntimeBinary } from './oci-runtime-command.js';
import { checkProgramVersion, minimumVersions, type OciProgram } from './versions.js';

/** A program with its place on the host and its version. */
export interface FoundProgram {
  readonly path: string;
  readonly version: string;
}

/** What containers are run with, once found. */
export interface OciPrograms {
  readonly runtime: OciRuntimeBinary;
  readonly runtimeVersion: string;
  readonly conmon: FoundProgram;
}

/** The OCI runtime and the container monitor of this host. */
export interface OciRuntime {
  /**
   * Finds both and checks their versions.
   * @throws PodwrightError kind `missing-requirement`, which names the program, what was found and what is needed
   */
  find(): Promise<OciPrograms>;
}

export const OciRuntime: ServiceIdentifier<OciRuntime> = Symbol.for('podwright.oci.OciRuntime');

/** Looks for them where the configuration says, or where the host's commands are. */
@injectable()
export class HostOciRuntime implements OciRuntime {
  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(OciOptions) private readonly options: OciOptions,
  ) {}

  async find(): Promise<OciPrograms> {
    const { flavour, runtime, conmon, runtimeRoot: root } = this.options;
    const [found, monitor] = await Promise.all([this.#find(flavour, runtime), this.#find('conmon', conmon)]);
    return {
      runtime: { flavour, path: found.path, ...(root !== undefined && { root }) },
      runtimeVersion: found.version,
      conmon: monitor,
    };
  }

  async #find(program: OciProgram, name: string): Promise<FoundProgram> {
    const path = await this.executor.which(name);
    if (path === undefined) {
      throw new PodwrightError(
        'missing-requirement',
        `${name} was not found on this host: install ${program} ${minimumVersions[program]} or newer, or configure its path.`,
        { details: { program, name, minimum: minimumVersions[program] } },
      );
    }
    return { path, version: await checkProgramVersion(this.executor, program, path) };
  }
}
