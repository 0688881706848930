import { describe, expect, it } from 'vitest';
import { PodwrightError } from '../errors.js';
import { parsePod } from './pod.js';
import type { ManifestProblem } from './problems.js';

type Fields = Readonly<Record<string, unknown>>;

function manifest(spec: Fields = {}): Fields {
  return {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'site', uid: 'u1' } },
    spec: { containers: [{ name: 'web', image: 'web:1' }], ...spec },
  };
}

function withContainer(fields: Fields, spec: Fields = {}): Fields {
  return manifest({ containers: [{ name: 'web', image: 'web:1', ...fields }], ...spec });
}

function withInit(fields: Fields): Fields {
  return manifest({ initContainers: [{ name: 'init', image: 'a:1', ...fields }] });
}

function withVolume(source: Fields): Fields {
  return manifest({ volumes: [{ name: 'v', ...source }] });
}

function withMount(fields: Fields): Fields {
  const volumes = [{ name: 'v', emptyDir: {} }];
  return withContainer({ volumeMounts: [{ name: 'v', mountPath: '/v', ...fields }] }, { volumes });
}

const withEnv = (valueFrom: Fields, more: Fields = {}) =>
  withContainer({ env: [{ name: 'A', valueFrom, ...more }] });
const withField = (fieldPath: string) => withEnv({ fieldRef: { fieldPath } });
const withSecurity = (securityContext: Fields, spec: Fields = {}) => withContainer({ securityContext }, spec);
const withResources = (resources: Fields) => withContainer({ resources });
const projected = (...sources: readonly Fields[]) => withVolume({ projected: { sources } });

function problemsOf(input: unknown): readonly ManifestProblem[] {
  try {
    parsePod(input);
  } catch (error) {
    if (PodwrightError.is(error, 'invalid-manifest')) return error.details['problems'] as ManifestProblem[];
    throw error;
  }
  return [];
}

const exec = { command: ['true'] };
const C = 'spec.containers[0]';
const I = 'spec.initContainers[0]';
const V = 'spec.volumes[0]';

