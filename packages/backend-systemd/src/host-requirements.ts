import { ImageService, PodwrightError } from '@podwright/core';
import { ImageStore } from '@podwright/images';
import { JournalReader } from '@podwright/journal';
import {
  findHostProgram,
  HostExecutor,
  type HostProgram,
  hostProgramsOf,
  Mounter,
  PortForwarder,
} from '@podwright/nsenter';
import { ConmonAttach, ExecHandler } from '@podwright/oci';
import { NamespacePinner, PodNetwork } from '@podwright/sandbox';
import { inject, injectable } from 'inversify';
import { HostTools } from './host-tools.js';

/** The programs of the host that this backend runs, beside the OCI runtime and conmon: each part says its own. */
@injectable()
export class HostRequirements {
  private readonly parts: readonly object[];

  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostTools) tools: HostTools,
    @inject(NamespacePinner) pinner: NamespacePinner,
    @inject(PodNetwork) network: PodNetwork,
    @inject(ExecHandler) exec: ExecHandler,
    @inject(ConmonAttach) attach: ConmonAttach,
    @inject(Mounter) mounter: Mounter,
    @inject(PortForwarder) ports: PortForwarder,
    @inject(JournalReader) journal: JournalReader,
    @inject(ImageStore) imageStore: ImageStore,
    @inject(ImageService) images: ImageService,
  ) {
    this.parts = [tools, pinner, network, exec, attach, mounter, ports, journal, imageStore, images];
  }

  async programs(): Promise<readonly HostProgram[]> {
    return await hostProgramsOf(this.parts);
  }

  /** @throws PodwrightError kind `missing-requirement` that names each program that is missing or too old */
  async check(): Promise<void> {
    const programs = await this.programs();
    const outcomes = await Promise.allSettled(programs.map((program) => findHostProgram(this.host, program)));
    const errors = outcomes.flatMap((outcome) => {
      if (outcome.status === 'fulfilled') return [];
      if (!PodwrightError.is(outcome.reason, 'missing-requirement')) throw outcome.reason;
      return [outcome.reason];
    });
    const [first] = errors;
    if (first === undefined) return;
    if (errors.length === 1) throw first;
    throw new PodwrightError('missing-requirement', errors.map(({ message }) => message).join('\n'), {
      cause: new AggregateError(errors),
      details: { programs: errors.map(({ details }) => details['program']) },
    });
  }
}
