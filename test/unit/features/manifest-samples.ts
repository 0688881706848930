// Manifests that together use every field of a Pod but those that a backend refuses; see features.spec.ts.

export const SAMPLE_IMAGE = 'busybox:1.36';

const HTTP = {
  path: '/',
  port: 8080,
  host: '127.0.0.1',
  scheme: 'HTTP',
  httpHeaders: [{ name: 'X', value: 'y' }],
};
const TIMES = {
  initialDelaySeconds: 1,
  timeoutSeconds: 1,
  periodSeconds: 1,
  successThreshold: 1,
  failureThreshold: 3,
};

/** Each way to probe and each hook that there is, by container. */
const HANDLERS = {
  exec: { exec: { command: ['true'] } },
  http: { httpGet: HTTP },
  tcp: { tcpSocket: { port: 8080, host: '127.0.0.1' } },
  grpc: { grpc: { port: 8080, service: 's' } },
} as const;
const HOOKS = {
  exec: { exec: { command: ['true'] } },
  http: { httpGet: { ...HTTP, port: 'web' } },
  tcp: { sleep: { seconds: 0 } },
  grpc: undefined,
} as const;

type Variant = keyof typeof HANDLERS;

/** A container with all the fields; only the handlers of its probes and hooks depend on the variant. */
function container(kind: 'app' | 'sidecar', variant: Variant, index: number) {
  const killing = { ...HANDLERS[variant], ...TIMES, terminationGracePeriodSeconds: 1 };
  const hook = HOOKS[variant];
  const amounts = {
    ...{ cpu: '100m', memory: '16Mi', 'ephemeral-storage': '1Gi' },
    ...{ 'hugepages-2Mi': '2Mi', 'hugepages-1Gi': '1Gi' },
  };
  return {
    ...{ name: `${kind}-${variant}`, image: SAMPLE_IMAGE, imagePullPolicy: 'IfNotPresent' },
    ...{ command: ['httpd', '-f'], args: ['-p', String(9000 + index), '-h', '/'], workingDir: '/' },
    env: [
      { name: 'PLAIN', value: 'v' },
      { name: 'FIELD', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } },
      {
        name: 'RESOURCE',
        valueFrom: { resourceFieldRef: { containerName: 'app-exec', resource: 'limits.cpu', divisor: '1m' } },
      },
      { name: 'CONFIG', valueFrom: { configMapKeyRef: { name: 'config', key: 'k', optional: true } } },
      { name: 'SECRET', valueFrom: { secretKeyRef: { name: 'secret', key: 'k', optional: true } } },
    ],
    envFrom: [
      { prefix: 'C_', configMapRef: { name: 'config', optional: true } },
      { prefix: 'S_', secretRef: { name: 'secret', optional: true } },
    ],
    ports: [
      {
        ...{ name: 'web', containerPort: 9000 + index, hostPort: 19000 + index },
        ...{ hostIP: '127.0.0.1', protocol: 'TCP' },
      },
    ],
    resources: { limits: amounts, requests: amounts },
    resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }],
    volumeMounts: [
      ...['config', 'secret', 'projected', 'downward', 'image'].map((name) => ({
        name,
        mountPath: `/volumes/${name}`,
      })),
      { name: 'host', mountPath: '/volumes/host', mountPropagation: 'HostToContainer', subPath: 'part' },
      { name: 'empty', mountPath: '/volumes/empty', subPathExpr: '$(PLAIN)' },
      { name: 'empty', mountPath: '/volumes/read', readOnly: true, recursiveReadOnly: 'IfPossible' },
    ],
    ...(hook ? { lifecycle: { postStart: hook, preStop: hook, stopSignal: 'SIGTERM' } } : {}),
    livenessProbe: killing,
    readinessProbe: { ...HANDLERS[variant], ...TIMES },
    startupProbe: killing,
    securityContext: {
      ...{ runAsUser: 1000, runAsGroup: 1000, runAsNonRoot: true },
      seccompProfile:
        variant === 'exec' ? { type: 'Localhost', localhostProfile: 'p.json' } : { type: 'RuntimeDefault' },
      appArmorProfile: { type: 'Unconfined' },
      capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] },
      ...{ privileged: false, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
      procMount: 'Default',
    },
    ...{ stdin: true, stdinOnce: true, tty: true },
    ...{ terminationMessagePath: '/dev/termination-log', terminationMessagePolicy: 'FallbackToLogsOnError' },
  };
}

const VARIANTS = Object.keys(HANDLERS) as Variant[];