const FULL = manifest({
  initContainers: [
    {
      ...{ name: 'sidecar', image: 'a:1', restartPolicy: 'Always' },
      ...{ startupProbe: { tcpSocket: { port: 1 }, timeoutSeconds: 0 }, lifecycle: { preStop: { exec } } },
      resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }],
    },
    { name: 'init', image: 'a:1' },
  ],
  containers: [
    {
      ...{ name: 'web', image: 'web:1', stdin: true, stdinOnce: true, tty: true },
      ...{ terminationMessagePath: '', terminationMessagePolicy: 'FallbackToLogsOnError' },
      envFrom: [{ prefix: 'P_', configMapRef: { name: 'c', optional: true } }, { secretRef: { name: 's' } }],
      env: [
        { name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.labels['a.b/c']" } } },
        { name: 'B', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
        { name: 'C', valueFrom: { configMapKeyRef: { name: 'c', key: 'k' } } },
        { name: 'D', value: '', valueFrom: { secretKeyRef: { name: 's', key: '.k', optional: true } } },
      ],
      ports: [{ name: 'http', containerPort: 80 }],
      lifecycle: {
        postStart: { httpGet: { port: 'http', httpHeaders: [{ name: 'X-A', value: 'b' }] } },
        ...{ preStop: { sleep: { seconds: 30 } }, stopSignal: 'SIGRTMIN+3' },
      },
      livenessProbe: { exec, terminationGracePeriodSeconds: 1 },
      readinessProbe: { httpGet: { path: '', port: 80, scheme: 'HTTPS', host: 'h' }, successThreshold: 2 },
      startupProbe: { grpc: { port: 5 } },
      resources: {
        limits: { cpu: 1, 'ephemeral-storage': '1Gi', 'hugepages-2Mi': '4Mi' },
        requests: { 'ephemeral-storage': '1Gi', 'hugepages-2Mi': '4Mi' },
      },
      volumeMounts: [
        { name: 'c', mountPath: '/c', readOnly: true, recursiveReadOnly: 'IfPossible' },
        { name: 's', mountPath: '/s', subPath: 'a/b' },
        { name: 'p', mountPath: '/p', subPathExpr: '$(A)/x' },
      ],
      securityContext: {
        ...{ procMount: 'Unmasked', seLinuxOptions: { level: 's0:c1,c2' } },
        seccompProfile: { type: 'Localhost', localhostProfile: 'profiles/a.json' },
        appArmorProfile: { type: 'Localhost', localhostProfile: 'mine' },
      },
    },
  ],
  volumes: [
    { name: 'c', configMap: { name: 'c', items: [{ key: 'k', path: 'a/b', mode: 0o400 }], defaultMode: 0 } },
    { name: 's', secret: { secretName: 's', optional: true } },
    {
      name: 'p',
      projected: {
        sources: [
          { configMap: { name: 'c' } },
          { secret: { name: 's', items: [{ key: 'k', path: 'x' }] } },
          { downwardAPI: { items: [{ path: 'y', fieldRef: { fieldPath: 'metadata.annotations' } }] } },
        ],
      },
    },
    {
      name: 'd',
      downwardAPI: {
        items: [{ path: 'cpu', resourceFieldRef: { containerName: 'web', resource: 'requests.cpu' } }],
      },
    },
    { name: 'i', image: { reference: 'files:1' } },
  ],
  ...{ activeDeadlineSeconds: 5, subdomain: 'sub', setHostnameAsFQDN: true, hostUsers: false },
  hostAliases: [{ ip: '::1', hostnames: ['a.b'] }],
  ...{ shareProcessNamespace: true, overhead: { cpu: '10m' }, imagePullSecrets: [{ name: 'r' }] },
  ...{ enableServiceLinks: false, automountServiceAccountToken: false },
  ...{ os: { name: 'linux' }, dnsPolicy: 'ClusterFirstWithHostNet' },
  resources: { limits: { cpu: 2 }, requests: { cpu: 1, memory: '1Gi' } },
  securityContext: {
    ...{ fsGroup: 5, fsGroupChangePolicy: 'OnRootMismatch', supplementalGroupsPolicy: 'Strict' },
    ...{ appArmorProfile: { type: 'Unconfined' }, seLinuxOptions: { type: 't' } },
    seccompProfile: { type: 'RuntimeDefault' },
  },
});

describe('a manifest with all the fields', () => {
  const pod = parsePod(FULL);
  const web = pod.spec.containers[0];

  it('comes out the same when it is read again', () => {
    expect(parsePod(pod)).toEqual(pod);
    expect(parsePod(JSON.parse(JSON.stringify(pod)))).toEqual(pod);
  });

  it('has the defaults of Kubernetes', () => {
    const counts = { initialDelaySeconds: 0, timeoutSeconds: 1, periodSeconds: 10, failureThreshold: 3 };
    expect(pod.spec.initContainers[0]?.startupProbe).toEqual({
      tcpSocket: { port: 1 },
      ...counts,
      successThreshold: 1,
    });
    expect(web?.readinessProbe).toEqual({
      httpGet: { path: '/', port: 80, scheme: 'HTTPS', host: 'h', httpHeaders: [] },
      ...counts,
      successThreshold: 2,
    });
    expect(web?.startupProbe?.grpc).toEqual({ port: 5, service: '' });
    expect(web?.terminationMessagePath).toBe('/dev/termination-log');
    expect(web?.env[1]?.valueFrom?.resourceFieldRef).toEqual({ resource: 'limits.memory', divisor: '1Mi' });
    expect(web?.volumeMounts[1]).toMatchObject({ recursiveReadOnly: 'Disabled', subPathExpr: '' });
    expect(pod.spec.volumes[1]?.secret).toEqual({
      ...{ secretName: 's', items: [], defaultMode: 0o644, optional: true },
    });
    expect(pod.spec.volumes[4]?.image).toEqual({ reference: 'files:1', pullPolicy: 'IfNotPresent' });
  });
});

