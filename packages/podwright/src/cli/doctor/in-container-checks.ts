import { readFile } from 'node:fs/promises';
import { messageOf } from '@podwright/core';
import { checkHostPropagation, type Nsenter, REQUIRED_HOST_TOOLS } from '@podwright/nsenter';
import { type Check, type Finding, fail, ok, warn } from './check.js';

/**
 * What an agent in a container needs of its container and of the host.
 * @param checkMounts fails where the agent does not see below `hostRoot` what is mounted on the host
 */
export function inContainerChecks(
  nsenter: Nsenter,
  hostRoot: string,
  checkMounts: (hostRoot: string) => Promise<void> = checkHostPropagation,
): readonly Check[] {
  return [
    { name: 'host tools', run: () => checkTools(nsenter, hostRoot) },
    { name: 'host mounts', run: () => findMounts(hostRoot, checkMounts) },
    { name: 'host PID 1', run: () => checkFirstProcess(hostRoot) },
    { name: 'systemd-run', run: () => checkSystemdRun(nsenter) },
  ];
}

async function checkTools(nsenter: Nsenter, hostRoot: string): Promise<Finding> {
  try {
    await nsenter.start();
  } catch (error) {
    return fail(messageOf(error), containerFix(hostRoot));
  }
  return ok(REQUIRED_HOST_TOOLS.map((name) => nsenter.absHostPath(name)).join(' '));
}

async function findMounts(
  hostRoot: string,
  checkMounts: (hostRoot: string) => Promise<void>,
): Promise<Finding> {
  try {
    await checkMounts(hostRoot);
  } catch (error) {
    return fail(messageOf(error), containerFix(hostRoot));
  }
  return ok(`seen below ${hostRoot}`);
}

function containerFix(hostRoot: string): string {
  return `run the agent's container with --privileged --pid=host -v /:${hostRoot}:rslave`;
}

async function checkFirstProcess(hostRoot: string): Promise<Finding> {
  const path = `${hostRoot}/proc/1/comm`;
  const name = (await readFile(path, 'utf8').catch(() => '')).trim();
  if (name === 'systemd') return ok(name);
  return fail(
    name === '' ? `${path} cannot be read` : `${name}`,
    'the host has to be booted with systemd, and the container to share its PID namespace (--pid=host)',
  );
}

async function checkSystemdRun(nsenter: Nsenter): Promise<Finding> {
  const path = nsenter.supportsSystemd();
  return path === undefined ? warn('not found on the host', 'apt-get install systemd on the host') : ok(path);
}
