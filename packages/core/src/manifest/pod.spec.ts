import { describe, expect, it } from 'vitest';
import { PodwrightError } from '../errors.js';
import { type Pod, parsePod, podJsonSchema } from './pod.js';
import type { ManifestProblem } from './problems.js';

type Fields = Readonly<Record<string, unknown>>;

function manifest(spec: Fields = {}, metadata: Fields = {}): Fields {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'site', ...metadata },
    spec: { containers: [{ name: 'web', image: 'web:1' }], ...spec },
  };
}

function withContainer(fields: Fields, spec: Fields = {}): Fields {
  return manifest({ containers: [{ name: 'web', image: 'web:1', ...fields }], ...spec });
}

function failureOf(input: unknown): PodwrightError {
  try {
    parsePod(input);
  } catch (error) {
    if (PodwrightError.is(error, 'invalid-manifest')) return error;
    throw error;
  }
  throw new Error('the manifest was taken');
}

function problemsOf(input: unknown): readonly ManifestProblem[] {
  return failureOf(input).details['problems'] as ManifestProblem[];
}

describe('parsePod', () => {
  it('fills in the defaults of Kubernetes', () => {
    const pod = parsePod(manifest());
    expect(pod).toEqual({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        ...{ name: 'site', namespace: 'default', labels: {}, annotations: {} },
        uid: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      },
      spec: {
        initContainers: [],
        containers: [
          {
            ...{ name: 'web', image: 'web:1', imagePullPolicy: 'IfNotPresent' },
            ...{ env: [], envFrom: [], ports: [], resources: { limits: {}, requests: {} } },
            ...{ resizePolicy: [], volumeMounts: [], securityContext: {} },
            ...{ stdin: false, stdinOnce: false, tty: false },
            ...{ terminationMessagePath: '/dev/termination-log', terminationMessagePolicy: 'File' },
          },
        ],
        volumes: [],
        ...{ restartPolicy: 'Always', terminationGracePeriodSeconds: 30, dnsPolicy: 'ClusterFirst' },
        ...{ hostNetwork: false, hostPID: false, hostIPC: false },
        ...{ hostUsers: true, shareProcessNamespace: false, setHostnameAsFQDN: false },
        ...{ hostAliases: [], imagePullSecrets: [], enableServiceLinks: true },
        securityContext: { supplementalGroups: [], sysctls: [] },
      },
    });
    expect(parsePod(pod)).toEqual(pod);
    expect(parsePod(manifest()).metadata.uid).not.toBe(pod.metadata.uid);
  });

  it('reads every supported field, and reading the result again changes nothing', () => {
    const full = manifest(
      {
        initContainers: [{ name: 'init', image: 'a@sha256:00' }],
        containers: [
          {
            ...{ name: 'web', image: 'host:5000/web', command: ['sh'], args: ['-c', ''], workingDir: '/w' },
            env: [{ name: 'A.b-c_1', value: '' }, { name: 'TWICE', value: '1' }, { name: 'TWICE' }],
            ports: [
              { name: 'http', containerPort: 80, hostPort: 8080, hostIP: '::1' },
              { containerPort: 53, protocol: 'UDP' },
            ],
            resources: { limits: { cpu: 1, memory: '64Mi' }, requests: { cpu: '500m', memory: 1e6 } },
            volumeMounts: [
              { name: 'host', mountPath: '/host', readOnly: true, mountPropagation: 'Bidirectional' },
              { name: 'tmp', mountPath: '/tmp' },
            ],
            securityContext: {
              ...{ runAsUser: 0, runAsGroup: 1, runAsNonRoot: false, privileged: true },
              ...{ readOnlyRootFilesystem: true, allowPrivilegeEscalation: true },
              ...{
                capabilities: { add: ['NET_ADMIN'], drop: [] },
                seccompProfile: { type: 'Unconfined' },
              },
            },
          },
        ],
        volumes: [
          { name: 'host', hostPath: { path: '/srv', type: 'Directory' } },
          { name: 'tmp', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
        ],
        ...{ restartPolicy: 'OnFailure', terminationGracePeriodSeconds: 0, hostname: 'h' },
        ...{ hostNetwork: false, hostPID: true, hostIPC: true },
        ...{
          dnsPolicy: 'None',
          dnsConfig: { nameservers: ['1.1.1.1'], searches: ['a.b'], options: [{ name: 'x' }] },
        },
        securityContext: {
          ...{ runAsUser: 1, runAsGroup: 2, runAsNonRoot: false, supplementalGroups: [3] },
          ...{
            seccompProfile: { type: 'RuntimeDefault' },
            sysctls: [{ name: 'net.core.somaxconn', value: '9' }],
          },
        },
      },
      { namespace: 'ns', uid: 'abc-1', labels: { 'a.b/c': 'd' }, annotations: { 'A.b/C': ' \u00e4\n"%$' } },
    );
    const pod = parsePod(full);
    expect(parsePod(pod)).toEqual(pod);
    expect(pod.metadata.annotations).toEqual({ 'A.b/C': ' \u00e4\n"%$' });
    const web = pod.spec.containers[0];
    expect(web?.env.at(-1)).toEqual({ name: 'TWICE', value: '' });
    expect(web?.resources).toEqual({
      limits: { cpu: '1', memory: '64Mi' },
      requests: { cpu: '500m', memory: '1000000' },
    });
  });

  it('leaves its input alone, and takes null for absent as YAML writes it', () => {
    const input = Object.freeze(
      manifest({ volumes: null, containers: [{ name: 'web', image: 'w:1', env: null }] }),
    );
    expect(parsePod(input).spec.volumes).toEqual([]);
    expect(input['spec']).toMatchObject({ volumes: null });
  });

  it.each([
    ['busybox', 'Always'],
    ['busybox:latest', 'Always'],
    ['host:5000/busybox', 'Always'],
    ['host:5000/busybox:1', 'IfNotPresent'],
    ['busybox:1.36', 'IfNotPresent'],
    [`busybox@sha256:${'0'.repeat(64)}`, 'IfNotPresent'],
    [`busybox:latest@sha256:${'0'.repeat(64)}`, 'IfNotPresent'],
  ])('pulls %s by default %s', (image, policy) => {
    expect(parsePod(withContainer({ image })).spec.containers[0]?.imagePullPolicy).toBe(policy);
  });
});

