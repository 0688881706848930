import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyedMutex, Logger, messageOf, type Orphan, PodwrightError } from '@podwright/core';
import { HostExecutor, type HostProgram, type UsesHostPrograms } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { CniClient } from '../cni/cni-client.js';
import {
  type CniNetwork,
  configFileNames,
  isJsonObject,
  type JsonObject,
  parseCniNetwork,
} from '../cni/cni-config.js';
import { type CniAttachment, hasCheck, unservedCapabilities } from '../cni/cni-invocation.js';
import { listDirectory } from '../list-directory.js';
import { NamespacePinner } from '../namespaces/namespace-pinner.js';
import { SandboxOptions } from '../sandbox-options.js';
import { sandboxPaths } from '../sandbox-paths.js';
import { AttachmentNotes } from './attachment-notes.js';
import { podBandwidth } from './bandwidth.js';
import { type DefaultNetworkNeeds, defaultNetwork, isDefaultNetwork, subnetsOf } from './default-network.js';
import { DefaultNetworkHost } from './default-network-host.js';
import { Ipv6Readiness } from './ipv6-readiness.js';
import { networkAttachments, type PodNetworkAttachment } from './network-attachments.js';
import type { PodNetwork, PodNetworkRequest, PodNetworkStatus } from './pod-network.js';
import { selectedNetworks } from './selected-networks.js';
import { parseSubnet } from './subnets.js';

/** Connects pods by CNI: to the host's first configured network, or to a default bridge when there is none, unless that is off. */
@injectable()
export class CniPodNetwork implements PodNetwork, UsesHostPrograms {
  /** Of two portmap plugins that make their common chains of iptables-nft at the same moment, one fails ("File exists"). */
  readonly #portChains = new KeyedMutex();

  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(SandboxOptions) private readonly options: SandboxOptions,
    @inject(CniClient) private readonly client: CniClient,
    @inject(Ipv6Readiness) private readonly ipv6: Ipv6Readiness,
    @inject(DefaultNetworkHost) private readonly defaultHost: DefaultNetworkHost,
    @inject(AttachmentNotes) private readonly notes: AttachmentNotes,
    @inject(NamespacePinner) private readonly pinner: NamespacePinner,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** The plugins of the network that a pod with a port would get now; a network that cannot be read needs none. */
  async hostPrograms(): Promise<readonly HostProgram[]> {
    const network = await this.#primary({ ports: true, bandwidth: false }).catch((error: unknown) => {
      this.logger.warn('which CNI plugins are needed is not known', { reason: messageOf(error) });
      return { plugins: [] };
    });
    return programs(network.plugins).map((name) => ({
      name,
      debianPackage: 'containernetworking-plugins',
      directories: this.options.cniBinDirs,
    }));
  }

  async status(signal?: AbortSignal): Promise<PodNetworkStatus> {
    try {
      const { cniVersion, name, plugins } = await this.#primary({ ports: true, bandwidth: false });
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
    const { id, metadata, portMappings, dns, annotations } = request;
    const bandwidth = podBandwidth(annotations);
    const selected = selectedNetworks(annotations);
    const primary = await this.#primary({
      ports: portMappings.length > 0,
      bandwidth: bandwidth !== undefined,
    });
    const ports = portMappings.map(({ protocol, containerPort, hostPort, hostIp }) => ({
      protocol: protocol.toLowerCase(),
      containerPort,
      hostPort,
      ...(hostIp === undefined ? {} : { hostIP: hostIp }),
    }));
    const attachment = (network: CniNetwork, ifName: string, needed: JsonObject): CniAttachment => {
      refuseUnserved(network, needed);
      return {
        network,
        containerId: id,
        ifName,
        args: {
          IgnoreUnknown: '1',
          K8S_POD_NAMESPACE: metadata.namespace,
          K8S_POD_NAME: metadata.name,
          K8S_POD_INFRA_CONTAINER_ID: id,
          K8S_POD_UID: metadata.uid,
        },
        capabilityArgs: needed,
      };
    };
    const first = attachment(primary, 'eth0', {
      ...(ports.length > 0 ? { portMappings: ports } : {}),
      ...(bandwidth ? { bandwidth } : {}),
    });
    const configured = selected.length === 0 ? [] : (await this.#configured()).networks;
    const others = selected.map(({ name, interface: ifName, ips, mac }) =>
      attachment(named(configured, name, this.options.cniConfDir), ifName, {
        ...(ips ? { ips } : {}),
        ...(mac === undefined ? {} : { mac }),
      }),
    );
    // Name servers are told to plugins that ask for them; the pod's resolv.conf has them in any case.
    const planned = [
      { ...first, capabilityArgs: { ...first.capabilityArgs, ...(dns ? { dns } : {}) } },
      ...others,
    ];
    // What is missing is told before anything is made, because without it nothing could be undone either.
    await this.client.require(planned.flatMap(({ network }) => programs(network.plugins)));
    if (isDefaultNetwork(primary, this.options)) await this.defaultHost.prepare(subnetsOf(primary));
    return planned;
  }

  async attach(attachment: CniAttachment, netns: string, signal?: AbortSignal): Promise<CniAttachment> {
    await this.notes.write(attachment);
    const add = () => this.client.add(attachment, netns, signal);
    const mapsPorts = attachment.capabilityArgs['portMappings'] !== undefined;
    const result = mapsPorts ? await this.#portChains.run('', add, signal) : await add();
    const connected = { ...attachment, result };
    await this.notes.write(connected);
    return connected;
  }

  async check(attachment: CniAttachment, netns: string, signal?: AbortSignal): Promise<void> {
    if (hasCheck(attachment.network)) await this.client.check(attachment, netns, signal);
  }

  async detach(attachment: CniAttachment, netns: string | undefined): Promise<void> {
    await this.client.del(attachment, netns);
    // Without the namespace bridge does not know the addresses, and leaves their masquerading.
    if (netns === undefined && isDefaultNetwork(attachment.network, this.options)) {
      await this.defaultHost.removeRules(attachment.containerId);
    }
    await this.notes.remove(attachment);
  }

  attachments(attachments: readonly CniAttachment[]): readonly PodNetworkAttachment[] {
    return networkAttachments(attachments);
  }

  release(): Promise<void> {
    return this.defaultHost.release();
  }

  async orphans(isKnown: (id: string) => boolean): Promise<readonly Orphan[]> {
    const noted = (await this.notes.list()).filter(({ containerId }) => !isKnown(containerId));
    const ids = new Set(noted.map(({ containerId }) => containerId));
    const attached = noted.toReversed().map((attachment): Orphan => {
      const { network, ifName, containerId } = attachment;
      return {
        what: `network ${network.name} (${ifName}) of sandbox ${containerId}`,
        remove: async () => {
          if (!isKnown(containerId)) await this.detach(attachment, await this.#netnsOf(containerId));
        },
      };
    });
    // What is noted goes as a whole with its network.
    return [...attached, ...(await this.defaultHost.orphans((id) => isKnown(id) || ids.has(id)))];
  }

  async #netnsOf(id: string): Promise<string | undefined> {
    const { network } = sandboxPaths(this.options, id).namespaces;
    return (await this.pinner.arePinned([network])) ? network : undefined;
  }

  /** The network of every pod: the host's first one, or the default one. */
  async #primary(needs: Omit<DefaultNetworkNeeds, 'ipv6'>): Promise<CniNetwork> {
    const { networks, errors } = await this.#configured();
    if (networks[0] !== undefined) return networks[0];
    // A host whose only configuration is broken was meant to have that network, not ours.
    if (errors.length > 0) throw errors[0];
    if (!this.options.defaultNetwork) {
      const { cniConfDir } = this.options;
      throw new PodwrightError(
        'failed-precondition',
        `Pods have no network yet: there is no configuration of one in ${cniConfDir}, and the default network is off. ` +
          'Install a network plugin, which writes one, or give the node a configuration of CNI.',
        { details: { cniConfDir } },
      );
    }
    return defaultNetwork(this.options, { ...needs, ipv6: await this.#withIpv6() });
  }

  async #withIpv6(): Promise<boolean> {
    const { defaultSubnet, defaultSubnet6 } = this.options;
    if (defaultSubnet6 === 'off' || parseSubnet(defaultSubnet).family === 'ipv6') return false;
    const refusal = await this.ipv6.refusal();
    if (refusal !== undefined) this.logger.debug('pods get no IPv6 addresses', { reason: refusal });
    return refusal === undefined;
  }

  /** All networks of the host's configuration, in the order in which they count, and what cannot be read. */
  async #configured(): Promise<{
    readonly networks: readonly CniNetwork[];
    readonly errors: readonly unknown[];
  }> {
    const folder = this.options.cniConfDir;
    const entries = await listDirectory(this.executor.hostPath(folder));
    const networks: CniNetwork[] = [];
    const errors: unknown[] = [];
    for (const name of configFileNames(entries)) {
      const path = join(folder, name);
      try {
        networks.push(parseCniNetwork(await readFile(this.executor.hostPath(path), 'utf8'), path));
      } catch (error) {
        this.logger.warn('a CNI configuration is passed over', { path, error: messageOf(error) });
        errors.push(error);
      }
    }
    return { networks, errors };
  }
}

