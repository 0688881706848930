import { type ContainerConfig, type OciImageExecution, PodwrightError } from '@podwright/core';
import type { ProcessUser } from '../machine/simulated-process.js';

/** A container's first process, decided from its configuration and its image. */
export interface ProcessPlan {
  readonly argv: readonly string[];
  readonly env: ReadonlyMap<string, string>;
  readonly cwd: string;
  readonly user: ProcessUser;
  /** Name of the signal that stops it. */
  readonly stopSignal: string;
}

/** What of the image decides. */
export interface PlanSource {
  readonly execution: OciImageExecution;
  /** Text of the image's /etc/passwd and /etc/group; empty when it has none. */
  readonly passwd: string;
  readonly group: string;
  readonly hostname: string;
}

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * By the rules of Kubernetes and of the OCI image-spec (config.md): `command` replaces the entrypoint and drops the
 * image's arguments, `args` replaces the arguments, environment is merged by name, the user is looked up in the
 * image's own passwd.
 * @throws PodwrightError kind `invalid-argument`, `failed-precondition` (`runAsNonRoot`)
 */
export function planProcess(config: ContainerConfig, source: PlanSource): ProcessPlan {
  const { execution } = source;
  const entrypoint = config.command ?? execution.Entrypoint ?? [];
  const args = config.args ?? (config.command ? [] : (execution.Cmd ?? []));
  const argv = [...entrypoint, ...args];
  if (argv.length === 0 || argv[0] === '') {
    throw new PodwrightError(
      'invalid-argument',
      `Container ${config.metadata.name} has no command: neither it nor image ${config.image} names one. Set command.`,
    );
  }
  const { user, home } = planUser(config, source);
  const env = new Map([
    ['PATH', DEFAULT_PATH],
    ['HOSTNAME', source.hostname],
    ['HOME', home],
  ]);
  for (const entry of execution.Env ?? []) {
    const equals = entry.indexOf('=');
    env.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  for (const { name, value } of config.env) {
    if (name === '' || /[=\0]/.test(name) || value.includes('\0')) {
      throw new PodwrightError(
        'invalid-argument',
        `Environment variable ${JSON.stringify(name)} is not possible: a name is not empty and has no "=", and neither has a NUL.`,
      );
    }
    env.set(name, value);
  }
  return {
    argv,
    env,
    cwd: config.workingDir ?? (execution.WorkingDir || '/'),
    user,
    stopSignal: config.stopSignal ?? (execution.StopSignal || 'SIGTERM'),
  };
}

function planUser(config: ContainerConfig, source: PlanSource): { user: ProcessUser; home: string } {
  const { runAsUser, runAsUserName, runAsGroup, runAsNonRoot, supplementalGroups } = config.security;
  const isStrict = config.security.supplementalGroupsPolicy === 'Strict';
  const [imageUser = '', imageGroup] = (source.execution.User ?? '').split(':');
  const wanted = runAsUser === undefined ? (runAsUserName ?? (imageUser || '0')) : String(runAsUser);
  const entries = source.passwd.split('\n').map((line) => line.split(':'));
  const isNumber = /^[0-9]+$/.test(wanted);
  const entry = entries.find(([name, , uid]) => (isNumber ? uid === wanted : name === wanted));
  if (!entry && !isNumber) {
    throw new PodwrightError(
      'invalid-argument',
      `User "${wanted}" of container ${config.metadata.name} is not in the image's /etc/passwd. Name one that is, or a number.`,
    );
  }
  const uid = Number(entry?.[2] ?? wanted);
  if (runAsNonRoot && uid === 0) {
    throw new PodwrightError(
      'failed-precondition',
      `Container ${config.metadata.name} may not run as root (runAsNonRoot), but its user is root. ` +
        'Set runAsUser, or use an image with another user.',
    );
  }
  const groups = source.group.split('\n').map((line) => line.split(':'));
  const ownGroup = runAsUser === undefined && runAsUserName === undefined ? imageGroup : undefined;
  const gid = runAsGroup ?? groupId(ownGroup, groups, config) ?? Number(entry?.[3] ?? 0);
  const memberships = groups.filter(
    ([, , , members]) => !isStrict && entry && members?.split(',').includes(entry[0] ?? ''),
  );
  return {
    user: {
      uid,
      gid,
      groups: [...new Set([...memberships.map(([, , id]) => Number(id)), ...(supplementalGroups ?? [])])],
    },
    home: entry?.[5] || '/',
  };
}

function groupId(
  group: string | undefined,
  groups: readonly (readonly string[])[],
  config: ContainerConfig,
): number | undefined {
  if (group === undefined || group === '') return undefined;
  if (/^[0-9]+$/.test(group)) return Number(group);
  const entry = groups.find(([name]) => name === group);
  if (!entry) {
    throw new PodwrightError(
      'invalid-argument',
      `Group "${group}" of image ${config.image} is not in its /etc/group. Set runAsGroup.`,
    );
  }
  return Number(entry[2]);
}
