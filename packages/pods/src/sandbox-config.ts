import {
  isSidecar,
  type Pod,
  type PodSandboxConfig,
  type PortMapping,
  podResources,
  RESOURCES_ANNOTATION,
  SANDBOX_HASH_ANNOTATION,
  sandboxHash,
} from '@podwright/core';

const LONGEST_HOSTNAME = 63;
const CLUSTER_DOMAIN = 'cluster.local';

/** A pod's sandbox, from its manifest. @param attempt which sandbox of this pod it is, counted from 0 */
export function sandboxConfig(pod: Pod, attempt: number): PodSandboxConfig {
  const config = fromManifest(pod, attempt);
  const annotations = {
    ...config.annotations,
    [SANDBOX_HASH_ANNOTATION]: sandboxHash(config),
    [RESOURCES_ANNOTATION]: JSON.stringify(config.resources ?? {}),
  };
  return { ...config, annotations };
}

function fromManifest(pod: Pod, attempt: number): PodSandboxConfig {
  const { metadata, spec } = pod;
  const network = spec.hostNetwork ? 'node' : 'pod';
  const { hostAliases, dnsConfig: dns, securityContext } = spec;
  return {
    metadata: { name: metadata.name, namespace: metadata.namespace, uid: metadata.uid, attempt },
    labels: metadata.labels,
    annotations: metadata.annotations,
    ...podNames(pod),
    network,
    ipc: spec.hostIPC ? 'node' : 'pod',
    pid: spec.hostPID ? 'node' : spec.shareProcessNamespace ? 'pod' : 'container',
    ...(spec.hostUsers ? {} : { userNamespace: 'pod' }),
    ...(dns
      ? {
          dns: {
            servers: dns.nameservers,
            searches: dns.searches,
            options: dns.options.map(({ name, value }) => (value === undefined ? name : `${name}:${value}`)),
          },
          dnsPolicy: spec.dnsPolicy === 'None' ? 'None' : 'Default',
        }
      : {}),
    ...(hostAliases.length === 0 ? {} : { hostAliases }),
    ...(securityContext.sysctls.length === 0
      ? {}
      : { sysctls: Object.fromEntries(securityContext.sysctls.map(({ name, value }) => [name, value])) }),
    portMappings: spec.hostNetwork ? [] : portMappings(pod),
    resources: podResources(pod),
  };
}

/**
 * What the pod is called inside. A subdomain is one of Kubernetes' services; a pod here has the name it would have in a
 * cluster of the default domain.
 */
function podNames({ metadata, spec }: Pod): Pick<PodSandboxConfig, 'hostname' | 'domain'> {
  if (spec.hostNetwork) return {};
  if (spec.hostnameOverride !== undefined) return { hostname: spec.hostnameOverride };
  const hostname = spec.hostname ?? hostnameOf(metadata.name);
  if (spec.subdomain === undefined) return { hostname };
  const domain = `${spec.subdomain}.${metadata.namespace}.svc.${CLUSTER_DOMAIN}`;
  return { hostname: spec.setHostnameAsFQDN ? `${hostname}.${domain}` : hostname, domain };
}

/** Ports with a hostPort; the others are only documentation. Init containers that end have none, as in the kubelet. */
function portMappings(pod: Pod): readonly PortMapping[] {
  const containers = [...pod.spec.initContainers.filter(isSidecar), ...pod.spec.containers];
  return containers.flatMap(({ ports }) =>
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
