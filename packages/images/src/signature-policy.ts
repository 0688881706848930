import { readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { messageOf, PodwrightError, systemErrorCode, systemErrorKind } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { ImagesOptions } from './images-options.js';

/** Where skopeo looks for a policy that is not named to it, containers-policy.json(5). */
const HOST_POLICIES = [join(homedir(), '.config/containers/policy.json'), '/etc/containers/policy.json'];

/** What a file of images is to a policy: the transport by which skopeo would read it. */
export type FileTransport = 'oci' | 'oci-archive';

/**
 * What the host asks of images before it takes them. Skopeo keeps to it; here only is asked whether it asks for anything,
 * and what it asks of a file that skopeo gets to see under another name.
 */
@injectable()
export class SignaturePolicy {
  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(ImagesOptions) private readonly options: ImagesOptions,
  ) {}

  /** Whether images of registries are taken as they are. False as well where that cannot be told. */
  async takesAnything(): Promise<boolean> {
    if (this.options.insecurePolicy) return true;
    const text = await this.#read().catch(() => undefined);
    return text !== undefined && takesAnything(text);
  }

  /**
   * A policy for images that are copied out of a layout of our own making, and that came from a file of the host's.
   * @param path of that file or directory on the host
   * @param directory on the host, in which the policy is put
   * @returns path of the policy; undefined: the one that is configured will do, or skopeo says what is wrong with it
   * @throws PodwrightError kind `permission-denied`, `failed-precondition`: the host's policy cannot be read
   */
  async forLayoutsOf(transport: FileTransport, path: string, directory: string): Promise<string | undefined> {
    if (this.options.insecurePolicy) return undefined;
    const text = await this.#read().catch((cause: unknown) => {
      throw new PodwrightError(
        systemErrorKind(cause) ?? 'failed-precondition',
        `What policy.json asks of ${path} cannot be read: ${messageOf(cause)}.`,
        { cause },
      );
    });
    // As skopeo names it: without links.
    const { stdout } = await this.executor.run({
      command: 'realpath',
      args: ['--canonicalize-existing', '--zero', '--', path],
    });
    const real = stdout.toString('utf8').replace(/\0$/, '');
    const policy = text === undefined ? undefined : policyForLayouts(text, transport, real);
    if (policy === undefined) return undefined;
    const target = join(directory, 'policy.json');
    await writeFile(this.executor.hostPath(target), policy);
    return target;
  }

  /** Undefined where there is none. */
  async #read(): Promise<string | undefined> {
    const { policyPath } = this.options;
    for (const path of policyPath === undefined ? HOST_POLICIES : [policyPath]) {
      try {
        return await readFile(this.executor.hostPath(path), 'utf8');
      } catch (error) {
        if (systemErrorCode(error) !== 'ENOENT') throw error;
      }
    }
    return undefined;
  }
}

/**
 * The policy that asks of every layout what the given one asks of a file: by its path, else by the nearest directory that
 * has a scope, else by its transport, else by default (containers-policy.json(5)). Of all else it asks the same.
 * @returns undefined for what is no policy
 */
export function policyForLayouts(text: string, transport: FileTransport, path: string): string | undefined {
  const policy = parseObject(text);
  if (policy === undefined) return undefined;
  const transports = asObject(policy['transports']) ?? {};
  const scopes = asObject(transports[transport]) ?? {};
  const scope = [...withParents(path), ''].find((each) => Object.hasOwn(scopes, each));
  const asked = scope === undefined ? policy['default'] : scopes[scope];
  return JSON.stringify({ ...policy, transports: { ...transports, oci: { '': asked } } });
}

/** The path itself first; without the root, which is no scope. */
function withParents(path: string): readonly string[] {
  return path === '/' ? [] : [path, ...withParents(dirname(path))];
}

/** Whether a policy.json(5) asks for no signature of any image of a registry. */
export function takesAnything(text: string): boolean {
  const policy = parseObject(text);
  const docker = asObject(asObject(policy?.['transports'])?.['docker']);
  return [policy?.['default'], ...Object.values(docker ?? {})].every(isOpen);
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}

function isOpen(requirements: unknown): boolean {
  return (
    Array.isArray(requirements) &&
    requirements.length > 0 &&
    requirements.every((requirement: unknown) => Object(requirement).type === 'insecureAcceptAnything')
  );
}