function named(networks: readonly CniNetwork[], name: string, folder: string): CniNetwork {
  const found = networks.find((network) => network.name === name);
  if (found !== undefined) return found;
  throw new PodwrightError(
    'not-found',
    `The pod asks for network "${name}", which ${folder} does not have; there are: ` +
      `${networks.map((network) => network.name).join(', ') || 'none'}.`,
    { details: { network: name, folder } },
  );
}

const WHAT: Readonly<Record<string, string>> = {
  portMappings: 'map host ports',
  bandwidth: "limit a pod's bandwidth",
  ips: 'give a pod the addresses that it asks for',
  mac: 'give a pod the hardware address that it asks for',
};
const REMEDY: Readonly<Record<string, string>> = {
  portMappings: 'portmap',
  bandwidth: 'bandwidth',
  mac: 'tuning',
};

function refuseUnserved(network: CniNetwork, needed: JsonObject): void {
  const [capability] = unservedCapabilities(network, needed);
  if (capability === undefined) return;
  const plugin = REMEDY[capability];
  throw new PodwrightError(
    'unsupported',
    `The network "${network.name}" cannot ${WHAT[capability] ?? capability}: none of its plugins has the capability ` +
      `${capability}. Add ${plugin === undefined ? 'one that has it' : `the plugin ${plugin}`} to its configuration.`,
    { details: { network: network.name, capability, plugins: network.plugins.map(({ type }) => type) } },
  );
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