describe('a manifest is refused', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['a probe of nothing', withContainer({ livenessProbe: {} }), `${C}.livenessProbe`, /needs one of exec/],
    [
      'a probe of two kinds',
      withContainer({ livenessProbe: { exec, grpc: { port: 1 } } }),
      `${C}.livenessProbe`,
      /exec and grpc: give it one/,
    ],
    [
      'a liveness probe that has to succeed twice',
      withContainer({ livenessProbe: { exec, successThreshold: 2 } }),
      `${C}.livenessProbe.successThreshold`,
      /has to be 1/,
    ],
    [
      'a grace of a readiness probe',
      withContainer({ readinessProbe: { exec, terminationGracePeriodSeconds: 1 } }),
      `${C}.readinessProbe.terminationGracePeriodSeconds`,
      /ends nothing/,
    ],
    [
      'a negative period',
      withContainer({ readinessProbe: { exec, periodSeconds: -1 } }),
      `${C}.readinessProbe.periodSeconds`,
      /at least 0/,
    ],
    [
      'a probe of an unknown port',
      withContainer({ startupProbe: { httpGet: { port: 'http' } } }),
      `${C}.startupProbe.httpGet.port`,
      /it names none/,
    ],
    [
      'a probe of no port',
      withContainer({ startupProbe: { tcpSocket: { port: 0 } } }),
      `${C}.startupProbe.tcpSocket.port`,
      /at least 1/,
    ],
    [
      'a header with a space',
      withContainer({ startupProbe: { httpGet: { port: 1, httpHeaders: [{ name: 'a b' }] } } }),
      `${C}.startupProbe.httpGet.httpHeaders[0].name`,
      /letters/,
    ],
    [
      'an empty command of a probe',
      withContainer({ startupProbe: { exec: { command: [] } } }),
      `${C}.startupProbe.exec.command`,
      /at least one entry/,
    ],
    [
      'a probe of an init container',
      withInit({ readinessProbe: { exec } }),
      `${I}.readinessProbe`,
      /restartPolicy: Always/,
    ],
    [
      'a hook of an init container',
      withInit({ lifecycle: { preStop: { exec } } }),
      `${I}.lifecycle`,
      /sidecars/,
    ],
    [
      'another restart of an init container',
      withInit({ restartPolicy: 'Never' }),
      `${I}.restartPolicy`,
      /Always/,
    ],
    [
      'a restart policy of an app container',
      withContainer({ restartPolicy: 'Always' }),
      `${C}.restartPolicy`,
      /sidecar/,
    ],
    [
      'a hook over TCP',
      withContainer({ lifecycle: { preStop: { tcpSocket: { port: 1 } } } }),
      `${C}.lifecycle.preStop.tcpSocket`,
      /use httpGet or exec/,
    ],
    [
      'a sleep longer than the grace',
      withContainer({ lifecycle: { preStop: { sleep: { seconds: 31 } } } }),
      `${C}.lifecycle.preStop.sleep.seconds`,
      /at most .* \(30\)/,
    ],
    [
      'a stop signal without the system',
      withContainer({ lifecycle: { stopSignal: 'SIGINT' } }),
      `${C}.lifecycle.stopSignal`,
      /spec\.os/,
    ],
    [
      'a stop signal that is none',
      withContainer({ lifecycle: { stopSignal: 'SIGRTMAX-15' } }, { os: { name: 'linux' } }),
      `${C}.lifecycle.stopSignal`,
      /SIGTERM/,
    ],
    ['a variable of two sources', withEnv({}, { value: '' }), `${C}.env[0].valueFrom`, /needs one of/],
    [
      'a variable with a value of its own too',
      withEnv({ fieldRef: { fieldPath: 'metadata.name' } }, { value: 'x' }),
      `${C}.env[0].valueFrom`,
      /together with value/,
    ],
    [
      'a field of nowhere',
      withField('spec.x'),
      `${C}.env[0].valueFrom.fieldRef.fieldPath`,
      /one of metadata/,
    ],
    [
      'a whole map as variable',
      withField('metadata.labels'),
      `${C}.env[0].valueFrom.fieldRef.fieldPath`,
      /give the key/,
    ],
    [
      'a bad key',
      withField("metadata.labels['a b']"),
      `${C}.env[0].valueFrom.fieldRef.fieldPath`,
      /has a key/,
    ],
    [
      'a service account',
      withField('spec.serviceAccountName'),
      `${C}.env[0].valueFrom.fieldRef.fieldPath`,
      /no service accounts/,
    ],
    [
      'a divisor of another kind',
      withEnv({ resourceFieldRef: { resource: 'limits.cpu', divisor: '1Mi' } }),
      `${C}.env[0].valueFrom.resourceFieldRef.divisor`,
      /1m, 1/,
    ],
    [
      'the resources of another pod',
      withEnv({ resourceFieldRef: { containerName: 'x', resource: 'limits.cpu' } }),
      `${C}.env[0].valueFrom.resourceFieldRef.containerName`,
      /\(web\)/,
    ],
    [
      'variables of two objects',
      withContainer({ envFrom: [{ configMapRef: { name: 'a' }, secretRef: { name: 'a' } }] }),
      `${C}.envFrom[0]`,
      /give it one/,
    ],
    [
      'a prefix that is no name',
      withContainer({ envFrom: [{ prefix: '1', secretRef: { name: 'a' } }] }),
      `${C}.envFrom[0].prefix`,
      /digit/,
    ],
    ['an absolute subPath', withMount({ subPath: '/a' }), `${C}.volumeMounts[0].subPath`, /relative/],
    ['a subPath that leaves', withMount({ subPath: 'a/../b' }), `${C}.volumeMounts[0].subPath`, /"\.\."/],
    [
      'two paths in a volume',
      withMount({ subPath: 'a', subPathExpr: 'b' }),
      `${C}.volumeMounts[0].subPathExpr`,
      /subPath/,
    ],
    [
      'read-only below what is not',
      withMount({ recursiveReadOnly: 'Enabled' }),
      `${C}.volumeMounts[0].recursiveReadOnly`,
      /readOnly: true/,
    ],
    [
      'too much storage',
      withResources({ limits: { 'ephemeral-storage': 1 }, requests: { 'ephemeral-storage': 2 } }),
      `${C}.resources.requests.ephemeral-storage`,
      /at most the limit/,
    ],
    [
      'huge pages alone',
      withResources({ limits: { 'hugepages-2Mi': '2Mi' } }),
      `${C}.resources`,
      /cpu or memory/,
    ],
    [
      'huge pages overcommitted',
      withResources({ limits: { cpu: 1, 'hugepages-2Mi': '4Mi' }, requests: { 'hugepages-2Mi': '2Mi' } }),
      `${C}.resources.requests.hugepages-2Mi`,
      /has to be the limit/,
    ],
    [
      'part of a huge page',
      withResources({ limits: { cpu: 1, 'hugepages-2Mi': '3Mi' } }),
      `${C}.resources.limits.hugepages-2Mi`,
      /multiple of 2Mi/,
    ],
    [
      'a container beyond its pod',
      withContainer({ resources: { limits: { cpu: 2 } } }, { resources: { limits: { cpu: 1 } } }),
      `${C}.resources.limits.cpu`,
      /limit of the pod/,
    ],
    [
      'a pod below its containers',
      withContainer({ resources: { requests: { cpu: 2 } } }, { resources: { requests: { cpu: 1 } } }),
      'spec.resources.requests.cpu',
      /together/,
    ],
    [
      'Unmasked with the node’s users',
      withSecurity({ procMount: 'Unmasked' }),
      `${C}.securityContext.procMount`,
      /hostUsers: false/,
    ],
    [
      'a profile of nowhere',
      withSecurity({ seccompProfile: { type: 'Localhost' } }),
      `${C}.securityContext.seccompProfile.localhostProfile`,
      /is missing/,
    ],
    [
      'a profile that leaves its directory',
      withSecurity({ seccompProfile: { type: 'Localhost', localhostProfile: '../x' } }),
      `${C}.securityContext.seccompProfile.localhostProfile`,
      /"\.\."/,
    ],
    [
      'a profile of another type',
      withSecurity({ appArmorProfile: { type: 'Unconfined', localhostProfile: 'x' } }),
      `${C}.securityContext.appArmorProfile.localhostProfile`,
      /Localhost only/,
    ],
    [
      'options of Windows',
      withSecurity({ windowsOptions: {} }),
      `${C}.securityContext.windowsOptions`,
      /Linux/,
    ],
    [
      'its own users in the node’s namespaces',
      manifest({ hostUsers: false, hostNetwork: true, hostIPC: true }),
      'spec.hostUsers',
      /hostNetwork and hostIPC/,
    ],
    [
      'processes shared with the node',
      manifest({ shareProcessNamespace: true, hostPID: true }),
      'spec.shareProcessNamespace',
      /hostPID/,
    ],
    [
      'two names at once',
      manifest({ hostnameOverride: 'a.b', setHostnameAsFQDN: true }),
      'spec.hostnameOverride',
      /setHostnameAsFQDN/,
    ],
    ['another system', manifest({ os: { name: 'windows' } }), 'spec.os.name', /"linux"/],
    ['no time', manifest({ activeDeadlineSeconds: 0 }), 'spec.activeDeadlineSeconds', /at least 1/],
    [
      'a token',
      manifest({ automountServiceAccountToken: true }),
      'spec.automountServiceAccountToken',
      /no service accounts/,
    ],
    [
      'an alias of no address',
      manifest({ hostAliases: [{ ip: 'x' }] }),
      'spec.hostAliases[0].ip',
      /IP address/,
    ],
    [
      'a mode in decimal',
      withVolume({ configMap: { name: 'c', defaultMode: 644 } }),
      `${V}.configMap.defaultMode`,
      /0o644/,
    ],
    [
      'a file outside of its volume',
      withVolume({ secret: { secretName: 's', items: [{ key: 'k', path: '..data' }] } }),
      `${V}.secret.items[0].path`,
      /begin with/,
    ],
    [
      'a file twice',
      projected(
        { secret: { name: 's', items: [{ key: 'a', path: 'x' }] } },
        { configMap: { name: 'c', items: [{ key: 'a', path: './x' }] } },
      ),
      `${V}.projected.sources[1].configMap.items[0].path`,
      /earlier file/,
    ],
    [
      'a token as file',
      projected({ serviceAccountToken: { path: 'x' } }),
      `${V}.projected.sources[0].serviceAccountToken`,
      /as a secret/,
    ],
    [
      'a source of two',
      projected({ secret: { name: 's' }, configMap: { name: 's' } }),
      `${V}.projected.sources[0]`,
      /one/,
    ],
    [
      'a file of the pod’s address',
      withVolume({ downwardAPI: { items: [{ path: 'x', fieldRef: { fieldPath: 'status.podIP' } }] } }),
      `${V}.downwardAPI.items[0].fieldRef.fieldPath`,
      /environment variables only/,
    ],
    [
      'a file of no container’s resources',
      withVolume({ downwardAPI: { items: [{ path: 'x', resourceFieldRef: { resource: 'limits.cpu' } }] } }),
      `${V}.downwardAPI.items[0].resourceFieldRef.containerName`,
      /is missing/,
    ],
    ['a claim', withVolume({ persistentVolumeClaim: {} }), `${V}.persistentVolumeClaim`, /use hostPath/],
    ['a node’s name', manifest({ nodeName: 'n' }), 'spec.nodeName', /remove it/],
  ])('for %s', (_what, input, path, message) => {
    const problems = problemsOf(input);
    expect(problems.map((problem) => problem.path)).toEqual([path]);
    expect(problems[0]?.message).toMatch(message);
  });
});
