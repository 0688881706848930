import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PodwrightError } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable, type ServiceIdentifier } from 'inversify';
import { SandboxOptions } from '../sandbox-options.js';
import { type CniNetwork, type CniPluginConfig, isJsonObject, type JsonObject } from './cni-config.js';
import { type CniCommand, cniError, isChainGone, missingPlugin } from './cni-error.js';
import { type CniAttachment, pluginEnv, pluginInput, takesPrevResultAtDel } from './cni-invocation.js';

/** Runs the plugins of a network as the CNI specification 1.0.0, section 3, has it. */
export interface CniClient {
  /**
   * Runs the chain with ADD.
   * @returns the last plugin's result
   * @throws PodwrightError kind `missing-requirement` (a plugin or its program), `command-failed`, … in the plugin's
   *   words. What the plugins before did stays: the caller has to call `del`.
   */
  add(attachment: CniAttachment, netns: string, signal?: AbortSignal): Promise<JsonObject>;
  /** Runs the chain with CHECK. @throws as `add` when something is not as ADD left it */
  check(attachment: CniAttachment, netns: string, signal?: AbortSignal): Promise<void>;
  /**
   * Runs the chain backwards with DEL. A plugin that fails does not stop the others.
   * @param netns undefined when the namespace is gone, as after a reboot
   * @throws PodwrightError the failure, or AggregateError as its cause when there are several
   */
  del(attachment: CniAttachment, netns: string | undefined): Promise<void>;
  /** Looks whether plugins' programs are there. @throws PodwrightError kind `missing-requirement` that names the first that is not */
  require(plugins: readonly string[]): Promise<void>;
  /** Versions of the specification that a plugin speaks. @throws PodwrightError kind `missing-requirement` */
  versions(plugin: string, signal?: AbortSignal): Promise<readonly string[]>;
}

export const CniClient: ServiceIdentifier<CniClient> = Symbol.for('podwright.sandbox.CniClient');

/** A plugin that hangs must not hold a pod for ever; containerd and CRI-O leave it to the kubelet's two minutes. */
const PLUGIN_TIMEOUT_MS = 60_000;

@injectable()
export class ExecCniClient implements CniClient {
  /** What plugins said of themselves, by their file and its version: a kubelet asks every few seconds. */
  readonly #versions = new Map<string, readonly string[]>();

  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(SandboxOptions) private readonly options: SandboxOptions,
  ) {}

  async add(attachment: CniAttachment, netns: string, signal?: AbortSignal): Promise<JsonObject> {
    let result: JsonObject | undefined;
    for (const plugin of attachment.network.plugins) {
      const output = await this.#call('ADD', attachment, plugin, netns, result, signal);
      result = readResult(plugin, attachment.network, output);
    }
    return result ?? {};
  }

  async check(attachment: CniAttachment, netns: string, signal?: AbortSignal): Promise<void> {
    for (const plugin of attachment.network.plugins) {
      await this.#call('CHECK', attachment, plugin, netns, attachment.result, signal);
    }
  }

  async del(attachment: CniAttachment, netns: string | undefined): Promise<void> {
    const { network } = attachment;
    const prevResult = takesPrevResultAtDel(network.cniVersion) ? attachment.result : undefined;
    const errors: unknown[] = [];
    for (const plugin of network.plugins.toReversed()) {
      const call = () => this.#call('DEL', attachment, plugin, netns, prevResult);
      await call()
        .catch((error) => {
          if (!isChainGone(error)) throw error;
          return call();
        })
        .catch((error) => errors.push(error));
    }
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) {
      throw new PodwrightError(
        'command-failed',
        `${errors.length} CNI plugins failed to take network "${network.name}" down: ${errors.map(String).join(' ')}`,
        { cause: new AggregateError(errors) },
      );
    }
  }

  async require(plugins: readonly string[]): Promise<void> {
    for (const plugin of plugins) await this.#find(plugin);
  }

  async versions(plugin: string, signal?: AbortSignal): Promise<readonly string[]> {
    const path = await this.#find(plugin);
    const { ino, size, mtimeMs } = await stat(this.executor.hostPath(path));
    const key = [path, ino, size, mtimeMs].join();
    const known = this.#versions.get(key);
    if (known !== undefined) return known;
    const output = await this.#exec(plugin, {
      command: 'VERSION',
      input: { cniVersion: '1.0.0' },
      env: { CNI_COMMAND: 'VERSION' },
      signal,
    });
    const value = parseJson(output);
    const versions = isJsonObject(value) ? value['supportedVersions'] : undefined;
    const said = Array.isArray(versions) ? versions.filter((entry) => typeof entry === 'string') : [];
    if (said.length > 0) this.#versions.set(key, said);
    return said;
  }

  #call(
    command: CniCommand,
    attachment: CniAttachment,
    plugin: CniPluginConfig,
    netns: string | undefined,
    prevResult: JsonObject | undefined,
    signal?: AbortSignal,
  ): Promise<string> {
    return this.#exec(plugin.type, {
      command,
      network: attachment.network.name,
      input: pluginInput(attachment, plugin, prevResult),
      env: pluginEnv(command, attachment, netns, this.options.cniBinDirs),
      signal,
    });
  }

  async #exec(
    plugin: string,
    request: {
      readonly command: CniCommand;
      readonly network?: string;
      readonly input: JsonObject;
      readonly env: Readonly<Record<string, string>>;
      readonly signal: AbortSignal | undefined;
    },
  ): Promise<string> {
    const { command, network, input, env, signal } = request;
    const { exitCode, stdout, stderr } = await this.executor.run({
      command: await this.#find(plugin),
      args: [],
      input: JSON.stringify(input),
      env,
      timeoutMs: PLUGIN_TIMEOUT_MS,
      okExitCodes: 'any',
      ...(signal ? { signal } : {}),
    });
    if (exitCode === 0) return stdout.toString();
    throw cniError(
      {
        plugin,
        command,
        ...(network === undefined ? {} : { network }),
        exitCode,
        stdout: stdout.toString(),
        stderr: stderr.toString(),
      },
      this.options.cniBinDirs,
    );
  }

  async #find(plugin: string): Promise<string> {
    for (const folder of this.options.cniBinDirs) {
      const path = join(folder, plugin);
      const there = await access(this.executor.hostPath(path), constants.X_OK).then(
        () => true,
        () => false,
      );
      if (there) return path;
    }
    throw new PodwrightError('missing-requirement', missingPlugin(plugin, this.options.cniBinDirs), {
      details: { plugin, searched: this.options.cniBinDirs },
    });
  }
}

function readResult(plugin: CniPluginConfig, network: CniNetwork, output: string): JsonObject {
  const value = parseJson(output);
  if (isJsonObject(value)) return value;
  throw new PodwrightError(
    'command-failed',
    `The CNI plugin "${plugin.type}" of network "${network.name}" ended well, but gave no JSON result.`,
    { details: { plugin: plugin.type, output } },
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
