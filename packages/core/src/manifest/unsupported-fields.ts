/**
 * What Kubernetes has and this library refuses: by the path of the object in the manifest without indexes of lists, field
 * to advice. The advice says why, or what to do instead.
 */
type Unsupported = Readonly<Record<string, Readonly<Record<string, string>>>>;

const NO_SCHEDULER = 'there is no scheduler here, remove it';
const SET_BY_SERVER = 'it is written by a Kubernetes API server, remove it';
const NO_WINDOWS = 'the nodes are Linux machines, remove it';
const NO_ACCOUNTS = 'there are no service accounts here, remove it';
const NO_CLAIMS =
  'devices are not allotted here, mount /dev/… by a hostPath volume of a privileged container';
const NO_DEVICES = 'use a hostPath volume of type BlockDevice in a privileged container';
const MOUNT_ON_NODE = 'mount it on the node and use hostPath';
const RETIRED = 'Kubernetes has retired it, mount it on the node and use hostPath';

const CONTAINER: Unsupported = {
  '': {
    restartPolicyRules: 'restartPolicy is all that decides about restarts here, remove it',
    volumeDevices: NO_DEVICES,
  },
  'env.valueFrom': { fileKeyRef: 'let the command read the file' },
  'lifecycle.postStart': { tcpSocket: 'Kubernetes has retired it, use httpGet or exec' },
  'lifecycle.preStop': { tcpSocket: 'Kubernetes has retired it, use httpGet or exec' },
  readinessProbe: {
    terminationGracePeriodSeconds:
      'a readiness probe ends nothing, give it to the livenessProbe or startupProbe',
  },
  resources: { claims: NO_CLAIMS },
  'resources.limits': { storage: 'it belongs to volume claims, use ephemeral-storage' },
  'resources.requests': { storage: 'it belongs to volume claims, use ephemeral-storage' },
  securityContext: { windowsOptions: NO_WINDOWS },
};

function containers(path: string, extra: Readonly<Record<string, string>>): Unsupported {
  const entries = Object.entries(CONTAINER).map(([object, fields]) => [
    object === '' ? path : `${path}.${object}`,
    object === '' ? { ...fields, ...extra } : fields,
  ]);
  return Object.fromEntries(entries);
}

const PROJECTED: Readonly<Record<string, string>> = {
  serviceAccountToken: 'there are no service accounts here, give a token as a secret',
  clusterTrustBundle: 'there is no cluster here, give the certificates as a configMap',
  podCertificate: 'there is no cluster here that could sign it, give certificate and key as a secret',
};

export const UNSUPPORTED_FIELDS: Unsupported = {
  '': { status: SET_BY_SERVER },
  metadata: {
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
  },
  spec: {
    affinity: NO_SCHEDULER,
    ephemeralContainers: 'add one to a running pod, as `podwright debug` does',
    nodeName: 'the pod runs on the node whose agent reads it, remove it',
    nodeSelector: NO_SCHEDULER,
    preemptionPolicy: NO_SCHEDULER,
    priority: NO_SCHEDULER,
    priorityClassName: NO_SCHEDULER,
    readinessGates: 'nobody sets conditions of pods here, use a readinessProbe',
    resourceClaims: NO_CLAIMS,
    runtimeClassName: 'the agent has one OCI runtime for all pods, configure that and remove it',
    schedulerName: NO_SCHEDULER,
    schedulingGates: NO_SCHEDULER,
    schedulingGroup: NO_SCHEDULER,
    serviceAccount: NO_ACCOUNTS,
    serviceAccountName: NO_ACCOUNTS,
    tolerations: NO_SCHEDULER,
    topologySpreadConstraints: NO_SCHEDULER,
    workloadRef: NO_SCHEDULER,
  },
  'spec.resources': { claims: NO_CLAIMS },
  'spec.resources.limits': { 'ephemeral-storage': 'give it to each container' },
  'spec.resources.requests': { 'ephemeral-storage': 'give it to each container' },
  ...containers('spec.containers', {
    restartPolicy:
      'set spec.restartPolicy, or make it an init container with restartPolicy: Always (a sidecar)',
  }),
  ...containers('spec.initContainers', {}),
  'spec.securityContext': {
    seLinuxChangePolicy: 'volumes keep their labels here, remove it',
    windowsOptions: NO_WINDOWS,
  },
  'spec.volumes': {
    ...Object.fromEntries(
      ['azureDisk', 'azureFile', 'cephfs', 'fc', 'iscsi', 'nfs', 'rbd'].map((source) => [
        source,
        MOUNT_ON_NODE,
      ]),
    ),
    ...Object.fromEntries(
      [
        ...['awsElasticBlockStore', 'cinder', 'flexVolume', 'flocker', 'gcePersistentDisk', 'glusterfs'],
        ...['photonPersistentDisk', 'portworxVolume', 'quobyte', 'scaleIO', 'storageos', 'vsphereVolume'],
      ].map((source) => [source, RETIRED]),
    ),
    csi: 'there are no CSI drivers here, mount it on the node and use hostPath',
    ephemeral: 'there are no volume claims here, use emptyDir',
    gitRepo: 'Kubernetes has retired it, clone into an emptyDir in an init container',
    persistentVolumeClaim: 'there are no volume claims here, use hostPath',
  },
  'spec.volumes.projected.sources': PROJECTED,
};
