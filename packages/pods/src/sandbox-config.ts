import {
  type Pod,
  type PodSandboxConfig,
  type PortMapping,
  podResources,
  SANDBOX_HASH_ANNOTATION,
  sandboxHash,
} from '@podwright/core';

const LONGEST_HOSTNAME = 63;

/** A pod's sandbox, from its manifest. @param attempt which sandbox of this pod it is, counted from 0 */
export function sandboxConfig(pod: Pod, attempt: number): PodSandboxConfig {
  const config = fromManifest(pod, attempt);
  const annotations = { ...config.annotations, [SANDBOX_HASH_ANNOTATION]: sandboxHash(config) };
  return { ...config, annotations };
}

function fromManifest(pod: Pod, attempt: number): PodSandboxConfig {
  const { metadata, spec } = pod;
  const network = spec.hostNetwork ? 'node' : 'pod';
  const dns = spec.dnsPolicy === 'None' ? spec.dnsConfig : undefined;
  return {
    metadata: { name: metadata.name, namespace: metadata.namespace, uid: metadata.uid, attempt },
    labels: metadata.labels,
    annotations: metadata.annotations,
    ...(spec.hostNetwork ? {} : { hostname: spec.hostname ?? hostnameOf(metadata.name) }),
    network,
    ipc: spec.hostIPC ? 'node' : 'pod',
    pid: spec.hostPID ? 'node' : 'container',
    ...(dns
      ? {
          dns: {
            servers: dns.nameservers,
            searches: dns.searches,
            options: dns.options.map(({ name, value }) => (value === undefined ? name : `${name}:${value}`)),
          },
        }
      : {}),
    portMappings: spec.hostNetwork ? [] : portMappings(pod),
    resources: podResources(pod),
  };
}

/** Ports with a hostPort; the others are only documentation. Init containers have none, as in the kubelet. */
function portMappings(pod: Pod): readonly PortMapping[] {
  return pod.spec.containers.flatMap(({ ports }) =>
    ports.flatMap(({ protocol, containerPort, hostPort, hostIP }) =>
      hostPort === undefined
        ? []
        : [{ protocol, containerPort, hostPort, ...(hostIP === undefined ? {} : { hostIp: hostIP }) }],
    ),
  );
}

/** As the kubelet shortens a pod's name: a host name may not end with a dash or a dot. */
function hostnameOf(podName: string): string {
  return podName.slice(0, LONGEST_HOSTNAME).replace(/[-.]+$/, '');
}
