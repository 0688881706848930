import {
  type AppArmorProfile,
  type ContainerSecurity,
  PodwrightError,
  type SeLinuxOptions,
} from '@podwright/core';

/** Says `Y` where the kernel confines by AppArmor. */
export const APP_ARMOR_ENABLED = '/sys/module/apparmor/parameters/enabled';
/** The profiles that the kernel has loaded. */
export const APP_ARMOR_PROFILES = '/sys/kernel/security/apparmor/profiles';

/** What of mandatory access control this host has. */
export interface MandatoryAccess {
  /** Profiles that the kernel has loaded; absent: the host has no AppArmor. */
  readonly appArmorProfiles?: readonly string[];
  /** The profile of containers that name none, or `RuntimeDefault`; absent: those run unconfined, and these cannot. */
  readonly appArmorDefault?: string;
  readonly seLinux: boolean;
}

export interface AccessLabels {
  readonly appArmorProfile?: string;
  /** SELinux labels of the processes and of the root file system's mounts. */
  readonly processLabel?: string;
  readonly mountLabel?: string;
}

/**
 * A container's AppArmor profile and SELinux labels. A privileged container is unconfined by AppArmor, as in Kubernetes.
 * @throws PodwrightError kind `unsupported` when the host lacks what is asked for, `missing-requirement` for a profile that
 *   is not loaded or not configured, `invalid-argument`
 */
export function accessLabels(
  { privileged, appArmor, seLinux }: Pick<ContainerSecurity, 'privileged' | 'appArmor' | 'seLinux'>,
  host: MandatoryAccess,
): AccessLabels {
  const appArmorProfile = profileOf(appArmor, host);
  const labels = seLinux === undefined ? {} : seLinuxLabels(seLinux, host);
  return privileged === true || appArmorProfile === undefined ? labels : { ...labels, appArmorProfile };
}

function profileOf(asked: AppArmorProfile | undefined, host: MandatoryAccess): string | undefined {
  if ((asked?.type === 'Localhost') !== (asked?.localhostProfile !== undefined)) {
    throw new PodwrightError(
      'invalid-argument',
      'An AppArmor profile of the type Localhost has the name of a profile, and no other type has one.',
    );
  }
  if (asked?.type === 'Unconfined') return undefined;
  if (host.appArmorProfiles === undefined) {
    if (asked === undefined) return undefined;
    throw new PodwrightError(
      'unsupported',
      `The container asks for the AppArmor profile ${asked.localhostProfile ?? asked.type}, and this host has no AppArmor ` +
        `(${APP_ARMOR_ENABLED} does not say Y): leave appArmorProfile out, or run it on a host whose kernel has it.`,
      { details: { facility: 'AppArmor' } },
    );
  }
  const name = asked?.localhostProfile ?? host.appArmorDefault;
  if (name === undefined) {
    if (asked === undefined) return undefined;
    throw new PodwrightError(
      'missing-requirement',
      "The container asks for this host's default AppArmor profile, and none is configured: name a loaded one in the " +
        "backend's option appArmorProfile.",
    );
  }
  if (host.appArmorProfiles.includes(name)) return name;
  throw new PodwrightError(
    'missing-requirement',
    `The AppArmor profile ${name} is not loaded on this host: load it with apparmor_parser(8).`,
    { details: { profile: name } },
  );
}

/** Parts that are left out are those of the container policy that Fedora and RHEL ship (container-selinux). */
function seLinuxLabels(options: SeLinuxOptions, host: MandatoryAccess): AccessLabels {
  if (!host.seLinux) {
    throw new PodwrightError(
      'unsupported',
      'The container has seLinuxOptions, and this host has no SELinux (no selinuxfs is mounted at /sys/fs/selinux): ' +
        'leave them out, or run it on a host whose kernel has it.',
      { details: { facility: 'SELinux' } },
    );
  }
  const { user = 'system_u', role = 'system_r', type = 'container_t', level = 's0' } = options;
  return {
    processLabel: [user, role, type, level].join(':'),
    mountLabel: `system_u:object_r:container_file_t:${level}`,
  };
}
