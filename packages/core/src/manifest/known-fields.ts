import type { z } from 'zod';
import {
  capabilitiesSchema,
  containerSchema,
  dnsConfigSchema,
  dnsOptionSchema,
  emptyDirSchema,
  envSchema,
  hostPathSchema,
  metadataSchema,
  podSchema,
  podSecurityContextSchema,
  podSpecSchema,
  portSchema,
  resourceAmountsSchema,
  resourcesSchema,
  seccompProfileSchema,
  securityContextSchema,
  sysctlSchema,
  volumeMountSchema,
  volumeSchema,
} from './pod-schema.js';

/** What an object of the manifest takes, and what Kubernetes has there beside it: field to advice, '' for "remove it". */
export interface KnownFields {
  readonly supported: readonly string[];
  readonly unsupported: Readonly<Record<string, string>>;
}

const NOT_HERE = 'there is no scheduler here: remove it';
const SET_BY_SERVER = 'it is written by a Kubernetes API server: remove it';

const CONTAINER_UNSUPPORTED: Readonly<Record<string, string>> = {
  envFrom: 'give the variables in env',
  lifecycle: '',
  livenessProbe: '',
  readinessProbe: '',
  startupProbe: '',
  resizePolicy: '',
  restartPolicy: 'sidecar containers are not supported: set spec.restartPolicy',
  restartPolicyRules: '',
  stdin: '',
  stdinOnce: '',
  tty: '',
  terminationMessagePath: '',
  terminationMessagePolicy: '',
  volumeDevices: '',
};

const VOLUME_SOURCES_UNSUPPORTED = Object.fromEntries(
  [
    ...['awsElasticBlockStore', 'azureDisk', 'azureFile', 'cephfs', 'cinder', 'configMap', 'csi'],
    ...['downwardAPI', 'ephemeral', 'fc', 'flexVolume', 'flocker', 'gcePersistentDisk', 'gitRepo'],
    ...['glusterfs', 'image', 'iscsi', 'nfs', 'persistentVolumeClaim', 'photonPersistentDisk'],
    ...['portworxVolume', 'projected', 'quobyte', 'rbd', 'scaleIO', 'secret', 'storageos', 'vsphereVolume'],
  ].map((source) => [source, 'use hostPath or emptyDir']),
);

const OTHER_RESOURCES: Readonly<Record<string, string>> = {
  'ephemeral-storage': 'cpu and memory can be limited',
  storage: 'cpu and memory can be limited',
  'hugepages-2Mi': 'cpu and memory can be limited',
  'hugepages-1Gi': 'cpu and memory can be limited',
};

