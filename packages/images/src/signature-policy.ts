import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { systemErrorCode } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { ImagesOptions } from './images-options.js';

/** Where skopeo looks for a policy that is not named to it, containers-policy.json(5). */
const HOST_POLICIES = [join(homedir(), '.config/containers/policy.json'), '/etc/containers/policy.json'];

/** What the host asks of images before it takes them. Skopeo keeps to it; here only is asked whether it asks for anything. */
@injectable()
export class SignaturePolicy {
  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(ImagesOptions) private readonly options: ImagesOptions,
  ) {}

  /** Whether images of registries are taken as they are. False as well where that cannot be told. */
  async takesAnything(): Promise<boolean> {
    const { insecurePolicy, policyPath } = this.options;
    if (insecurePolicy) return true;
    for (const path of policyPath === undefined ? HOST_POLICIES : [policyPath]) {
      try {
        return takesAnything(await readFile(this.executor.hostPath(path), 'utf8'));
      } catch (error) {
        if (systemErrorCode(error) !== 'ENOENT') return false;
      }
    }
    return false;
  }
}

/** Whether a policy.json(5) asks for no signature of any image of a registry. */
export function takesAnything(text: string): boolean {
  try {
    const policy: { default?: unknown; transports?: { docker?: unknown } } = JSON.parse(text);
    const scopes: readonly unknown[] = [policy.default, ...Object.values(policy.transports?.docker ?? {})];
    return scopes.every(isOpen);
  } catch {
    return false;
  }
}

function isOpen(requirements: unknown): boolean {
  return (
    Array.isArray(requirements) &&
    requirements.length > 0 &&
    requirements.every((requirement: unknown) => Object(requirement).type === 'insecureAcceptAnything')
  );
}
