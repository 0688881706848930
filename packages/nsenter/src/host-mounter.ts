import { basename, dirname, join } from 'node:path';
import { type Logger, messageOf, PodwrightError } from '@podwright/core';
import { readConsistently } from './consistent-read.js';
import type { HostCommand, HostExecutor } from './host-executor.js';
import type { HostProgram, UsesHostPrograms } from './host-program.js';
import { mountError } from './mount-error.js';
import { isAtOrBelow, type Mount, mountAt, mountOf, mountRefs, parseMountInfo } from './mount-info.js';
import {
  bindPlan,
  keepOptions,
  type MountRequest,
  mayLeaveDaemon,
  mountArguments,
  propagationArguments,
  sensitiveTexts,
} from './mount-plan.js';
import { MountScope } from './mount-scope.js';
import type {
  CleanUpOptions,
  MountCallOptions,
  Mounter,
  MounterCallOptions,
  Propagation,
  UnmountCallOptions,
} from './mounter.js';

/** What mount(8) and umount(8) say is read by programs. */
const ENV = { LC_ALL: 'C' };

/** A mount point whose server or daemon is dead: it cannot be looked at, only unmounted. */
const DEAD_MOUNT = /ENOTCONN|ESTALE|EHOSTDOWN|EIO/;

/** What both mounters have in common: they differ in how they look at the host's files. */
export abstract class HostMounter implements Mounter, UsesHostPrograms {
  readonly #scope: MountScope;

  constructor(
    private readonly executor: HostExecutor,
    private readonly logger: Logger,
  ) {
    this.#scope = new MountScope(executor, logger);
  }

  /** The mount table of the namespace in which the commands run. */
  protected abstract readTable(): Promise<string>;
  /**
   * The path without links.
   * @throws PodwrightError kind `not-found`, or with the system's code in `details.code`
   */
  protected abstract realPath(path: string): Promise<string>;
  /** The numbers of the devices on which paths lie. @throws as `realPath` */
  protected abstract deviceNumbers(paths: readonly string[]): Promise<readonly string[]>;
  /** Removes an empty directory, or a file. */
  protected abstract removeMountPoint(path: string): Promise<void>;

  /** systemd-run is not among them: without it there is a warning. */
  async hostPrograms(): Promise<readonly HostProgram[]> {
    return ['mount', 'umount'].map((name) => ({ name, debianPackage: 'mount' }));
  }

  async list(): Promise<readonly Mount[]> {
    return parseMountInfo(await readConsistently('The mount table', () => this.readTable()));
  }

