import { z } from 'zod';
import { containerSchema, initContainerSchema, podAmountsSchema } from './container-schema.js';
import { dnsLabel, dnsSubdomain, ipAddress, LARGEST_INT32, plainText } from './schema-parts.js';
import { podSecurityContextSchema } from './security-schema.js';
import { volumeSchema } from './volume-schema.js';

export const metadataSchema = z.strictObject({
  name: dnsSubdomain,
  namespace: dnsLabel.default('default'),
  uid: dnsLabel.exactOptional(),
  labels: z.record(z.string(), z.string()).default({}),
  annotations: z.record(z.string(), z.string()).default({}),
});

const dnsConfigSchema = z.strictObject({
  nameservers: z.array(ipAddress).max(3).default([]),
  searches: z.array(dnsSubdomain).max(32).default([]),
  options: z.array(z.strictObject({ name: plainText, value: plainText.exactOptional() })).default([]),
});

const hostAliasSchema = z.strictObject({ ip: ipAddress, hostnames: z.array(dnsSubdomain).default([]) });

const podSpecSchema = z.strictObject({
  initContainers: z.array(initContainerSchema).default([]),
  containers: z.array(containerSchema).min(1),
  volumes: z.array(volumeSchema).default([]),
  restartPolicy: z.enum(['Always', 'OnFailure', 'Never']).default('Always'),
  /** Seconds. */
  terminationGracePeriodSeconds: z.int().min(0).max(LARGEST_INT32).default(30),
  /** Seconds from the pod's start to its end by force. */
  activeDeadlineSeconds: z.int().min(1).max(LARGEST_INT32).exactOptional(),
  hostNetwork: z.boolean().default(false),
  hostPID: z.boolean().default(false),
  hostIPC: z.boolean().default(false),
  /** False: the pod has a user namespace of its own. */
  hostUsers: z.boolean().default(true),
  shareProcessNamespace: z.boolean().default(false),
  hostname: dnsLabel.exactOptional(),
  subdomain: dnsLabel.exactOptional(),
  setHostnameAsFQDN: z.boolean().default(false),
  /** The host name inside the pod, whatever else says. */
  hostnameOverride: dnsSubdomain.exactOptional(),
  hostAliases: z.array(hostAliasSchema).default([]),
  /** The two of ClusterFirst are `Default` here: without a cluster's DNS server the kubelet falls back to it too. */
  dnsPolicy: z.enum(['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None']).default('ClusterFirst'),
  dnsConfig: dnsConfigSchema.exactOptional(),
  securityContext: podSecurityContextSchema.default({ supplementalGroups: [], sysctls: [] }),
  /** What all containers have together. */
  resources: z
    .strictObject({ limits: podAmountsSchema.default({}), requests: podAmountsSchema.default({}) })
    .exactOptional(),
  /** What the pod needs beside its containers. */
  overhead: podAmountsSchema.exactOptional(),
  imagePullSecrets: z.array(z.strictObject({ name: dnsSubdomain })).default([]),
  os: z.strictObject({ name: z.literal('linux') }).exactOptional(),
  /** Of no effect: there are no services here whose variables could be given. */
  enableServiceLinks: z.boolean().default(true),
  automountServiceAccountToken: z
    .boolean()
    .check(({ value, issues }) => {
      const message = 'has to be false: there are no service accounts here whose token could be given';
      if (value) issues.push({ code: 'custom', message, input: value });
    })
    .exactOptional(),
});

export const podSchema = z.strictObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('Pod'),
  metadata: metadataSchema.transform((metadata) => ({
    ...metadata,
    uid: metadata.uid ?? crypto.randomUUID(),
  })),
  spec: podSpecSchema,
});
