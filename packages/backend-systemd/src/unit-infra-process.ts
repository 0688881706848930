import { join } from 'node:path';
import { PodwrightError } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { type InfraProcess, infraCommand, infraInit, type SandboxRecord } from '@podwright/sandbox';
import { SystemdManager, unitProperty } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import { HostLayout, infraUnitName } from './host-layout.js';
import { PodSlices } from './pod-slices.js';

/**
 * Tells systemd which process is the first one of the PID namespace, by the PID that the host has for it (/proc is the
 * host's), and becomes the program.
 */
const TELL_PID =
  'read -r pid rest </proc/self/stat; systemd-notify --ready "MAINPID=$pid" || exit 1; unset NOTIFY_SOCKET; exec "$@"';

/** Keeps the first process of a pod's shared PID namespace in a unit of its own, in the pod's slice: no agent is needed for it. */
@injectable()
export class UnitInfraProcess implements InfraProcess {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(SystemdManager) private readonly manager: SystemdManager,
    @inject(PodSlices) private readonly slices: PodSlices,
  ) {}

  async start(sandbox: SandboxRecord, signal?: AbortSignal): Promise<number> {
    const { id, metadata, cgroupParent } = sandbox;
    const unit = infraUnitName(id);
    const sh = (await this.host.which('sh')) ?? '/bin/sh';
    const init = ['sh', '-c', TELL_PID, 'infra', ...(await infraInit(this.host))];
    const argv = [sh, '-c', 'exec "$@"', 'infra', ...infraCommand(sandbox, init)];
    const properties = [
      unitProperty('Description', `podwright processes of pod ${metadata.namespace}/${metadata.name}`),
      unitProperty('Slice', cgroupParent ?? this.slices.nameOf(metadata.uid)),
      unitProperty('Type', 'notify'),
      unitProperty('NotifyAccess', 'all'),
      unitProperty('WorkingDirectory', join(this.layout.sandboxesDir, id)),
      unitProperty('CollectMode', 'inactive-or-failed'),
      unitProperty('OOMPolicy', 'continue'),
      // Nothing in it has anything to finish.
      unitProperty('KillSignal', 9),
      unitProperty('DevicePolicy', 'closed'),
      unitProperty('ExecStartEx', [{ path: sh, argv, flags: ['no-env-expand'] }]),
    ];
    await this.slices.whileStarting(() =>
      this.manager.startTransientUnit(unit, properties, signal === undefined ? {} : { signal }),
    );
    const pid = await this.manager.getUnitProperty(unit, 'MainPID');
    if (pid !== undefined && pid > 0) return pid;
    throw new PodwrightError(
      'command-failed',
      `The first process of sandbox ${id} ended at once; its words are in the journal of ${unit}.`,
      { details: { id, unit } },
    );
  }

  async stop({ id }: Pick<SandboxRecord, 'id'>): Promise<void> {
    await this.manager.stopUnit(infraUnitName(id)).catch((error: unknown) => {
      if (!PodwrightError.is(error, 'not-found')) throw error;
    });
  }
}
