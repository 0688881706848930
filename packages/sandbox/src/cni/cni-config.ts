import { PodwrightError } from '@podwright/core';

/** A JSON object as it was read; CNI plugins define their own fields. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** One plugin of a network, as its configuration has it. */
export interface CniPluginConfig {
  /** Name of the plugin's program. */
  readonly type: string;
  /** Runtime arguments that the plugin wants, e.g. `{portMappings: true}`. */
  readonly capabilities?: Readonly<Record<string, boolean>>;
  readonly [field: string]: unknown;
}

/** A network: a chain of plugins under one name (CNI specification 1.0.0, section 1). */
export interface CniNetwork {
  readonly cniVersion: string;
  readonly name: string;
  /** CHECK must not be called. */
  readonly disableCheck: boolean;
  readonly plugins: readonly CniPluginConfig[];
}

/** Names that may become parts of paths and environment variables (CNI specification, section 2). */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** Whether a text may be a network's name or a container id by the CNI specification. */
export function isCniName(text: string): boolean {
  return NAME.test(text);
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Names of configuration files, in the order in which they count: lexical, as libcni and CRI runtimes have it. */
export function configFileNames(entries: readonly string[]): readonly string[] {
  return entries
    .filter((name) => /\.(conflist|conf|json)$/.test(name))
    .sort((left, right) => (left < right ? -1 : 1));
}

/**
 * Reads a network configuration list, or a single plugin's configuration as a list of one.
 * @param source where the text comes from, for the error
 * @throws PodwrightError kind `invalid-argument` that names the field
 */
export function parseCniNetwork(text: string, source: string): CniNetwork {
  const refuse = (why: string, cause?: unknown) =>
    new PodwrightError('invalid-argument', `${source} is no CNI configuration: ${why}.`, {
      cause,
      details: { path: source },
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refuse('it is not JSON', error);
  }
  if (!isJsonObject(value)) throw refuse('it has to be a JSON object');
  const name = value['name'];
  if (typeof name !== 'string' || !isCniName(name)) {
    throw refuse('"name" has to begin with a letter or digit and have only letters, digits and _ . -');
  }
  // A configuration without a version is of the first one; libcni reads it so.
  const cniVersion = value['cniVersion'] ?? '0.1.0';
  if (typeof cniVersion !== 'string' || !/^\d+\.\d+\.\d+$/.test(cniVersion)) {
    throw refuse('"cniVersion" has to be three numbers with dots');
  }
  const list = 'plugins' in value ? value['plugins'] : [value];
  if (!Array.isArray(list) || list.length === 0) throw refuse('"plugins" has to be a list of at least one');
  const plugins = list.map((plugin: unknown, index): CniPluginConfig => {
    if (!isJsonObject(plugin)) throw refuse(`"plugins[${index}]" has to be an object`);
    const type = plugin['type'];
    if (typeof type !== 'string' || !/^[^/\s]+$/.test(type)) {
      throw refuse(`"plugins[${index}].type" has to be the name of a plugin's program`);
    }
    const capabilities = plugin['capabilities'];
    if (capabilities === undefined) return { ...plugin, type } as CniPluginConfig;
    if (!isFlags(capabilities)) throw refuse(`"plugins[${index}].capabilities" has to map names to booleans`);
    return { ...plugin, type, capabilities };
  });
  return { cniVersion, name, disableCheck: value['disableCheck'] === true, plugins };
}

function isFlags(value: unknown): value is Record<string, boolean> {
  return isJsonObject(value) && Object.values(value).every((flag) => typeof flag === 'boolean');
}
