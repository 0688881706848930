import { Logger, PodwrightError, RuntimeService } from '@podwright/core';
import { cri, type RpcContext } from '@podwright/cri-api';
import { inject, injectable } from 'inversify';
import { CriServerOptions } from '../cri-server-options.js';

/** The version of this API that a kubelet asks for and compares, and the runtime's name for it. */
const KUBELET_API_VERSION = '0.1.0';
const CRI_VERSION = 'v1';

/** The calls about the runtime as a whole. */
@injectable()
export class RuntimeCalls {
  constructor(
    @inject(RuntimeService) private readonly runtime: RuntimeService,
    @inject(CriServerOptions) private readonly options: CriServerOptions,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  async version(_request: cri.VersionRequest) {
    return {
      version: KUBELET_API_VERSION,
      runtimeName: 'podwright',
      runtimeVersion: this.options.version,
      runtimeApiVersion: CRI_VERSION,
    };
  }

  async status({ verbose }: cri.StatusRequest, { signal }: RpcContext) {
    const { conditions } = await this.runtime.status({ signal });
    const { recursiveReadOnly, userNamespaces, runtimeHandlers } = this.runtime.features;
    // The empty name is the default's.
    const handlers = ['', ...runtimeHandlers].map((name) => ({
      name,
      features: { recursiveReadOnlyMounts: recursiveReadOnly, userNamespaces },
    }));
    return {
      status: { conditions: conditions.map((condition) => ({ ...condition })) },
      runtimeHandlers: handlers,
      features: { supplementalGroupsPolicy: true, userNamespacesHostNetwork: false, mountOptions: false },
      ...(verbose ? { info: await this.info(signal) } : {}),
    };
  }

  /** A kubelet whose runtime cannot tell goes by its own configuration. */
  async runtimeConfig(_request: cri.RuntimeConfigRequest) {
    const driver = this.options.cgroupDriver ?? (this.runtime.type === 'systemd' ? 'systemd' : undefined);
    if (driver === undefined) {
      throw new PodwrightError(
        'unsupported',
        `The backend ${this.runtime.type} does not tell its cgroup driver: set cgroupDriver in the kubelet's configuration.`,
      );
    }
    const { CgroupDriver } = cri;
    return { linux: { cgroupDriver: driver === 'systemd' ? CgroupDriver.SYSTEMD : CgroupDriver.CGROUPFS } };
  }

  /** The addresses of pods are those of the host's CNI configuration, as with CRI-O: this is only told. */
  async updateRuntimeConfig({ runtimeConfig }: cri.UpdateRuntimeConfigRequest) {
    const podCidr = runtimeConfig?.networkConfig?.podCidr;
    if (podCidr) this.logger.info(`The node's pod CIDR is ${podCidr}; the host's CNI configuration decides`);
    return {};
  }

  private async info(signal: AbortSignal): Promise<Record<string, string>> {
    const { runtimeName, runtimeVersion, components } = await this.runtime.version({ signal });
    return {
      backend: JSON.stringify({ type: this.runtime.type, runtimeName, runtimeVersion, components }),
      features: JSON.stringify(this.runtime.features),
    };
  }
}
