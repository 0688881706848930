import { isAbsolute, join } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type ContainerConfig,
  type ContainerSecurity,
  type PidMode,
  type PodSandboxConfig,
  PodwrightError,
  type SeccompProfile,
} from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { defaultMaskedPaths, defaultReadOnlyPaths } from '@podwright/oci';

const { NamespaceMode, SecurityProfile_ProfileType: ProfileType, SupplementalGroupsPolicy } = cri;

const PID_MODES: Readonly<Record<PidMode, cri.NamespaceMode>> = {
  pod: NamespaceMode.POD,
  container: NamespaceMode.CONTAINER,
  node: NamespaceMode.NODE,
};

/** The user of an image; empty where it names its group by name. */
export interface ImageUser {
  readonly uid?: number;
  readonly username?: string;
  readonly gid?: number;
}

/** @param user of the image's configuration: `name`, `1000`, `name:1000`, `1000:group` */
export function imageUser(user: string): ImageUser {
  const [name = '', group] = user.split(':');
  if (group !== undefined && !/^\d+$/.test(group)) return {};
  const gid = group === undefined ? {} : { gid: Number(group) };
  if (/^\d+$/.test(name)) return { uid: Number(name), ...gid };
  return name === '' ? { uid: 0, ...gid } : { username: name, ...gid };
}

export type Namespaces = Pick<PodSandboxConfig, 'network' | 'ipc' | 'pid' | 'userNamespace' | 'idMappings'>;

/** @param container a container's own PID namespace, where it has another than the sandbox's */
export function toCriNamespaces(
  { network, ipc, pid, userNamespace, idMappings = [] }: Namespaces,
  container: Pick<ContainerConfig, 'pid' | 'pidTarget'> = {},
): MessageInitShape<typeof cri.NamespaceOptionSchema> {
  const ids = idMappings.map(({ containerId, hostId, size }) => ({ containerId, hostId, length: size }));
  return {
    network: network === 'pod' ? NamespaceMode.POD : NamespaceMode.NODE,
    ipc: ipc === 'pod' ? NamespaceMode.POD : NamespaceMode.NODE,
    ...(container.pidTarget === undefined
      ? { pid: PID_MODES[container.pid ?? pid] }
      : { pid: NamespaceMode.TARGET, targetId: container.pidTarget }),
    ...(userNamespace === 'pod' ? { usernsOptions: { mode: NamespaceMode.POD, uids: ids, gids: ids } } : {}),
  };
}

/**
 * A container's confinement as the CRI has it. The defaults of the contract are said explicitly, because runtimes have
 * others: without a seccomp profile and lists of paths they confine less.
 * @throws PodwrightError kind `invalid-argument` for settings that contradict each other
 */
export function toCriSecurity(
  security: ContainerSecurity,
  namespaces: MessageInitShape<typeof cri.NamespaceOptionSchema>,
  imageUser: ImageUser,
  seccompProfileRoot: string,
): MessageInitShape<typeof cri.LinuxContainerSecurityContextSchema> {
  checkContradictions(security);
  const { privileged = false, seccomp = { type: 'RuntimeDefault' }, appArmor, seLinux } = security;
  const { supplementalGroups = [], supplementalGroupsPolicy } = security;
  return {
    privileged,
    namespaceOptions: namespaces,
    ...userOf(security, imageUser),
    capabilities: {
      addCapabilities: capabilityNames(security.addCapabilities),
      dropCapabilities: capabilityNames(security.dropCapabilities),
    },
    readonlyRootfs: security.readOnlyRootFilesystem ?? false,
    supplementalGroups: supplementalGroups.map((group) => BigInt(group)),
    supplementalGroupsPolicy:
      supplementalGroupsPolicy === 'Strict'
        ? SupplementalGroupsPolicy.Strict
        : SupplementalGroupsPolicy.Merge,
    noNewPrivs: security.allowPrivilegeEscalation === false,
    maskedPaths: privileged ? [] : [...(security.maskedPaths ?? defaultMaskedPaths)],
    readonlyPaths: privileged ? [] : [...(security.readOnlyPaths ?? defaultReadOnlyPaths)],
    ...(privileged ? {} : { seccomp: toSeccomp(seccomp, seccompProfileRoot) }),
    ...(appArmor === undefined
      ? {}
      : {
          apparmor: {
            profileType: ProfileType[appArmor.type],
            localhostRef: appArmor.localhostProfile ?? '',
          },
        }),
    ...(seLinux === undefined
      ? {}
      : {
          selinuxOptions: {
            user: seLinux.user ?? '',
            role: seLinux.role ?? '',
            type: seLinux.type ?? '',
            level: seLinux.level ?? '',
          },
        }),
  };
}

/** Where a profile lies that a container names; undefined when it names none. */
export function seccompProfilePath(seccomp: SeccompProfile | undefined, root: string): string | undefined {
  if (seccomp?.type !== 'Localhost') return undefined;
  const { localhostPath } = seccomp;
  if (localhostPath === undefined || localhostPath === '') {
    throw new PodwrightError(
      'invalid-argument',
      'A seccomp profile of type Localhost needs a localhostPath: the path of its file.',
    );
  }
  return isAbsolute(localhostPath) ? localhostPath : join(root, localhostPath);
}

function toSeccomp(seccomp: SeccompProfile, root: string) {
  return {
    profileType: ProfileType[seccomp.type],
    localhostRef: seccompProfilePath(seccomp, root) ?? '',
  };
}

function checkContradictions({ privileged, allowPrivilegeEscalation, ...rest }: ContainerSecurity): void {
  if (privileged === true && allowPrivilegeEscalation === false) {
    throw new PodwrightError(
      'invalid-argument',
      'A container cannot be privileged without privilege escalation: leave out one of privileged and ' +
        'allowPrivilegeEscalation: false.',
    );
  }
  if (rest.runAsUser !== undefined && rest.runAsUserName !== undefined) {
    throw new PodwrightError(
      'invalid-argument',
      `A container runs as one user: leave out runAsUser ${rest.runAsUser} or runAsUserName "${rest.runAsUserName}".`,
    );
  }
}

/**
 * Whom it runs as. Runtimes add the groups of the image's group file only for a user that is named in the call, and take a
 * group only with a user: so the image's own user is named, as the kubelet does.
 */
function userOf({ runAsUser, runAsUserName, runAsGroup }: ContainerSecurity, image: ImageUser) {
  const group = runAsGroup ?? image.gid;
  const withGroup = group === undefined ? {} : { runAsGroup: { value: BigInt(group) } };
  if (runAsUser !== undefined || runAsUserName !== undefined) {
    const own = runAsGroup === undefined ? {} : withGroup;
    return runAsUser === undefined
      ? { runAsUsername: runAsUserName ?? '', ...own }
      : { runAsUser: { value: BigInt(runAsUser) }, ...own };
  }
  if (image.username !== undefined) return { runAsUsername: image.username, ...withGroup };
  if (image.uid !== undefined) return { runAsUser: { value: BigInt(image.uid) }, ...withGroup };
  // The group of an image by name only the runtime can look up, with its user.
  return runAsGroup === undefined ? {} : { runAsUser: { value: 0n }, ...withGroup };
}

/** Without `CAP_`, which runtimes put in front. */
function capabilityNames(names: readonly string[] = []): string[] {
  return names.map((name) => name.toUpperCase().replace(/^CAP_/, ''));
}
