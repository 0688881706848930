import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Logger, messageOf, PodwrightError } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { CniClient } from '../cni/cni-client.js';
import { type CniNetwork, configFileNames, isJsonObject, parseCniNetwork } from '../cni/cni-config.js';
import { type CniAttachment, hasCheck, unservedCapabilities } from '../cni/cni-invocation.js';
import { parseCniResult, podAddresses } from '../cni/cni-result.js';
import { listDirectory } from '../list-directory.js';
import { SandboxOptions } from '../sandbox-options.js';
import { defaultNetwork, isDefaultNetwork } from './default-network.js';
import { DefaultNetworkHost } from './default-network-host.js';
import type { PodNetwork, PodNetworkRequest, PodNetworkStatus } from './pod-network.js';

/** Connects pods by CNI: to the host's first configured network, or to a default bridge when there is none. */
@injectable()
export class CniPodNetwork implements PodNetwork {
  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(SandboxOptions) private readonly options: SandboxOptions,
    @inject(CniClient) private readonly client: CniClient,
    @inject(DefaultNetworkHost) private readonly defaultHost: DefaultNetworkHost,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  async status(signal?: AbortSignal): Promise<PodNetworkStatus> {
    try {
      const { cniVersion, name, plugins } = await this.#network(true);
      for (const plugin of programs(plugins)) {
        const versions = await this.client.versions(plugin, signal);
        if (versions.includes(cniVersion)) continue;
        throw new PodwrightError(
          'missing-requirement',
          `The CNI plugin "${plugin}" of network "${name}" speaks ${versions.join(', ') || 'no version'}, the network's ` +
            `configuration has ${cniVersion}. Install a release that does.`,
          { details: { plugin, versions, wanted: cniVersion } },
        );
      }
      return { ready: true, reason: '', message: '' };
    } catch (error) {
      if (PodwrightError.is(error, 'cancelled')) throw error;
      return { ready: false, reason: 'NetworkPluginNotReady', message: messageOf(error) };
    }
  }

  async plan(request: PodNetworkRequest): Promise<readonly CniAttachment[]> {
    const { id, metadata, portMappings, dns } = request;
    const network = await this.#network(portMappings.length > 0);
    // What is missing is told before anything is made, because without it nothing could be undone either.
    await this.client.require(programs(network.plugins));
    if (isDefaultNetwork(network, this.options)) await this.defaultHost.prepare();
    const ports = portMappings.map(({ protocol, containerPort, hostPort, hostIp }) => ({
      protocol: protocol.toLowerCase(),
      containerPort,
      hostPort,
      ...(hostIp === undefined ? {} : { hostIP: hostIp }),
    }));
    const needed = ports.length > 0 ? { portMappings: ports } : {};
    if (unservedCapabilities(network, needed).length > 0) {
      throw new PodwrightError(
        'unsupported',
        `The network "${network.name}" cannot map host ports: none of its plugins has the capability portMappings. ` +
          'Add the plugin portmap to its configuration.',
        { details: { network: network.name, plugins: network.plugins.map(({ type }) => type) } },
      );
    }
    return [
      {
        network,
        containerId: id,
        ifName: 'eth0',
        args: {
          IgnoreUnknown: '1',
          K8S_POD_NAMESPACE: metadata.namespace,
          K8S_POD_NAME: metadata.name,
          K8S_POD_INFRA_CONTAINER_ID: id,
          K8S_POD_UID: metadata.uid,
        },
        // Name servers are told to plugins that ask for them; the pod's resolv.conf has them in any case.
        capabilityArgs: { ...needed, ...(dns ? { dns } : {}) },
      },
    ];
  }

  async attach(attachment: CniAttachment, netns: string, signal?: AbortSignal): Promise<CniAttachment> {
    return { ...attachment, result: await this.client.add(attachment, netns, signal) };
  }

  async check(attachment: CniAttachment, netns: string, signal?: AbortSignal): Promise<void> {
    if (hasCheck(attachment.network)) await this.client.check(attachment, netns, signal);
  }

  async detach(attachment: CniAttachment, netns: string | undefined): Promise<void> {
    await this.client.del(attachment, netns);
    // Without the namespace bridge does not know the addresses, and leaves their masquerading.
    if (netns === undefined && isDefaultNetwork(attachment.network, this.options)) {
      await this.defaultHost.removeRules((id) => id !== attachment.containerId);
    }
  }

  addresses(attachments: readonly CniAttachment[]): readonly string[] {
    return attachments.flatMap(({ result }) =>
      result === undefined ? [] : podAddresses(parseCniResult(result)),
    );
  }

  release(): Promise<void> {
    return this.defaultHost.release();
  }

  removeOrphans(isKnown: (id: string) => boolean): Promise<readonly string[]> {
    return this.defaultHost.removeOrphans(isKnown);
  }

  async #network(withPorts: boolean): Promise<CniNetwork> {
    const folder = this.options.cniConfDir;
    const entries = await listDirectory(this.executor.hostPath(folder));
    const errors: unknown[] = [];
    for (const name of configFileNames(entries)) {
      const path = join(folder, name);
      try {
        return parseCniNetwork(await readFile(this.executor.hostPath(path), 'utf8'), path);
      } catch (error) {
        this.logger.warn('a CNI configuration is passed over', { path, error: messageOf(error) });
        errors.push(error);
      }
    }
    // A host whose only configuration is broken was meant to have that network, not ours.
    if (errors.length > 0) throw errors[0];
    return defaultNetwork(this.options, withPorts);
  }
}

/** The plugins' programs, and those of the plugins to which they leave addresses. */
function programs(plugins: CniNetwork['plugins']): readonly string[] {
  const types = plugins.flatMap((plugin) => {
    const ipam = plugin['ipam'];
    const type = isJsonObject(ipam) ? ipam['type'] : undefined;
    return typeof type === 'string' && type !== '' ? [plugin.type, type] : [plugin.type];
  });
  return [...new Set(types)];
}