/** By the path of the object in the manifest, list indexes left out. */
const FIELDS: Readonly<Record<string, KnownFields>> = {
  '': fields(podSchema, { status: SET_BY_SERVER }),
  metadata: fields(metadataSchema, {
    generateName: 'give a name',
    creationTimestamp: SET_BY_SERVER,
    deletionTimestamp: SET_BY_SERVER,
    deletionGracePeriodSeconds: SET_BY_SERVER,
    finalizers: SET_BY_SERVER,
    generation: SET_BY_SERVER,
    managedFields: SET_BY_SERVER,
    ownerReferences: SET_BY_SERVER,
    resourceVersion: SET_BY_SERVER,
    selfLink: SET_BY_SERVER,
  }),
  spec: fields(podSpecSchema, {
    activeDeadlineSeconds: '',
    affinity: NOT_HERE,
    automountServiceAccountToken: '',
    enableServiceLinks: '',
    ephemeralContainers: '',
    hostAliases: '',
    hostUsers: '',
    hostnameOverride: '',
    imagePullSecrets: '',
    nodeName: NOT_HERE,
    nodeSelector: NOT_HERE,
    os: '',
    overhead: '',
    preemptionPolicy: NOT_HERE,
    priority: NOT_HERE,
    priorityClassName: NOT_HERE,
    readinessGates: '',
    resourceClaims: '',
    resources: 'give them to each container',
    runtimeClassName: '',
    schedulerName: NOT_HERE,
    schedulingGates: NOT_HERE,
    schedulingGroup: NOT_HERE,
    serviceAccount: '',
    serviceAccountName: '',
    setHostnameAsFQDN: '',
    shareProcessNamespace: 'each container has its own PID namespace, or the host’s with hostPID',
    subdomain: '',
    tolerations: NOT_HERE,
    topologySpreadConstraints: NOT_HERE,
  }),
  'spec.containers': fields(containerSchema, CONTAINER_UNSUPPORTED),
  'spec.initContainers': fields(containerSchema, CONTAINER_UNSUPPORTED),
  ...forContainers('env', fields(envSchema, { valueFrom: 'give the value itself' })),
  ...forContainers('ports', fields(portSchema)),
  ...forContainers('resources', fields(resourcesSchema, { claims: '' })),
  ...forContainers('resources.limits', fields(resourceAmountsSchema, OTHER_RESOURCES)),
  ...forContainers('resources.requests', fields(resourceAmountsSchema, OTHER_RESOURCES)),
  ...forContainers(
    'volumeMounts',
    fields(volumeMountSchema, {
      recursiveReadOnly: '',
      subPath: 'mount the whole volume',
      subPathExpr: 'mount the whole volume',
    }),
  ),
  ...forContainers(
    'securityContext',
    fields(securityContextSchema, {
      appArmorProfile: '',
      procMount: '',
      seLinuxOptions: '',
      windowsOptions: '',
    }),
  ),
  ...forContainers('securityContext.capabilities', fields(capabilitiesSchema)),
  ...forContainers(
    'securityContext.seccompProfile',
    fields(seccompProfileSchema, { localhostProfile: 'use type RuntimeDefault or Unconfined' }),
  ),
  'spec.volumes': fields(volumeSchema, VOLUME_SOURCES_UNSUPPORTED),
  'spec.volumes.hostPath': fields(hostPathSchema),
  'spec.volumes.emptyDir': fields(emptyDirSchema),
  'spec.securityContext': fields(podSecurityContextSchema, {
    appArmorProfile: '',
    fsGroup: '',
    fsGroupChangePolicy: '',
    seLinuxChangePolicy: '',
    seLinuxOptions: '',
    supplementalGroupsPolicy: '',
    windowsOptions: '',
  }),
  'spec.securityContext.seccompProfile': fields(seccompProfileSchema, {
    localhostProfile: 'use type RuntimeDefault or Unconfined',
  }),
  'spec.securityContext.sysctls': fields(sysctlSchema),
  'spec.dnsConfig': fields(dnsConfigSchema),
  'spec.dnsConfig.options': fields(dnsOptionSchema),
};

/** Says of a field that the schema does not take what can be done about it. */
export function unknownFieldMessage(objectPath: readonly PropertyKey[], field: string): string {
  const known = FIELDS[objectPath.filter((part) => typeof part === 'string').join('.')];
  const advice = known && Object.hasOwn(known.unsupported, field) ? known.unsupported[field] : undefined;
  if (advice !== undefined) return `is not supported by Podwright yet: ${advice || 'remove it'}`;
  const nearest = nearestName(field, [...(known?.supported ?? []), ...Object.keys(known?.unsupported ?? {})]);
  const suggestion = nearest === undefined ? '' : `: did you mean "${nearest}"?`;
  return suggestion || !known
    ? `is no field of a Kubernetes Pod${suggestion}`
    : `is no field of a Kubernetes Pod: here are allowed ${known.supported.join(', ')}`;
}

function fields(schema: z.ZodObject, unsupported: Readonly<Record<string, string>> = {}): KnownFields {
  return { supported: Object.keys(schema.shape), unsupported };
}

function forContainers(path: string, known: KnownFields): Readonly<Record<string, KnownFields>> {
  return { [`spec.containers.${path}`]: known, [`spec.initContainers.${path}`]: known };
}

/** The name that a person may have meant: the fewest changes, and few enough of them. */
function nearestName(field: string, names: readonly string[]): string | undefined {
  const ranked = names
    .map((name) => ({ name, distance: editDistance(field.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best && best.distance <= Math.floor(field.length / 4) + (field.length > 3 ? 1 : 0)
    ? best.name
    : undefined;
}

/** Levenshtein's distance. */
function editDistance(from: string, to: string): number {
  const target = [...to];
  let previous = Array.from({ length: target.length + 1 }, (_, index) => index);
  for (const [row, letter] of [...from].entries()) {
    const current = [row + 1];
    for (const [column, other] of target.entries()) {
      const replaced = (previous[column] ?? 0) + (letter === other ? 0 : 1);
      current.push(Math.min(replaced, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1));
    }
    previous = current;
  }
  return previous.at(-1) ?? 0;
}