  async mount(
    source: string,
    target: string,
    fstype: string | undefined,
    options: readonly string[] = [],
    { sensitiveOptions = [], noCanonicalize = false, signal }: MountCallOptions = {},
  ): Promise<void> {
    const plan = bindPlan({ source, target, fstype, options, sensitiveOptions, noCanonicalize });
    const secrets = sensitiveTexts(sensitiveOptions);
    const call = { secrets, ...(signal ? { signal } : {}) };
    const before = new Set((await this.list()).map(({ id }) => id));
    try {
      await this.#mount(plan.first, call);
      if (plan.remount !== undefined) {
        const current = mountOf(await this.list(), await this.#resolve(target))?.options ?? [];
        await this.#mount(keepOptions(plan.remount, current), call);
      }
      for (const propagation of plan.propagations) await this.#setPropagation(target, propagation, call);
    } catch (error) {
      await this.#undo(target, before);
      throw error;
    }
  }

  setPropagation(
    target: string,
    propagation: Propagation,
    { signal }: MounterCallOptions = {},
  ): Promise<void> {
    return this.#setPropagation(target, propagation, { secrets: [], ...(signal ? { signal } : {}) });
  }

  async unmount(target: string, { lazy = false, signal }: UnmountCallOptions = {}): Promise<void> {
    const args = [...(lazy ? ['--lazy'] : []), '--', target];
    await this.#run(`${target} could not be unmounted`, target, {
      command: 'umount',
      args,
      ...(signal ? { signal } : {}),
    });
  }

  async unmountIfMounted(target: string, options: UnmountCallOptions = {}): Promise<boolean> {
    return (await this.#unmountAll(target, (mount, path) => mount.path === path, options)).length > 0;
  }

  unmountTree(path: string, options: UnmountCallOptions = {}): Promise<readonly string[]> {
    return this.#unmountAll(path, (mount, root) => isAtOrBelow(mount.path, root), options);
  }

  async cleanUpMountPoint(
    path: string,
    { extensiveCheck = true, ...options }: CleanUpOptions = {},
  ): Promise<void> {
    const resolved = await this.#resolveIfExists(path);
    if (resolved === undefined) return;
    if (extensiveCheck || !(await this.isLikelyNotMountPoint(resolved))) {
      await this.unmountIfMounted(resolved, options);
    }
    await this.removeMountPoint(resolved);
  }

  async isLikelyNotMountPoint(path: string): Promise<boolean> {
    const resolved = await this.#resolve(path);
    if (resolved === '/') return false;
    try {
      const [own, parent] = await this.deviceNumbers([resolved, dirname(resolved)]);
      return own === parent;
    } catch (error) {
      if (isDeadMount(error)) return false;
      throw error;
    }
  }

  async isMountPoint(path: string): Promise<boolean> {
    return mountAt(await this.list(), await this.#resolve(path)) !== undefined;
  }

  async getMount(path: string): Promise<Mount | undefined> {
    const resolved = await this.#resolveIfExists(path);
    return resolved === undefined ? undefined : mountAt(await this.list(), resolved);
  }

  async getMountRefs(path: string): Promise<readonly string[]> {
    const resolved = await this.#resolveIfExists(path);
    return resolved === undefined ? [] : mountRefs(await this.list(), resolved);
  }

  async #mount(request: MountRequest, call: Pick<HostCommand, 'secrets' | 'signal'>): Promise<void> {
    const { source, target } = request;
    const command = { command: 'mount', args: mountArguments(request), ...call };
    await this.#run(
      `${source} could not be mounted at ${target}`,
      target,
      command,
      mayLeaveDaemon(request)
        ? `Podwright: mount of ${request.fstype ?? 'a file system'} at ${target}`
        : undefined,
    );
  }

  async #setPropagation(
    target: string,
    propagation: Propagation,
    call: Pick<HostCommand, 'secrets' | 'signal'>,
  ): Promise<void> {
    await this.#run(`The propagation of ${target} could not be made ${propagation}`, target, {
      command: 'mount',
      args: propagationArguments(target, propagation),
      ...call,
    });
  }

  /** @param scope description of the systemd scope to run it in; absent: none */
  async #run(what: string, path: string, command: HostCommand, scope?: string): Promise<void> {
    const inScope = scope === undefined ? command : await this.#scope.wrap(command, scope);
    const result = await this.executor.run({ ...inScope, env: ENV, okExitCodes: 'any' });
    if (result.exitCode === 0) return;
    throw mountError(
      { what, path, command: command.command, args: command.args, secrets: command.secrets ?? [] },
      result,
    );
  }

  /** Unmounts what was mounted since, at a target and below it; also what a cancelled command mounted. */
  async #undo(target: string, before: ReadonlySet<number>): Promise<void> {
    try {
      await this.#unmountAll(target, ({ id, path }, root) => !before.has(id) && isAtOrBelow(path, root), {});
    } catch (error) {
      this.logger.error(`After a mount at ${target} failed it could not be unmounted: ${messageOf(error)}`);
    }
  }

  async #unmountAll(
    path: string,
    fits: (mount: Mount, path: string) => boolean,
    options: UnmountCallOptions,
  ): Promise<readonly string[]> {
    const resolved = await this.#resolveIfExists(path);
    if (resolved === undefined) return [];
    const found = (await this.list()).filter((mount) => fits(mount, resolved)).toReversed();
    for (const mount of found) await this.#unmountUnlessGone(mount, options);
    return found.map((mount) => mount.path);
  }

  /** Its peers go with it, and others unmount as well: gone is as good as unmounted. */
  async #unmountUnlessGone(mount: Mount, options: UnmountCallOptions): Promise<void> {
    try {
      await this.unmount(mount.path, options);
    } catch (error) {
      if (PodwrightError.is(error, 'cancelled')) throw error;
      if ((await this.list()).some(({ id, path }) => id === mount.id && path === mount.path)) throw error;
    }
  }

  async #resolveIfExists(path: string): Promise<string | undefined> {
    try {
      return await this.#resolve(path);
    } catch (error) {
      if (PodwrightError.is(error, 'not-found')) return undefined;
      throw error;
    }
  }

  /** A dead mount point itself cannot be looked at, the directory it lies in can. */
  async #resolve(path: string): Promise<string> {
    try {
      return await this.realPath(path);
    } catch (error) {
      if (!isDeadMount(error)) throw error;
      return join(await this.realPath(dirname(path)), basename(path));
    }
  }
}

function isDeadMount(error: unknown): boolean {
  return PodwrightError.is(error) && DEAD_MOUNT.test(String(error.details['code']));
}
