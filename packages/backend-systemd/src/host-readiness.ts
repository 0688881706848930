import {
  type CallOptions,
  compareVersions,
  messageOf,
  PodwrightError,
  type RuntimeCondition,
  type RuntimeStatus,
  type RuntimeVersion,
} from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import type { RuntimeFlavour } from '@podwright/oci';
import { SandboxManager } from '@podwright/sandbox';
import { SystemdManager, systemdVersionNumber } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import { checkAgentContainer } from './agent-container.js';
import { SystemdBackendOptions } from './backend-options.js';
import { CgroupTree } from './cgroup-tree.js';
import type { CgroupVersion } from './container-resources.js';
import { HostRequirements } from './host-requirements.js';
import { HostTools } from './host-tools.js';

/** The oldest systemd that this backend was run with: Debian 12's. */
export const MINIMUM_SYSTEMD_VERSION = '252';

/**
 * Why an OCI runtime cannot run containers with this version of cgroups; undefined when it can.
 *
 * On the unified hierarchy runc turns on controllers in the unit's cgroup, where conmon is, and that makes both it and the
 * container's cgroup threaded: seen with runc 1.1.5 and systemd 252, which then can neither kill the unit's processes nor
 * run its ExecStopPost=. To move conmon into a cgroup of its own would take it out of the unit's processes that systemd asks.
 */
export function ociRuntimeRefusal(flavour: RuntimeFlavour, cgroups: CgroupVersion): string | undefined {
  if (flavour !== 'runc' || cgroups === 1) return undefined;
  return (
    'runc cannot run containers in units of systemd on a host with the unified cgroup hierarchy (v2), as it makes their ' +
    'cgroups threaded, which systemd cannot stop. Use crun: install it, and leave out ociRuntime, or set it to "crun".'
  );
}

/** Whether the host has what the backend needs, and in which versions. */
@injectable()
export class HostReadiness {
  constructor(
    @inject(HostTools) private readonly tools: HostTools,
    @inject(CgroupTree) private readonly cgroups: CgroupTree,
    @inject(HostRequirements) private readonly requirements: HostRequirements,
    @inject(SystemdManager) private readonly manager: SystemdManager,
    @inject(SandboxManager) private readonly sandboxes: SandboxManager,
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(SystemdBackendOptions) private readonly options: SystemdBackendOptions,
  ) {}

  /** @throws PodwrightError kind `permission-denied` (not root), `missing-requirement`, `unsupported` (runc on cgroup v2) */
  async check(): Promise<void> {
    if (process.geteuid?.() !== 0) {
      throw new PodwrightError(
        'permission-denied',
        'The systemd backend needs root: it makes namespaces, mounts and system units. Run the agent as root, or ' +
          'choose the backend "memory".',
      );
    }
    if (this.options.inContainer !== undefined) await checkAgentContainer(this.executor);
    // One after the other, so that nothing runs on behind an error.
    const { runtime } = await this.tools.find();
    const refusal = ociRuntimeRefusal(runtime.flavour, await this.cgroups.version());
    if (refusal !== undefined) {
      throw new PodwrightError('unsupported', refusal, { details: { ociRuntime: runtime.flavour } });
    }
    await this.requirements.check();
  }

  /** After the connection to systemd is there. @throws PodwrightError kind `missing-requirement` */
  async checkSystemd(): Promise<void> {
    const version = await this.manager.version();
    const number = systemdVersionNumber(version);
    if (number === undefined || compareVersions(String(number), MINIMUM_SYSTEMD_VERSION) < 0) {
      throw new PodwrightError(
        'missing-requirement',
        `This host has systemd ${version}, and ${MINIMUM_SYSTEMD_VERSION} or newer is needed.`,
        { details: { version, minimum: MINIMUM_SYSTEMD_VERSION } },
      );
    }
  }

  async version(): Promise<RuntimeVersion> {
    const systemd = await this.manager.version();
    return {
      runtimeName: 'systemd',
      runtimeVersion: `${systemdVersionNumber(systemd) ?? 0}.0.0`,
      components: { systemd, ...(await this.componentVersions()) },
    };
  }

  async status(options: CallOptions = {}): Promise<RuntimeStatus> {
    const network = await this.sandboxes.networkStatus(options.signal);
    return {
      conditions: [
        await this.runtimeCondition(),
        {
          type: 'NetworkReady',
          status: network.ready,
          reason: network.ready ? '' : 'NetworkPluginNotReady',
          message: network.message,
        },
      ],
    };
  }

  private async runtimeCondition(): Promise<RuntimeCondition> {
    try {
      await this.manager.systemState();
      await this.tools.find();
      return { type: 'RuntimeReady', status: true, reason: '', message: '' };
    } catch (error) {
      return { type: 'RuntimeReady', status: false, reason: 'RuntimeNotReady', message: messageOf(error) };
    }
  }

  private async componentVersions(): Promise<Record<string, string>> {
    const { runtime, runtimeVersion, conmon } = await this.tools.find();
    return { [runtime.flavour]: runtimeVersion, conmon: conmon.version };
  }
}
