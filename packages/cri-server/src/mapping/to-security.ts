import type { ContainerSecurity, SeLinuxOptions } from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { invalid, unsupported } from './refusals.js';
import { toAppArmor, toSeccomp } from './security-profiles.js';

const { SupplementalGroupsPolicy } = cri;

/** Largest user or group id; the one above stands for none (chown(2)). */
const LARGEST_ID = 2 ** 32 - 2;

/**
 * A container's security context. Its namespace options are read by `toContainerConfig`.
 * @param what the container, for messages
 * @throws PodwrightError kind `invalid-argument`, `unsupported`
 */
export function toSecurity(
  context: cri.LinuxContainerSecurityContext | undefined,
  what: string,
): ContainerSecurity {
  if (context === undefined) return { seccomp: { type: 'Unconfined' } };
  const { privileged, readonlyRootfs, noNewPrivs, supplementalGroups, supplementalGroupsPolicy } = context;
  const seccomp = toSeccomp({ profile: context.seccomp, text: context.seccompProfilePath }, what);
  const appArmor = toAppArmor({ profile: context.apparmor, text: context.apparmorProfile }, what);
  const seLinux = toSeLinux(context.selinuxOptions);
  return {
    ...toUser(context, what),
    privileged,
    ...(supplementalGroups.length === 0
      ? {}
      : {
          supplementalGroups: supplementalGroups.map((group) => toId(group, `supplemental group of ${what}`)),
        }),
    ...(supplementalGroupsPolicy === SupplementalGroupsPolicy.Merge
      ? {}
      : { supplementalGroupsPolicy: toPolicy(supplementalGroupsPolicy, what) }),
    ...toCapabilities(context.capabilities, what),
    readOnlyRootFilesystem: readonlyRootfs,
    ...(noNewPrivs ? { allowPrivilegeEscalation: false } : {}),
    // A privileged container is unconfined whatever it names.
    seccomp: privileged ? { type: 'Unconfined' } : seccomp,
    ...(appArmor === undefined ? {} : { appArmor: privileged ? { type: 'Unconfined' } : appArmor }),
    ...(seLinux === undefined ? {} : { seLinux }),
    // The client's lists are all there is, as with containerd: an empty one is procMount Unmasked.
    maskedPaths: privileged ? [] : context.maskedPaths,
    readOnlyPaths: privileged ? [] : context.readonlyPaths,
  };
}

/**
 * Checks the security context of a sandbox. It is about the sandbox's own process, of which there is none, or one of the
 * backend's that does nothing (`pid: 'pod'`): its user, groups, root file system, seccomp, AppArmor and SELinux concern
 * nobody. `privileged` says that a container may be so, and the same client asks for both.
 * @throws PodwrightError kind `invalid-argument`
 */
export function checkSandboxSecurity(
  context: cri.LinuxSandboxSecurityContext | undefined,
  what: string,
): void {
  if (context === undefined) return;
  if (context.runAsGroup !== undefined && context.runAsUser === undefined) throw groupWithoutUser(what);
  toSeccomp({ profile: context.seccomp, text: context.seccompProfilePath }, what);
  toAppArmor({ profile: context.apparmor, text: '' }, what);
}

function toUser(
  { runAsUser, runAsGroup, runAsUsername }: cri.LinuxContainerSecurityContext,
  what: string,
): ContainerSecurity {
  if (runAsUser !== undefined && runAsUsername !== '') {
    throw invalid(
      `The security context of ${what} has both run_as_user (${runAsUser.value}) and run_as_username ` +
        `("${runAsUsername}"): only one of them can be.`,
    );
  }
  if (runAsGroup !== undefined && runAsUser === undefined && runAsUsername === '')
    throw groupWithoutUser(what);
  return {
    ...(runAsUser === undefined ? {} : { runAsUser: toId(runAsUser.value, `run_as_user of ${what}`) }),
    ...(runAsUsername === '' ? {} : { runAsUserName: runAsUsername }),
    ...(runAsGroup === undefined ? {} : { runAsGroup: toId(runAsGroup.value, `run_as_group of ${what}`) }),
  };
}

function groupWithoutUser(what: string) {
  return invalid(
    `The security context of ${what} has run_as_group without a user: set run_as_user or run_as_username beside it.`,
  );
}

function toId(value: bigint, what: string): number {
  if (value >= 0n && value <= LARGEST_ID) return Number(value);
  throw invalid(`The ${what} is ${value}: it has to be a number from 0 to ${LARGEST_ID}.`);
}

function toPolicy(policy: cri.SupplementalGroupsPolicy, what: string): 'Strict' {
  if (policy === SupplementalGroupsPolicy.Strict) return 'Strict';
  throw invalid(`The supplemental_groups_policy of ${what} is ${policy}, which the CRI does not have.`);
}

function toCapabilities(capability: cri.Capability | undefined, what: string): ContainerSecurity {
  if (capability === undefined) return {};
  const { addCapabilities, dropCapabilities, addAmbientCapabilities } = capability;
  if (addAmbientCapabilities.length > 0) {
    throw unsupported(
      'Capability.add_ambient_capabilities',
      `Ambient capabilities (${addAmbientCapabilities.join(', ')} of ${what}) are not supported: give the program ` +
        'file capabilities (setcap(8)) and add them with add_capabilities.',
    );
  }
  return {
    ...(addCapabilities.length === 0 ? {} : { addCapabilities }),
    ...(dropCapabilities.length === 0 ? {} : { dropCapabilities }),
  };
}

/** Without any part it says nothing. */
function toSeLinux(options: cri.SELinuxOption | undefined): SeLinuxOptions | undefined {
  if (options === undefined) return undefined;
  const { user, role, type, level } = options;
  const parts = Object.entries({ user, role, type, level }).filter(([, value]) => value !== '');
  return parts.length === 0 ? undefined : Object.fromEntries(parts);
}
