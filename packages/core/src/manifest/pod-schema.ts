import { z } from 'zod';
import {
  absolutePathProblem,
  dnsLabelProblem,
  dnsSubdomainProblem,
  envNameProblem,
  imageReferenceProblem,
  ipProblem,
  nulProblem,
  portNameProblem,
} from './names.js';
import { defaultPullPolicy } from './pull-policy.js';
import { byteQuantityProblem, cpuQuantityProblem } from './quantity.js';

/** Text with a rule; the rule says what is wrong with it. */
function text(problem: (value: string) => string | undefined) {
  return z.string().check((context) => {
    const message = problem(context.value);
    if (message !== undefined) context.issues.push({ code: 'custom', message, input: context.value });
  });
}

/** YAML reads `cpu: 1` as a number; Kubernetes takes it, and so do we. */
function quantity(problem: (value: string) => string | undefined) {
  return z.preprocess((value) => (typeof value === 'number' ? String(value) : value), text(problem));
}

const plainText = text(nulProblem);
const dnsLabel = text(dnsLabelProblem);
const absolutePath = text(absolutePathProblem);
const port = z.int().min(1).max(65535);
/** Kubernetes keeps user and group ids below 2^31. */
const id = z.int().min(0).max(2147483647);

export const metadataSchema = z.strictObject({
  name: text(dnsSubdomainProblem),
  namespace: dnsLabel.default('default'),
  uid: dnsLabel.exactOptional(),
  labels: z.record(z.string(), z.string()).default({}),
  annotations: z.record(z.string(), z.string()).default({}),
});

export const envSchema = z.strictObject({ name: text(envNameProblem), value: plainText.default('') });

export const portSchema = z.strictObject({
  name: text(portNameProblem).exactOptional(),
  containerPort: port,
  hostPort: port.exactOptional(),
  hostIP: text(ipProblem).exactOptional(),
  protocol: z.enum(['TCP', 'UDP', 'SCTP']).default('TCP'),
});

export const resourceAmountsSchema = z.strictObject({
  cpu: quantity(cpuQuantityProblem).exactOptional(),
  memory: quantity(byteQuantityProblem).exactOptional(),
});

export const resourcesSchema = z.strictObject({
  limits: resourceAmountsSchema.default({}),
  requests: resourceAmountsSchema.default({}),
});

export const volumeMountSchema = z.strictObject({
  name: dnsLabel,
  mountPath: absolutePath,
  readOnly: z.boolean().default(false),
  mountPropagation: z.enum(['None', 'HostToContainer', 'Bidirectional']).default('None'),
});

export const seccompProfileSchema = z.strictObject({ type: z.enum(['RuntimeDefault', 'Unconfined']) });

const capability = text((value) =>
  /^[A-Za-z_]+$/.test(value) ? undefined : 'has to be the name of a capability, such as NET_ADMIN, or ALL',
);

export const capabilitiesSchema = z.strictObject({
  add: z.array(capability).default([]),
  drop: z.array(capability).default([]),
});

export const securityContextSchema = z.strictObject({
  runAsUser: id.exactOptional(),
  runAsGroup: id.exactOptional(),
  runAsNonRoot: z.boolean().exactOptional(),
  capabilities: capabilitiesSchema.exactOptional(),
  privileged: z.boolean().exactOptional(),
  readOnlyRootFilesystem: z.boolean().exactOptional(),
  allowPrivilegeEscalation: z.boolean().exactOptional(),
  seccompProfile: seccompProfileSchema.exactOptional(),
});

export const containerSchema = z.strictObject({
  name: dnsLabel,
  image: text(imageReferenceProblem),
  imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).exactOptional(),
  command: z.array(plainText).exactOptional(),
  args: z.array(plainText).exactOptional(),
  workingDir: absolutePath.exactOptional(),
  env: z.array(envSchema).default([]),
  ports: z.array(portSchema).default([]),
  resources: resourcesSchema.default({ limits: {}, requests: {} }),
  volumeMounts: z.array(volumeMountSchema).default([]),
  securityContext: securityContextSchema.default({}),
});

const completeContainerSchema = containerSchema.transform((container) => ({
  ...container,
  imagePullPolicy: container.imagePullPolicy ?? defaultPullPolicy(container.image),
}));

export const hostPathSchema = z.strictObject({
  path: absolutePath,
  type: z
    .enum([
      '',
      'DirectoryOrCreate',
      'Directory',
      'FileOrCreate',
      'File',
      'Socket',
      'CharDevice',
      'BlockDevice',
    ])
    .default(''),
});

export const emptyDirSchema = z.strictObject({
  medium: z.enum(['', 'Memory']).default(''),
  sizeLimit: quantity(byteQuantityProblem).exactOptional(),
});

export const volumeSchema = z.strictObject({
  name: dnsLabel,
  hostPath: hostPathSchema.exactOptional(),
  emptyDir: emptyDirSchema.exactOptional(),
});

export const sysctlSchema = z.strictObject({
  name: text((value) =>
    value.length <= 253 && /^[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*$/.test(value)
      ? undefined
      : 'has to be the name of a sysctl, such as net.ipv4.ip_unprivileged_port_start',
  ),
  value: plainText,
});

export const podSecurityContextSchema = z.strictObject({
  runAsUser: id.exactOptional(),
  runAsGroup: id.exactOptional(),
  runAsNonRoot: z.boolean().exactOptional(),
  supplementalGroups: z.array(id).default([]),
  seccompProfile: seccompProfileSchema.exactOptional(),
  sysctls: z.array(sysctlSchema).default([]),
});

export const dnsOptionSchema = z.strictObject({ name: plainText, value: plainText.exactOptional() });

export const dnsConfigSchema = z.strictObject({
  nameservers: z.array(text(ipProblem)).max(3).default([]),
  searches: z.array(text(dnsSubdomainProblem)).max(32).default([]),
  options: z.array(dnsOptionSchema).default([]),
});

export const podSpecSchema = z.strictObject({
  initContainers: z.array(completeContainerSchema).default([]),
  containers: z.array(completeContainerSchema).min(1),
  volumes: z.array(volumeSchema).default([]),
  restartPolicy: z.enum(['Always', 'OnFailure', 'Never']).default('Always'),
  /** Seconds. */
  terminationGracePeriodSeconds: z.int().min(0).max(2147483647).default(30),
  hostNetwork: z.boolean().default(false),
  hostPID: z.boolean().default(false),
  hostIPC: z.boolean().default(false),
  hostname: dnsLabel.exactOptional(),
  /** `ClusterFirst` is `Default` here: without a cluster's DNS server the kubelet falls back to it too. */
  dnsPolicy: z.enum(['ClusterFirst', 'Default', 'None']).default('ClusterFirst'),
  dnsConfig: dnsConfigSchema.exactOptional(),
  securityContext: podSecurityContextSchema.default({ supplementalGroups: [], sysctls: [] }),
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
