import { z } from 'zod';
import { relativePathProblem } from './names.js';
import { id, localhostProfileRule, plainText, text } from './schema-parts.js';

const PROFILE_TYPES = ['RuntimeDefault', 'Localhost', 'Unconfined'] as const;
const LONGEST_APP_ARMOR_PROFILE = 4095;

const seccompProfileSchema = z
  .strictObject({
    type: z.enum(PROFILE_TYPES),
    /** A file below the node's directory of seccomp profiles. */
    localhostProfile: text(
      (value) => relativePathProblem(value) ?? (value === '' ? 'must not be empty' : undefined),
    ).exactOptional(),
  })
  .check(localhostProfileRule());

const appArmorProfileSchema = z
  .strictObject({
    type: z.enum(PROFILE_TYPES),
    /** The name of a profile that the node's kernel has loaded. */
    localhostProfile: text((value) => {
      if (value === '' || value.trim() !== value) return 'has to be a name without spaces around it';
      return value.length > LONGEST_APP_ARMOR_PROFILE
        ? `is longer than ${LONGEST_APP_ARMOR_PROFILE} characters`
        : undefined;
    }).exactOptional(),
  })
  .check(localhostProfileRule());

const seLinuxOptionsSchema = z.strictObject({
  user: plainText.exactOptional(),
  role: plainText.exactOptional(),
  type: plainText.exactOptional(),
  level: plainText.exactOptional(),
});

const capability = text((value) =>
  /^[A-Za-z_]+$/.test(value) ? undefined : 'has to be the name of a capability, such as NET_ADMIN, or ALL',
);

const capabilitiesSchema = z.strictObject({
  add: z.array(capability).default([]),
  drop: z.array(capability).default([]),
});

/** What a pod may say for all of its containers, and each container for itself. */
const shared = {
  runAsUser: id.exactOptional(),
  runAsGroup: id.exactOptional(),
  runAsNonRoot: z.boolean().exactOptional(),
  seccompProfile: seccompProfileSchema.exactOptional(),
  appArmorProfile: appArmorProfileSchema.exactOptional(),
  seLinuxOptions: seLinuxOptionsSchema.exactOptional(),
};

export const securityContextSchema = z.strictObject({
  ...shared,
  capabilities: capabilitiesSchema.exactOptional(),
  privileged: z.boolean().exactOptional(),
  readOnlyRootFilesystem: z.boolean().exactOptional(),
  allowPrivilegeEscalation: z.boolean().exactOptional(),
  procMount: z.enum(['Default', 'Unmasked']).exactOptional(),
});

const sysctlSchema = z.strictObject({
  name: text((value) =>
    value.length <= 253 && /^[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*$/.test(value)
      ? undefined
      : 'has to be the name of a sysctl, such as net.ipv4.ip_unprivileged_port_start',
  ),
  value: plainText,
});

export const podSecurityContextSchema = z.strictObject({
  ...shared,
  supplementalGroups: z.array(id).default([]),
  /** Absent: `Merge`. */
  supplementalGroupsPolicy: z.enum(['Merge', 'Strict']).exactOptional(),
  fsGroup: id.exactOptional(),
  /** Absent: `Always`. As in Kubernetes it is for volumes that outlive their pod, and of those a fsGroup changes none here. */
  fsGroupChangePolicy: z.enum(['Always', 'OnRootMismatch']).exactOptional(),
  sysctls: z.array(sysctlSchema).default([]),
});
