import { describe, expect, it } from 'vitest';
import { PodwrightError } from '../errors.js';
import { parsePod } from './pod.js';
import type { ManifestProblem } from './problems.js';

type Fields = Readonly<Record<string, unknown>>;

function podWith(container: Fields, spec: Fields = {}): Fields {
  return {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'site' } },
    spec: { containers: [{ name: 'web', image: 'web:1', ...container }], ...spec },
  };
}

function problemsOf(input: unknown): readonly ManifestProblem[] {
  try {
    parsePod(input);
  } catch (error) {
    if (PodwrightError.is(error, 'invalid-manifest')) return error.details['problems'] as ManifestProblem[];
    throw error;
  }
  return [];
}

const C = 'spec.containers[0]';
const HOST_PORT = { containerPort: 80, hostPort: 80 };
const sidecar = (fields: Fields) => ({
  initContainers: [{ name: 'side', image: 'a:1', restartPolicy: 'Always', ...fields }],
});
const NOT_REQUIRED = { resourceName: 'cpu', restartPolicy: 'NotRequired' };

describe('a field that would have no effect is refused', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['stdinOnce without stdin', podWith({ stdinOnce: true }), `${C}.stdinOnce`, /needs stdin: true/],
    [
      'an address of the host without a port of it',
      podWith({ ports: [{ containerPort: 80, hostIP: '192.0.2.1' }] }),
      `${C}.ports[0].hostIP`,
      /needs hostPort/,
    ],
    [
      'an address of the host for what listens there by itself',
      podWith({ ports: [{ ...HOST_PORT, hostIP: '192.0.2.1' }] }, { hostNetwork: true }),
      `${C}.ports[0].hostIP`,
      /hostNetwork: true/,
    ],
    [
      'a domain with the name of the node',
      podWith({}, { hostNetwork: true, subdomain: 'sub' }),
      'spec.subdomain',
      /hostNetwork: true/,
    ],
    [
      'a long name with the name of the node',
      podWith({}, { hostNetwork: true, setHostnameAsFQDN: true }),
      'spec.setHostnameAsFQDN',
      /hostNetwork: true/,
    ],
    [
      'a second rule for one resource',
      podWith({ resizePolicy: [NOT_REQUIRED, { ...NOT_REQUIRED, restartPolicy: 'RestartContainer' }] }),
      `${C}.resizePolicy[1].resourceName`,
      /earlier entry/,
    ],
    [
      'capabilities that a privileged container keeps',
      podWith({ securityContext: { privileged: true, capabilities: { drop: ['ALL'] } } }),
      `${C}.securityContext.capabilities.drop`,
      /privileged: true.*remove one of them/,
    ],
    [
      'a seccomp profile of a privileged container',
      podWith({ securityContext: { privileged: true, seccompProfile: { type: 'RuntimeDefault' } } }),
      `${C}.securityContext.seccompProfile`,
      /privileged: true.*Unconfined/,
    ],
    [
      'an AppArmor profile of a privileged container',
      podWith({
        securityContext: { privileged: true, appArmorProfile: { type: 'Localhost', localhostProfile: 'p' } },
      }),
      `${C}.securityContext.appArmorProfile`,
      /privileged: true.*Unconfined/,
    ],
    [
      'a port of the node that a sidecar has',
      podWith({ ports: [HOST_PORT] }, sidecar({ ports: [HOST_PORT] })),
      `${C}.ports[0].hostPort`,
      /another port/,
    ],
    [
      'a port that two containers would listen on, with the network of the node',
      podWith({ ports: [{ containerPort: 80 }] }, { ...sidecar({ ports: [HOST_PORT] }), hostNetwork: true }),
      `${C}.ports[0].containerPort`,
      /another port/,
    ],
  ])('%s', (_what, manifest, path, message) => {
    expect(problemsOf(manifest)).toEqual([
      expect.objectContaining({ path, message: expect.stringMatching(message) }),
    ]);
  });
});

it.each<[string, unknown]>([
  ['an address with its port', podWith({ ports: [{ ...HOST_PORT, hostIP: '192.0.2.1' }] })],
  ['stdinOnce: false', podWith({ stdinOnce: false })],
  [
    'no confinement of a privileged container',
    podWith({
      securityContext: {
        ...{ privileged: true, seccompProfile: { type: 'Unconfined' }, capabilities: { drop: [] } },
        appArmorProfile: { type: 'Unconfined' },
      },
    }),
  ],
  [
    'a profile of the pod, which its privileged container does not have, as in Kubernetes',
    podWith(
      { securityContext: { privileged: true } },
      { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } },
    ),
  ],
  [
    'rules for two resources',
    podWith({ resizePolicy: [NOT_REQUIRED, { ...NOT_REQUIRED, resourceName: 'memory' }] }),
  ],
])('%s is taken', (_what, manifest) => {
  expect(problemsOf(manifest)).toEqual([]);
});