const fields = [
  { path: 'name', mode: 0o444, fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } },
  { path: 'cpu', resourceFieldRef: { containerName: 'app-exec', resource: 'limits.cpu', divisor: '1m' } },
];
const items = (path: string) => [{ key: 'k', path, mode: 0o444 }];

const VOLUMES = [
  { name: 'host', hostPath: { path: '/srv/shared', type: 'DirectoryOrCreate' } },
  { name: 'empty', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
  { name: 'config', configMap: { name: 'config', items: items('c'), defaultMode: 0o444, optional: true } },
  { name: 'secret', secret: { secretName: 'secret', items: items('s'), defaultMode: 0o444, optional: true } },
  {
    name: 'projected',
    projected: {
      defaultMode: 0o444,
      sources: [
        { configMap: { name: 'config', items: items('c'), optional: true } },
        { secret: { name: 'secret', items: items('s'), optional: true } },
        { downwardAPI: { items: fields } },
      ],
    },
  },
  { name: 'downward', downwardAPI: { items: fields, defaultMode: 0o444 } },
  { name: 'image', image: { reference: SAMPLE_IMAGE, pullPolicy: 'IfNotPresent' } },
];

const POD_AMOUNTS = { cpu: '1', memory: '1Gi' };

/** All that a pod can have beside its names, in a network of its own. */
const FULL = {
  ...{ apiVersion: 'v1', kind: 'Pod' },
  metadata: { name: 'full', namespace: 'default', uid: 'full', labels: { a: 'b' }, annotations: { c: 'd' } },
  spec: {
    initContainers: VARIANTS.map((variant, index) => ({
      ...container('sidecar', variant, 10 + index),
      restartPolicy: 'Always',
    })),
    containers: VARIANTS.map((variant, index) => container('app', variant, index)),
    volumes: VOLUMES,
    ...{ restartPolicy: 'Always', terminationGracePeriodSeconds: 1, activeDeadlineSeconds: 600 },
    ...{ hostNetwork: false, hostPID: false, hostIPC: false, hostUsers: true, shareProcessNamespace: true },
    ...{ hostname: 'h', subdomain: 's', setHostnameAsFQDN: true },
    hostAliases: [{ ip: '10.0.0.1', hostnames: ['other'] }],
    dnsPolicy: 'None',
    dnsConfig: { nameservers: ['10.0.0.2'], searches: ['a.b'], options: [{ name: 'ndots', value: '2' }] },
    securityContext: {
      ...{ runAsUser: 1000, runAsGroup: 1000, runAsNonRoot: true, fsGroup: 5 },
      ...{ seccompProfile: { type: 'RuntimeDefault' }, appArmorProfile: { type: 'Unconfined' } },
      ...{ supplementalGroups: [7], supplementalGroupsPolicy: 'Strict', fsGroupChangePolicy: 'Always' },
      sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }],
    },
    resources: { limits: POD_AMOUNTS, requests: POD_AMOUNTS },
    overhead: { cpu: '1m', memory: '1Mi' },
    imagePullSecrets: [{ name: 'absent' }],
    os: { name: 'linux' },
    ...{ enableServiceLinks: false, automountServiceAccountToken: false },
  },
};

/** What excludes some of the above: seccomp by a path for the whole pod, the host's namespaces, another name. */
const OTHERS = [
  {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'named' } },
    spec: {
      hostnameOverride: 'other.name',
      securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: 'p.json' } },
      containers: [{ name: 'c', image: SAMPLE_IMAGE, command: ['sleep', '1000'] }],
    },
  },
  {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'node' } },
    spec: {
      ...{ hostNetwork: true, hostIPC: true },
      containers: [{ name: 'c', image: SAMPLE_IMAGE, command: ['sleep', '1000'] }],
    },
  },
];

/** Manifests with all that the memory backend takes. */
export const takenManifests: readonly object[] = [FULL, ...OTHERS];

/** The paths of all fields that a manifest has, without indexes; keys of labels, annotations and the like are none. */
export function pathsOf(value: unknown, path = ''): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((entry) => pathsOf(entry, path));
  if (typeof value !== 'object' || value === null || /^metadata\.(labels|annotations)$/.test(path)) {
    return [path];
  }
  const below = Object.entries(value).flatMap(([name, field]) =>
    pathsOf(field, path === '' ? name : `${path}.${name}`),
  );
  return path === '' ? below : [path, ...below];
}

/** A small manifest with these fields of the pod, and these of its container. */
export function manifestWith(spec: object, container: object = {}): object {
  return {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'refused' } },
    spec: {
      ...spec,
      containers: [{ name: 'c', image: SAMPLE_IMAGE, command: ['sleep', '1000'], ...container }],
    },
  };
}