describe('a manifest that is not valid', () => {
  const volumes = [{ name: 'v', emptyDir: {} }];
  it.each<[string, unknown, string, RegExp]>([
    ['no object', null, 'the manifest', /^has to be an object$/],
    ['a list', [], 'the manifest', /not a list/],
    ['another kind', { ...manifest(), kind: 'Job' }, 'kind', /^has to be "Pod"$/],
    ['no name', manifest({}, { name: null }), 'metadata.name', /^is missing/],
    ['a bad name', manifest({}, { name: 'Site' }), 'metadata.name', /lower-case/],
    ['a long name', manifest({}, { name: 'a'.repeat(254) }), 'metadata.name', /253/],
    ['a bad namespace', manifest({}, { namespace: 'a.b' }), 'metadata.namespace', /lower-case/],
    ['a uid that leaves a directory', manifest({}, { uid: '../x' }), 'metadata.uid', /lower-case/],
    ['a number as label', manifest({}, { labels: { a: 1 } }), 'metadata.labels.a', /in quotes/],
    ['a label of nothing', manifest({}, { labels: { a: null } }), 'metadata.labels.a', /has to be a text/],
    ['a bad label', manifest({}, { labels: { a: '-x' } }), 'metadata.labels.a', /begin and end/],
    ['a bad key', manifest({}, { labels: { 'a/b/c': '' } }), 'metadata.labels["a/b/c"]', /key/],
    ['a bad annotation', manifest({}, { annotations: { 'a b': '' } }), 'metadata.annotations["a b"]', /key/],
    [
      'annotations that are too large',
      manifest({}, { annotations: { a: 'x'.repeat(262144) } }),
      'metadata.annotations',
      /262144/,
    ],
    [
      'a key that is a prototype',
      manifest({}, { labels: JSON.parse('{"__proto__": "x"}') }),
      'metadata.labels.__proto__',
      /no name/,
    ],
    ['no container', manifest({ containers: [] }), 'spec.containers', /at least one entry/],
    ['a container without image', withContainer({ image: null }), 'spec.containers[0].image', /^is missing/],
    ['an image with a space', withContainer({ image: 'a b' }), 'spec.containers[0].image', /without spaces/],
    [
      'a pull policy',
      withContainer({ imagePullPolicy: 'Sometimes' }),
      'spec.containers[0].imagePullPolicy',
      /"Always", "IfNotPresent" or "Never"/,
    ],
    ['a command as text', withContainer({ command: 'sh' }), 'spec.containers[0].command', /a list/],
    ['a NUL in an argument', withContainer({ args: ['a\0'] }), 'spec.containers[0].args[0]', /NUL/],
    ['a relative directory', withContainer({ workingDir: 'w' }), 'spec.containers[0].workingDir', /absolute/],
    [
      'a bad variable name',
      withContainer({ env: [{ name: '1A' }] }),
      'spec.containers[0].env[0].name',
      /digit/,
    ],
    [
      'a number as variable',
      withContainer({ env: [{ name: 'A', value: 1 }] }),
      'spec.containers[0].env[0].value',
      /in quotes/,
    ],
    [
      'a port as text',
      withContainer({ ports: [{ containerPort: '80' }] }),
      'spec.containers[0].ports[0].containerPort',
      /without quotes/,
    ],
    [
      'a port out of range',
      withContainer({ ports: [{ containerPort: 1, hostPort: 65536 }] }),
      'spec.containers[0].ports[0].hostPort',
      /at most 65535/,
    ],
    [
      'a bad port name',
      withContainer({ ports: [{ name: '80', containerPort: 80 }] }),
      'spec.containers[0].ports[0].name',
      /letter/,
    ],
    [
      'a bad host address',
      withContainer({ ports: [{ containerPort: 1, hostPort: 2, hostIP: '1.2.3' }] }),
      'spec.containers[0].ports[0].hostIP',
      /IP address/,
    ],
    [
      'a bad quantity',
      withContainer({ resources: { limits: { memory: '1GB' } } }),
      'spec.containers[0].resources.limits.memory',
      /64Mi/,
    ],
    [
      'another resource',
      withContainer({ resources: { limits: { 'nvidia.com/gpu': 1 } } }),
      'spec.containers[0].resources.limits["nvidia.com/gpu"]',
      /cpu, memory/,
    ],
    [
      'too small a limit',
      withContainer({ resources: { limits: { cpu: '1' }, requests: { cpu: '1001m' } } }),
      'spec.containers[0].resources.requests.cpu',
      /at most the limit/,
    ],
    [
      'an unknown volume',
      withContainer({ volumeMounts: [{ name: 'w', mountPath: '/w' }] }, { volumes }),
      'spec.containers[0].volumeMounts[0].name',
      /the pod has v/,
    ],
    [
      'a mount twice',
      withContainer(
        {
          volumeMounts: [
            { name: 'v', mountPath: '/w' },
            { name: 'v', mountPath: '/w//' },
          ],
        },
        { volumes },
      ),
      'spec.containers[0].volumeMounts[1].mountPath',
      /earlier/,
    ],
    [
      'a mount on the root',
      withContainer({ volumeMounts: [{ name: 'v', mountPath: '/.' }] }, { volumes }),
      'spec.containers[0].volumeMounts[0].mountPath',
      /root/,
    ],
    [
      'propagation without privilege',
      withContainer(
        { volumeMounts: [{ name: 'v', mountPath: '/w', mountPropagation: 'Bidirectional' }] },
        { volumes },
      ),
      'spec.containers[0].volumeMounts[0].mountPropagation',
      /privileged/,
    ],
    [
      'a volume of two sources',
      manifest({ volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/' } }] }),
      'spec.volumes[0]',
      /give it one/,
    ],
    ['a volume of none', manifest({ volumes: [{ name: 'v' }] }), 'spec.volumes[0]', /needs a source/],
    ['a volume twice', manifest({ volumes: [...volumes, ...volumes] }), 'spec.volumes[1].name', /earlier/],
    [
      'a host path with ..',
      manifest({ volumes: [{ name: 'v', hostPath: { path: '/a/../b' } }] }),
      'spec.volumes[0].hostPath.path',
      /"\.\."/,
    ],
    [
      'a container twice',
      manifest({ initContainers: [{ name: 'web', image: 'a' }] }),
      'spec.containers[0].name',
      /earlier container/,
    ],
    [
      'a port twice',
      withContainer({ ports: [{ containerPort: 1 }, { containerPort: 1, protocol: 'TCP' }] }),
      'spec.containers[0].ports[1].containerPort',
      /earlier/,
    ],
    [
      'a host port twice',
      withContainer({
        ports: [
          { containerPort: 1, hostPort: 9, hostIP: '1.2.3.4' },
          { containerPort: 2, hostPort: 9 },
        ],
      }),
      'spec.containers[0].ports[1].hostPort',
      /taken/,
    ],
    [
      'a host port in the node’s network',
      withContainer({ ports: [{ containerPort: 1, hostPort: 2 }] }, { hostNetwork: true }),
      'spec.containers[0].ports[0].hostPort',
      /containerPort \(1\)/,
    ],
    [
      'a host port of an init container',
      manifest({ initContainers: [{ name: 'i', image: 'a', ports: [{ containerPort: 1, hostPort: 1 }] }] }),
      'spec.initContainers[0].ports[0].hostPort',
      /init/,
    ],
    [
      'root that must not be root',
      withContainer({ securityContext: { runAsNonRoot: true } }, { securityContext: { runAsUser: 0 } }),
      'spec.securityContext.runAsUser',
      /runAsNonRoot/,
    ],
    [
      'privileged without privileges',
      withContainer({ securityContext: { privileged: true, allowPrivilegeEscalation: false } }),
      'spec.containers[0].securityContext.allowPrivilegeEscalation',
      /privileged: true/,
    ],
    [
      'a negative user',
      withContainer({ securityContext: { runAsUser: -1 } }),
      'spec.containers[0].securityContext.runAsUser',
      /at least 0/,
    ],
    [
      'a bad restart policy',
      manifest({ restartPolicy: 'always' }),
      'spec.restartPolicy',
      /"Always", "OnFailure" or "Never"/,
    ],
    ['the policy without name servers', manifest({ dnsPolicy: 'None' }), 'spec.dnsPolicy', /nameservers/],
    [
      'a host name in the node’s network',
      manifest({ hostNetwork: true, hostname: 'h' }),
      'spec.hostname',
      /hostNetwork/,
    ],
    [
      'the node’s own sysctl',
      manifest({ hostNetwork: true, securityContext: { sysctls: [{ name: 'net.a', value: '1' }] } }),
      'spec.securityContext.sysctls[0].name',
      /node/,
    ],
    [
      'a field that is refused',
      withContainer({ volumeDevices: [] }),
      'spec.containers[0].volumeDevices',
      /^is not supported by Podwright: use a hostPath volume of type BlockDevice/,
    ],
    ['a scheduler’s field', manifest({ nodeSelector: {} }), 'spec.nodeSelector', /no scheduler/],
    [
      'another kind of volume',
      manifest({ volumes: [{ name: 'v', persistentVolumeClaim: {} }] }),
      'spec.volumes[0].persistentVolumeClaim',
      /use hostPath/,
    ],
    [
      'a misspelt field',
      withContainer({ imagePullpolicy: 'Never' }),
      'spec.containers[0].imagePullpolicy',
      /did you mean "imagePullPolicy"\?/,
    ],
    ['a field of nowhere', manifest({ xyz: 1 }), 'spec.xyz', /here are allowed initContainers, /],
  ])('with %s', (_what, input, path, message) => {
    const problems = problemsOf(input);
    expect(problems.map((problem) => problem.path)).toEqual([path]);
    expect(problems[0]?.message).toMatch(message);
  });

  it('tells of everything at once, with path, value and what is allowed', () => {
    const error = failureOf({
      ...withContainer({ ports: [{ containerPort: 70000 }], volumeMounts: [{ name: 'no', mountPath: 'x' }] }),
      status: {},
    });
    expect(error.message).toBe(
      [
        'The pod manifest is not valid, 4 problems:',
        '- spec.containers[0].ports[0].containerPort has to be at most 65535 (found 70000).',
        '- spec.containers[0].volumeMounts[0].mountPath has to be an absolute path (found "x").',
        '- status is not supported by Podwright: it is written by a Kubernetes API server, remove it.',
        '- spec.containers[0].volumeMounts[0].name has to be the name of a volume of spec.volumes (the pod has none) (found "no").',
      ].join('\n'),
    );
  });

  it('never shows the value of a variable, it may be a secret', () => {
    const error = failureOf(withContainer({ env: [{ name: 'PASSWORD', value: 'hunter2\0' }] }));
    expect(error.message).not.toContain('hunter2');
    expect(JSON.stringify(error.details)).not.toContain('hunter2');
  });

  it('does not fall over deep or odd input', () => {
    let deep: unknown = 1;
    for (let level = 0; level < 10_000; level++) deep = { deep };
    expect(problemsOf(manifest({ hostname: deep })).map(({ path }) => path)).toEqual(['spec.hostname']);
    const odd = {
      ...manifest(),
      spec: { containers: [null, 7, 'x', []], volumes: 'v', securityContext: [] },
    };
    expect(problemsOf(odd).length).toBeGreaterThan(4);
  });
});

describe('podJsonSchema', () => {
  it('takes what a person writes, defaults left out', () => {
    expect(podJsonSchema()).toMatchObject({
      type: 'object',
      required: ['apiVersion', 'kind', 'metadata', 'spec'],
      properties: { spec: { properties: { restartPolicy: { enum: ['Always', 'OnFailure', 'Never'] } } } },
    });
  });
});

// A type test: the parsed manifest is read-only through and through.
export function changesNothing(pod: Pod): void {
  // @ts-expect-error a list of a manifest cannot grow
  pod.spec.containers.push(pod.spec.containers[0]);
}
