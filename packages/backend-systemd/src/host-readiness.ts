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
import { SandboxManager } from '@podwright/sandbox';
import { SystemdManager, systemdVersionNumber } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import { HostLayout } from './host-layout.js';
import { HostTools } from './host-tools.js';

/** The oldest systemd that this backend was run with: Debian 12's. */
export const MINIMUM_SYSTEMD_VERSION = '252';

/** Whether the host has what the backend needs, and in which versions. */
@injectable()
export class HostReadiness {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(HostTools) private readonly tools: HostTools,
    @inject(SystemdManager) private readonly manager: SystemdManager,
    @inject(SandboxManager) private readonly sandboxes: SandboxManager,
  ) {}

  /** @throws PodwrightError kind `permission-denied` (not root), `missing-requirement` */
  async check(): Promise<void> {
    if (process.geteuid?.() !== 0) {
      throw new PodwrightError(
        'permission-denied',
        'The systemd backend needs root: it makes namespaces, mounts and system units. Run the agent as root, or ' +
          'choose the backend "memory".',
      );
    }
    await this.componentVersions();
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

  /**
   * One private tmpfs below which units mount root file systems: a mount there in a unit's own mount namespace is seen
   * by nobody else, while volumes keep their propagation.
   */
  async mountRootfsDir(): Promise<void> {
    const path = this.layout.rootfsDir;
    const mounted = await this.host.run({ command: 'mountpoint', args: ['-q', path], okExitCodes: 'any' });
    if (mounted.exitCode !== 0) {
      await this.host.run({
        command: 'mount',
        args: ['-t', 'tmpfs', '-o', 'mode=0700,size=16m,nosuid,nodev', 'podwright-rootfs', path],
      });
    }
    await this.host.run({ command: 'mount', args: ['--make-private', path] });
  }

  async version(_options?: CallOptions): Promise<RuntimeVersion> {
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
