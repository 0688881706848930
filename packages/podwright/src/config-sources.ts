import { readFile } from 'node:fs/promises';
import { messageOf, PodwrightError } from '@podwright/core';
import { parse } from 'yaml';
import { type ResolvedRuntimeConfig, type RuntimeConfig, resolveRuntimeConfig } from './runtime-config.js';

/** Where the configuration is looked for when nobody names a file; it need not be there. */
export const DEFAULT_CONFIG_FILE = '/etc/podwright/config.yaml';

export interface ConfigSources {
  /** What wins over all else, such as flags of a command line. */
  readonly overrides?: RuntimeConfig;
  /** Variables that begin with `PODWRIGHT_`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Has to be there when it is named; default: `PODWRIGHT_CONFIG`, else /etc/podwright/config.yaml if that is there. */
  readonly configFile?: string;
}

/** A part of a configuration, with where it came from for messages. */
interface ConfigPart {
  readonly source: string;
  readonly config: RuntimeConfig;
}

/**
 * Puts a configuration together: overrides win over the environment, that over the file, that over the defaults. A key
 * is taken whole, but for `backendOptions`, whose keys are merged; options of another backend than the chosen one are
 * left out.
 * @throws PodwrightError kind `not-found` (a named file), `invalid-argument` that names the source and each wrong key
 */
export async function loadRuntimeConfig({
  overrides = {},
  env = {},
  configFile,
}: ConfigSources = {}): Promise<ResolvedRuntimeConfig> {
  const file = await readConfigFile(configFile ?? env['PODWRIGHT_CONFIG']);
  return mergeConfigs([
    ...(file === undefined ? [] : [file]),
    { source: 'the environment', config: configOfEnvironment(env) },
    { source: 'the flags', config: overrides },
  ]);
}

/** The last part wins. */
function mergeConfigs(parts: readonly ConfigPart[]): ResolvedRuntimeConfig {
  let merged: RuntimeConfig = {};
  for (const { source, config } of parts) {
    // Each by itself, so that the message names the source of what is wrong.
    resolveRuntimeConfig(config, source);
    const isOtherBackend = config.backend !== undefined && config.backend !== (merged.backend ?? 'systemd');
    const options = { ...(isOtherBackend ? {} : merged.backendOptions), ...config.backendOptions };
    merged = { ...merged, ...config, backendOptions: options };
  }
  return resolveRuntimeConfig(merged);
}

async function readConfigFile(named: string | undefined): Promise<ConfigPart | undefined> {
  const path = named ?? DEFAULT_CONFIG_FILE;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    if (named === undefined && isMissing) return undefined;
    throw new PodwrightError(
      isMissing ? 'not-found' : 'permission-denied',
      `The configuration file ${path} cannot be read: ${messageOf(cause)}.`,
      { cause, details: { path } },
    );
  }
  return { source: `the configuration file ${path}`, config: parseConfigFile(path, text) };
}

function parseConfigFile(path: string, text: string): RuntimeConfig {
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    throw new PodwrightError('invalid-argument', `The file ${path} is no YAML: ${messageOf(cause)}`, {
      cause,
      details: { path },
    });
  }
  // An empty file sets nothing.
  const config: unknown = value ?? {};
  resolveRuntimeConfig(config, `the configuration file ${path}`);
  return config as RuntimeConfig;
}

/** The keys that PODWRIGHT_ variables set; an empty variable sets nothing. */
export function configOfEnvironment(env: Readonly<Record<string, string | undefined>>): RuntimeConfig {
  const backend = env['PODWRIGHT_BACKEND'];
  const stateDir = env['PODWRIGHT_STATE_DIR'];
  const runDir = env['PODWRIGHT_RUN_DIR'];
  const configDir = env['PODWRIGHT_CONFIG_DIR'];
  const debug = env['PODWRIGHT_DEBUG'];
  const options = env['PODWRIGHT_BACKEND_OPTIONS'];
  return {
    ...(backend ? { backend } : {}),
    ...(stateDir ? { stateDir } : {}),
    ...(runDir ? { runDir } : {}),
    ...(configDir ? { configDir } : {}),
    ...(debug ? { debug: parseBoolean('PODWRIGHT_DEBUG', debug) } : {}),
    ...(options ? { backendOptions: parseObject('PODWRIGHT_BACKEND_OPTIONS', options) } : {}),
  };
}

function parseBoolean(name: string, text: string): boolean {
  if (text === '1' || text === 'true') return true;
  if (text === '0' || text === 'false') return false;
  throw new PodwrightError(
    'invalid-argument',
    `The variable ${name} is "${text}": it has to be 1 or 0, true or false.`,
  );
}

function parseObject(name: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PodwrightError('invalid-argument', `The variable ${name} is no JSON: ${messageOf(cause)}.`, {
      cause,
    });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new PodwrightError('invalid-argument', `The variable ${name} has to be a JSON object, such as {}.`);
}
