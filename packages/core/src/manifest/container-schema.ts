import { z } from 'zod';
import { imageReferenceProblem, portNameProblem } from './names.js';
import { killingProbeSchema, lifecycleSchema, readinessProbeSchema } from './probe-schema.js';
import { defaultPullPolicy } from './pull-policy.js';
import {
  absolutePath,
  byteQuantity,
  cpuQuantity,
  dnsLabel,
  ipAddress,
  plainText,
  port,
  relativePath,
  text,
} from './schema-parts.js';
import { securityContextSchema } from './security-schema.js';
import { envFromSchema, envSchema } from './value-sources-schema.js';
import { PULL_POLICIES } from './volume-schema.js';

const portSchema = z.strictObject({
  name: text(portNameProblem).exactOptional(),
  containerPort: port,
  hostPort: port.exactOptional(),
  hostIP: ipAddress.exactOptional(),
  protocol: z.enum(['TCP', 'UDP', 'SCTP']).default('TCP'),
});

export const podAmountsSchema = z.strictObject({
  cpu: cpuQuantity.exactOptional(),
  memory: byteQuantity.exactOptional(),
});

const amountsSchema = podAmountsSchema.extend({
  'ephemeral-storage': byteQuantity.exactOptional(),
  'hugepages-2Mi': byteQuantity.exactOptional(),
  'hugepages-1Gi': byteQuantity.exactOptional(),
});

const volumeMountSchema = z
  .strictObject({
    name: dnsLabel,
    mountPath: absolutePath,
    readOnly: z.boolean().default(false),
    /** Read-only for what is mounted below it too: as far as the kernel can, or else an error. */
    recursiveReadOnly: z.enum(['Disabled', 'IfPossible', 'Enabled']).default('Disabled'),
    mountPropagation: z.enum(['None', 'HostToContainer', 'Bidirectional']).default('None'),
    /** What of the volume is mounted; empty: all of it. */
    subPath: relativePath.default(''),
    /** The same with `$(VAR)` of the container's environment. */
    subPathExpr: relativePath.default(''),
  })
  .check(({ value: mount, issues }) => {
    const refuse = (field: string, message: string) =>
      issues.push({ code: 'custom', message, path: [field], input: mount });
    if (mount.subPath !== '' && mount.subPathExpr !== '') {
      refuse('subPathExpr', 'cannot be given together with subPath');
    }
    if (mount.recursiveReadOnly === 'Disabled') return;
    if (!mount.readOnly) refuse('recursiveReadOnly', 'needs readOnly: true');
    if (mount.mountPropagation !== 'None') refuse('recursiveReadOnly', 'needs mountPropagation: None');
  });

const resizePolicySchema = z.strictObject({
  resourceName: z.enum(['cpu', 'memory']),
  restartPolicy: z.enum(['NotRequired', 'RestartContainer']),
});

const DEFAULT_MESSAGE_PATH = '/dev/termination-log';

const shape = z.strictObject({
  name: dnsLabel,
  image: text(imageReferenceProblem),
  imagePullPolicy: z.enum(PULL_POLICIES).exactOptional(),
  command: z.array(plainText).exactOptional(),
  args: z.array(plainText).exactOptional(),
  workingDir: absolutePath.exactOptional(),
  env: z.array(envSchema).default([]),
  envFrom: z.array(envFromSchema).default([]),
  ports: z.array(portSchema).default([]),
  resources: z
    .strictObject({ limits: amountsSchema.default({}), requests: amountsSchema.default({}) })
    .default({ limits: {}, requests: {} }),
  resizePolicy: z.array(resizePolicySchema).default([]),
  volumeMounts: z.array(volumeMountSchema).default([]),
  lifecycle: lifecycleSchema.exactOptional(),
  livenessProbe: killingProbeSchema.exactOptional(),
  readinessProbe: readinessProbeSchema.exactOptional(),
  startupProbe: killingProbeSchema.exactOptional(),
  securityContext: securityContextSchema.default({}),
  stdin: z.boolean().default(false),
  stdinOnce: z.boolean().default(false),
  tty: z.boolean().default(false),
  terminationMessagePath: z
    .preprocess((path) => (path === '' ? DEFAULT_MESSAGE_PATH : path), absolutePath)
    .default(DEFAULT_MESSAGE_PATH),
  terminationMessagePolicy: z.enum(['File', 'FallbackToLogsOnError']).default('File'),
});

/** `Always` makes a sidecar of an init container: the pod goes on when it has started, and it is ended last. */
const initShape = shape.extend({ restartPolicy: z.literal('Always').exactOptional() });

/** Both kinds come out as one type, so that what works on one works on the other. */
function complete(container: z.output<typeof initShape>) {
  return { ...container, imagePullPolicy: container.imagePullPolicy ?? defaultPullPolicy(container.image) };
}

export const containerSchema = shape.transform((container) => complete(container));
export const initContainerSchema = initShape.transform((container) => complete(container));
