import { stat } from 'node:fs/promises';
import { isAbsolute, normalize } from 'node:path';
import { messageOf, PodwrightError } from '@podwright/core';
import { inject, injectable } from 'inversify';
import type { HostCommand, HostExecutor, HostProcess, HostResult, RunCommand } from './host-executor.js';
import { findHostProgram, isHostProgram, joinHostRoot, resolveUnderRoot, SYSTEM_DIRS } from './host-root.js';
import {
  AgentExecutor,
  HOST_TOOL_DIRS,
  type Nsenter,
  NsenterOptions,
  REQUIRED_HOST_TOOLS,
} from './nsenter.js';

const DEFAULT_HOST_ROOT = '/rootfs';
const SYSTEMD_RUN = 'systemd-run';

/** The host through its root in the agent's file system and through the program nsenter. */
@injectable()
export class HostRootNsenter implements Nsenter {
  #started: Promise<void> | undefined;
  readonly #tools = new Map<string, string>();

  constructor(
    @inject(AgentExecutor) private readonly executor: HostExecutor,
    @inject(NsenterOptions) private readonly options: NsenterOptions,
  ) {}

  start(): Promise<void> {
    this.#started ??= this.#findTools().catch((error: unknown) => {
      // What was missing may be there at the next try.
      this.#started = undefined;
      throw error;
    });
    return this.#started;
  }

  async exec(command: RunCommand): Promise<HostResult> {
    await this.start();
    const { cwd: _, ...rest } = command;
    return this.executor.run({ ...rest, ...(await this.#entering(command)) });
  }

  async spawn(command: HostCommand): Promise<HostProcess> {
    await this.start();
    const { cwd: _, ...rest } = command;
    return this.executor.start({ ...rest, ...(await this.#entering(command)) });
  }

  absHostPath(command: string): string {
    return this.#tools.get(command) ?? command;
  }

  async which(name: string): Promise<string | undefined> {
    const path = this.options.binaries?.[name] || name;
    if (path.includes('/'))
      return isAbsolute(path) && (await isHostProgram(this.#root, path)) ? path : undefined;
    return this.#tools.get(name) ?? (await findHostProgram(this.#root, name, SYSTEM_DIRS));
  }

  async evalSymlinks(path: string, { mustExist }: { readonly mustExist: boolean }): Promise<string> {
    await this.start();
    const { stdout, stderr, exitCode } = await this.exec({
      command: this.absHostPath('realpath'),
      args: [mustExist ? '-e' : '-m', '--', path],
      env: { LC_ALL: 'C' },
      okExitCodes: [0, 1],
    });
    // One line feed is realpath's own; another one would belong to the name.
    if (exitCode === 0) return normalize(stdout.toString('utf8').replace(/\n$/, ''));
    const said = stderr.toString('utf8').trim();
    const kind = /No such file|Not a directory/.test(said)
      ? 'not-found'
      : /symbolic links/.test(said)
        ? 'failed-precondition'
        : 'command-failed';
    throw new PodwrightError(kind, `The links of ${path} cannot be followed on the host: ${said}.`, {
      details: { path, exitCode, stderr: said },
    });
  }

  hostPath(path: string): string {
    return joinHostRoot(this.#root, path);
  }

  supportsSystemd(): string | undefined {
    return this.#tools.get(SYSTEMD_RUN);
  }

  get #root(): string {
    return this.options.hostRoot ?? DEFAULT_HOST_ROOT;
  }

  async #entering({ command, args, cwd }: HostCommand): Promise<Pick<HostCommand, 'command' | 'args'>> {
    const enter = [`--mount=${this.#root}/proc/1/ns/mnt`, '--'];
    if (cwd === undefined) return { command: 'nsenter', args: [...enter, command, ...args] };
    const seen = this.hostPath(await resolveUnderRoot(this.#root, cwd));
    if (!(await stat(seen).catch(() => undefined))?.isDirectory()) {
      const message = `${command} cannot run in ${cwd}: there is no such directory on the host.`;
      throw new PodwrightError('not-found', message, { details: { path: cwd } });
    }
    // nsenter's own --wd opens the directory in the agent's mount namespace, where it would stay.
    const inside = [this.absHostPath('sh'), '-c', 'cd -P -- "$1" && shift && exec "$@"', 'sh', cwd];
    return { command: 'nsenter', args: [...enter, ...inside, command, ...args] };
  }

  async #findTools(): Promise<void> {
    const root = this.#root;
    if (!(await stat(root).catch(() => undefined))?.isDirectory()) {
      const message = `The host's root is not at ${root}: mount / of the host there, or configure where it is.`;
      throw new PodwrightError('missing-requirement', message, { details: { path: root } });
    }
    const missing: string[] = [];
    for (const name of [...REQUIRED_HOST_TOOLS, SYSTEMD_RUN]) {
      const path = await this.#findTool(name);
      if (path !== undefined) this.#tools.set(name, path);
      else if (name !== SYSTEMD_RUN) missing.push(name);
    }
    if (missing.length > 0) {
      const message = `The host at ${root} lacks ${missing.join(', ')}: not found in ${HOST_TOOL_DIRS.join(', ')}; install ${missing.length === 1 ? 'it' : 'them'} on the host.`;
      throw new PodwrightError('missing-requirement', message, {
        details: { missing, directories: HOST_TOOL_DIRS },
      });
    }
    await this.#tryToEnter();
  }

  async #findTool(name: string): Promise<string | undefined> {
    const configured = this.options.binaries?.[name];
    if (configured) return (await isHostProgram(this.#root, configured)) ? configured : undefined;
    return findHostProgram(this.#root, name, HOST_TOOL_DIRS);
  }

  async #tryToEnter(): Promise<void> {
    try {
      await this.executor.run(await this.#entering({ command: this.absHostPath('sh'), args: ['-c', ':'] }));
    } catch (cause) {
      if (!PodwrightError.is(cause, 'command-failed')) throw cause;
      const message = `The host's mount namespace cannot be entered (the agent's container has to be privileged and share the host's PID namespace): ${messageOf(cause)}`;
      throw new PodwrightError('permission-denied', message, { cause, details: cause.details });
    }
  }
}
