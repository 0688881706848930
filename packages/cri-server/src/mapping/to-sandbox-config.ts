import { basename } from 'node:path';
import type { DnsConfig, IdMapping, PodSandboxConfig, PortMapping } from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { invalid, unsupported } from './refusals.js';
import { checkSandboxSecurity } from './to-security.js';

const { NamespaceMode, Protocol } = cri;

const PROTOCOLS: Readonly<Record<cri.Protocol, PortMapping['protocol']>> = {
  [Protocol.TCP]: 'TCP',
  [Protocol.UDP]: 'UDP',
  [Protocol.SCTP]: 'SCTP',
};

/**
 * What RunPodSandbox asks for, in the words of the contract.
 *
 * Not taken over: `log_directory`, which comes again with each container; `linux.resources` and `linux.overhead`, which
 * tell runtimes with virtual machines how large to make one, while the limits are those of `cgroup_parent`.
 * @throws PodwrightError kind `invalid-argument`, `unsupported`
 */
export function toSandboxConfig(
  config: cri.PodSandboxConfig | undefined,
  runtimeHandler: string,
): PodSandboxConfig {
  const { metadata, hostname, dnsConfig, labels, annotations, linux, windows } = config ?? {};
  if (metadata === undefined)
    throw invalid('The sandbox has no metadata: its name, namespace and uid are needed.');
  const { name, namespace, uid, attempt } = metadata;
  for (const [field, value] of Object.entries({ name, namespace, uid })) {
    if (value === '') throw invalid(`The sandbox "${namespace}/${name}" has no ${field} in its metadata.`);
  }
  const what = `pod ${namespace}/${name}`;
  if (windows !== undefined) {
    throw unsupported(
      'PodSandboxConfig.windows',
      `Windows options of ${what} are not supported: this is Linux.`,
    );
  }
  const { cgroupParent = '', securityContext, sysctls = {} } = linux ?? {};
  checkSandboxSecurity(securityContext, what);
  const options = securityContext?.namespaceOptions;
  const network = toMode(options?.network, `network namespace of ${what}`);
  return {
    metadata: { name, namespace, uid, attempt },
    labels: labels ?? {},
    annotations: annotations ?? {},
    ...(hostname ? { hostname } : {}),
    network,
    ipc: toMode(options?.ipc, `IPC namespace of ${what}`),
    pid:
      options?.pid === NamespaceMode.CONTAINER
        ? 'container'
        : toMode(options?.pid, `PID namespace of ${what}`),
    ...toDns(dnsConfig),
    // With the node's network a port of the container is one of the host already.
    portMappings: network === 'node' ? [] : (config?.portMappings ?? []).flatMap(toPortMapping),
    ...(Object.keys(sysctls).length === 0 ? {} : { sysctls }),
    ...toUserNamespace(options?.usernsOptions, what),
    ...(cgroupParent === '' ? {} : { cgroupParent: toCgroupParent(cgroupParent) }),
    ...(runtimeHandler === '' ? {} : { runtimeHandler }),
  };
}

/** Absent is the zero value, as everywhere in protobuf: the pod's own. */
function toMode(mode: cri.NamespaceMode = NamespaceMode.POD, what: string): 'pod' | 'node' {
  if (mode === NamespaceMode.POD) return 'pod';
  if (mode === NamespaceMode.NODE) return 'node';
  throw invalid(
    `The ${what} is to be ${NamespaceMode[mode] ?? mode}: it can be that of the pod or of the node.`,
  );
}

/** Without any part it is the node's own resolv.conf. */
function toDns(dns: cri.DNSConfig | undefined): { dns?: DnsConfig } {
  if (dns === undefined) return {};
  const { servers, searches, options } = dns;
  return servers.length + searches.length + options.length === 0
    ? {}
    : { dns: { servers, searches, options } };
}

/** A port without one on the host is only told of; nothing has to be done for it. */
function toPortMapping({ protocol, containerPort, hostPort, hostIp }: cri.PortMapping): PortMapping[] {
  if (hostPort <= 0) return [];
  return [
    { protocol: PROTOCOLS[protocol] ?? 'TCP', containerPort, hostPort, ...(hostIp === '' ? {} : { hostIp }) },
  ];
}

/** Of `a.slice/a-b.slice` the last one is the parent: its name says where it is (systemd.slice(5)). */
function toCgroupParent(path: string): string {
  return path.endsWith('.slice') ? basename(path) : path;
}

/** @throws PodwrightError kind `invalid-argument`, `unsupported` */
function toUserNamespace(
  options: cri.UserNamespace | undefined,
  what: string,
): Pick<PodSandboxConfig, 'userNamespace' | 'idMappings'> {
  if (options === undefined || options.mode === NamespaceMode.NODE) return {};
  const where = `user namespace of ${what}`;
  if (options.mode !== NamespaceMode.POD) {
    throw invalid(
      `The ${where} is to be ${NamespaceMode[options.mode] ?? options.mode}: it can be POD or NODE.`,
    );
  }
  const idMappings = options.uids.map(toIdMapping);
  if (idMappings.length === 0) throw invalid(`The ${where} has no mappings of ids.`);
  if (JSON.stringify(idMappings) !== JSON.stringify(options.gids.map(toIdMapping))) {
    throw unsupported(
      'UserNamespace.gids',
      `The ${where} maps groups otherwise than users: give the same mappings for both.`,
    );
  }
  return { userNamespace: 'pod', idMappings };
}

function toIdMapping({ containerId, hostId, length }: cri.IDMapping): IdMapping {
  return { containerId, hostId, size: length };
}
