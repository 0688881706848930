import { compareVersions, PodwrightError } from '@podwright/core';
import type { CniNetwork, CniPluginConfig, JsonObject } from './cni-config.js';
import type { CniCommand } from './cni-error.js';

/** A sandbox's connection to one network: all that DEL needs, whatever became of the configuration on disk. */
export interface CniAttachment {
  /** The whole configuration as it was when the network was added. */
  readonly network: CniNetwork;
  /** The sandbox's id, CNI_CONTAINERID. */
  readonly containerId: string;
  /** Interface in the pod, e.g. `eth0`. */
  readonly ifName: string;
  /** CNI_ARGS. */
  readonly args: Readonly<Record<string, string>>;
  /** Runtime arguments by capability, e.g. `portMappings`. */
  readonly capabilityArgs: JsonObject;
  /** The last plugin's result, as it came; absent until ADD has ended well. */
  readonly result?: JsonObject;
}

/** What a plugin reads from its standard input (CNI specification 1.0.0, section 4). */
export function pluginInput(
  attachment: Pick<CniAttachment, 'network' | 'capabilityArgs'>,
  plugin: CniPluginConfig,
  prevResult: JsonObject | undefined,
): JsonObject {
  const { network, capabilityArgs } = attachment;
  const wanted = Object.entries(capabilityArgs).filter(([name]) => plugin.capabilities?.[name] === true);
  return {
    ...plugin,
    name: network.name,
    cniVersion: network.cniVersion,
    ...(wanted.length > 0 ? { runtimeConfig: Object.fromEntries(wanted) } : {}),
    ...(prevResult === undefined ? {} : { prevResult }),
  };
}

/**
 * A plugin's environment (CNI specification 1.0.0, section 2).
 * @param netns path of the pod's network namespace; absent for DEL when it is gone
 */
export function pluginEnv(
  command: CniCommand,
  attachment: Pick<CniAttachment, 'containerId' | 'ifName' | 'args'>,
  netns: string | undefined,
  binDirs: readonly string[],
): Record<string, string> {
  return {
    CNI_COMMAND: command,
    CNI_CONTAINERID: attachment.containerId,
    CNI_NETNS: netns ?? '',
    CNI_IFNAME: attachment.ifName,
    CNI_ARGS: cniArgs(attachment.args),
    CNI_PATH: binDirs.join(':'),
  };
}

/** DEL is given the result of ADD since 0.4.0; before, plugins do not know the field. */
export function takesPrevResultAtDel(cniVersion: string): boolean {
  return compareVersions(cniVersion, '0.4.0') >= 0;
}

/** CHECK came with 0.4.0. */
export function hasCheck(network: CniNetwork): boolean {
  return !network.disableCheck && compareVersions(network.cniVersion, '0.4.0') >= 0;
}

/** Runtime arguments that no plugin of the network takes: what they ask for would not be done. */
export function unservedCapabilities(network: CniNetwork, capabilityArgs: JsonObject): readonly string[] {
  return Object.keys(capabilityArgs).filter(
    (name) => !network.plugins.some((plugin) => plugin.capabilities?.[name] === true),
  );
}

function cniArgs(args: Readonly<Record<string, string>>): string {
  for (const [name, value] of Object.entries(args)) {
    if (/[;=]/.test(name) || value.includes(';')) {
      throw new PodwrightError(
        'invalid-argument',
        `"${name}=${value}" cannot be passed to CNI plugins: ; separates their arguments.`,
        { details: { name, value } },
      );
    }
  }
  return Object.entries(args)
    .map(([name, value]) => `${name}=${value}`)
    .join(';');
}
