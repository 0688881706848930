import type { MessageInitShape } from '@bufbuild/protobuf';
import type { DnsConfig, PodSandboxConfig, Protocol } from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { toCriResources } from './to-cri-resources.js';
import { toCriNamespaces } from './to-cri-security.js';

const PROTOCOLS: Readonly<Record<Protocol, cri.Protocol>> = {
  TCP: cri.Protocol.TCP,
  UDP: cri.Protocol.UDP,
  SCTP: cri.Protocol.SCTP,
};

/**
 * A sandbox as the CRI asks for it.
 * @param logDirectory below which its containers' logs lie
 * @param dns what its resolv.conf is to say; absent: the node's own
 */
export function toCriSandbox(
  config: PodSandboxConfig,
  logDirectory: string,
  dns: DnsConfig | undefined,
): MessageInitShape<typeof cri.PodSandboxConfigSchema> {
  const { metadata, hostname = '', portMappings, labels, annotations, sysctls = {}, resources } = config;
  return {
    metadata: { ...metadata },
    hostname,
    logDirectory,
    ...(dns === undefined
      ? {}
      : {
          dnsConfig: {
            servers: [...dns.servers],
            searches: [...dns.searches],
            options: [...dns.options],
          },
        }),
    portMappings: portMappings.map(({ protocol, containerPort, hostPort, hostIp = '' }) => ({
      ...{ protocol: PROTOCOLS[protocol], containerPort, hostPort, hostIp },
    })),
    labels: { ...labels },
    annotations: { ...annotations },
    linux: {
      cgroupParent: config.cgroupParent ?? '',
      sysctls: { ...sysctls },
      securityContext: {
        namespaceOptions: toCriNamespaces(config),
        // Runtimes refuse privileged containers in others, and whether there are any is not known yet. Beyond that it is of
        // the sandbox's first process alone, which is the runtime's own.
        privileged: true,
        seccomp: { profileType: cri.SecurityProfile_ProfileType.RuntimeDefault },
      },
      ...(resources === undefined ? {} : { resources: toCriResources(resources) }),
    },
  };
}
