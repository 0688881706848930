import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ExecSession, PodwrightError, systemErrorCode } from '@podwright/core';
import {
  HostExecutor,
  type HostProgram,
  pinProcess,
  readProcessIdentity,
  type UsesHostPrograms,
} from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { capabilitiesOfMask, capabilityNumbers } from './capabilities.js';
import { ENTER_PROGRAM, type EnterWords, enterFile, systemCalls } from './enter-program.js';
import type { ExecHandler, ExecRequest } from './exec-handler.js';
import { execGated } from './gated-exec.js';
import { OciOptions } from './oci-options.js';
import type { OciProcess } from './runtime-spec.js';

/** In the order of their numbers, see getrlimit(2). */
const RESOURCES = [
  ...['CPU', 'FSIZE', 'DATA', 'STACK', 'CORE', 'RSS', 'NPROC', 'NOFILE', 'MEMLOCK', 'AS', 'LOCKS'],
  ...['SIGPENDING', 'MSGQUEUE', 'NICE', 'RTPRIO', 'RTTIME'],
].map((name) => `RLIMIT_${name}`);

/**
 * Enters a container by the PID of its first process, with no OCI runtime. Behind the gate perl joins the namespaces,
 * takes the container's user, groups, capability sets, limits, environment, directory and no_new_privs, and becomes the
 * command. What it cannot reapply is told by `gaps`, and `refusal` says what follows from it.
 */
@injectable()
export class NsenterExec implements ExecHandler, UsesHostPrograms {
  readonly kind = 'nsenter';
  readonly gaps = ['seccomp', 'apparmor', 'selinux'];

  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(OciOptions) private readonly options: OciOptions,
  ) {}

  async hostPrograms(): Promise<readonly HostProgram[]> {
    return [
      { name: 'perl', debianPackage: 'perl-base' },
      { name: 'stty', debianPackage: 'coreutils' },
    ];
  }

  async exec(request: ExecRequest): Promise<ExecSession> {
    const { executor } = this;
    const calls = systemCalls[process.arch];
    if (calls === undefined) {
      throw new PodwrightError(
        'unsupported',
        `The exec handler nsenter does not know the system calls of ${process.arch}: configure the exec handler oci.`,
      );
    }
    const { allowUnconfined } = this.options;
    const why = allowUnconfined ? undefined : refusal(request, await this.#agentCapabilities());
    if (why !== undefined) {
      throw new PodwrightError('unsupported', why, { details: { container: request.id, gaps: this.gaps } });
    }
    const perl = await executor.which('perl');
    if (perl === undefined) {
      throw new PodwrightError(
        'missing-requirement',
        'The exec handler nsenter takes perl (Debian: perl-base), which this host lacks: install it, or configure the exec handler oci.',
        { details: { program: 'perl' } },
      );
    }
    const { pid, unit } = request.first;
    const identity = await readProcessIdentity(executor, pid);
    if (identity === undefined) {
      throw new PodwrightError('failed-precondition', `The container ${request.id} does not run.`, {
        details: { pid },
      });
    }
    await using first = await pinProcess(executor, identity, { unit });
    return await execGated(executor, request, async (directory) => {
      const words: EnterWords = [
        ...Object.entries(calls).map(([name, number]) => [`sys.${name}`, number] as const),
        ['proc', first.procPath],
        ...enterWords(request, allowUnconfined),
      ];
      // The environment may hold secrets.
      const file = (name: string) => executor.hostPath(join(directory, name));
      await writeFile(file('command'), enterFile(words), { mode: 0o600 });
      await writeFile(file('enter'), ENTER_PROGRAM, { mode: 0o600 });
      return {
        line: { command: perl, args: [join(directory, 'enter'), directory], env: { LC_ALL: 'C' } },
        pidFile: join(directory, 'pid'),
        failure: () => readFailure(file('failure')),
      };
    });
  }

  async #agentCapabilities(): Promise<readonly string[]> {
    const status = await readFile(this.executor.hostPath('/proc/self/status'), 'utf8');
    return capabilitiesOfMask(/^CapPrm:\s*(\w+)$/m.exec(status)?.[1] ?? '0');
  }
}

/**
 * Why a command may not be run, in words: as root it would have the container's capabilities without what keeps the
 * container's own root in check.
 * @param agent the capabilities that the agent has
 */
export function refusal(
  { id, process, seccomp }: Pick<ExecRequest, 'id' | 'process' | 'seccomp'>,
  agent: readonly string[],
): string | undefined {
  const missing = confinement(process, seccomp);
  const { bounding } = process.capabilities;
  if (process.user.uid !== 0 || missing.length === 0) return undefined;
  if (agent.every((name) => bounding.includes(name))) return undefined;
  return (
    `The exec handler nsenter cannot give a command in the container ${id} the container's ${missing.join(' and ')}, ` +
    'and as root it would be less confined than the container itself. Use the exec handler oci (the default), or set ' +
    'allowUnconfined if commands may go without.'
  );
}

/** What the container has that its commands will not have. */
function confinement({ apparmorProfile, selinuxLabel }: OciProcess, seccomp: boolean): readonly string[] {
  return [
    ...(seccomp ? ['seccomp filter'] : []),
    ...(apparmorProfile === undefined ? [] : ['AppArmor profile']),
    ...(selinuxLabel === undefined ? [] : ['SELinux label']),
  ];
}

/** What the program has to reapply. */
export function enterWords(
  { process, seccomp, terminalSize: size }: Pick<ExecRequest, 'process' | 'seccomp' | 'terminalSize'>,
  allowUnconfined: boolean,
): EnterWords {
  const { user, capabilities } = process;
  const each = (name: string, values: readonly (string | number)[]) =>
    values.map((value) => [name, value] as const);
  const numbers = (name: keyof OciProcess['capabilities']) =>
    each(
      name,
      capabilities[name].flatMap((capability) => capabilityNumbers.get(capability) ?? []),
    );
  // A set-user-id program of the container would make a root of it that was refused.
  const noNewPrivileges =
    process.noNewPrivileges ||
    (!allowUnconfined && user.uid !== 0 && confinement(process, seccomp).length > 0);
  return [
    ...each('terminal', process.terminal ? [1] : []),
    ...each('size', size === undefined ? [] : [size.rows, size.columns]),
    ...each('oom', process.oomScoreAdj === undefined ? [] : [process.oomScoreAdj]),
    ...each(
      'rlimit',
      (process.rlimits ?? []).map(({ type, soft, hard }) => `${RESOURCES.indexOf(type)} ${soft} ${hard}`),
    ),
    ['uid', user.uid],
    ['gid', user.gid],
    ...each('group', user.additionalGids),
    ...numbers('bounding'),
    ...numbers('effective'),
    ...numbers('permitted'),
    ...numbers('inheritable'),
    ...numbers('ambient'),
    ...each('nnp', noNewPrivileges ? [1] : []),
    ['cwd', process.cwd],
    ...each('env', process.env),
    ...each('arg', process.args),
  ];
}

async function readFailure(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')) || undefined;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
