import type { OciSandbox } from '@podwright/oci';
import type { SandboxRecord } from '@podwright/sandbox';

/**
 * What the OCI document needs to know of a sandbox.
 * @param pidNamespace path of the one that the container joins in place of the sandbox's
 */
export function ociSandbox(record: SandboxRecord, pidNamespace?: string): OciSandbox {
  const { namespaces, files } = record;
  return {
    namespaces: {
      network: namespaces.network ?? 'host',
      ipc: namespaces.ipc ?? 'host',
      uts: namespaces.uts ?? 'host',
      pid: pidNamespace ?? (record.pid === 'node' ? 'host' : (namespaces.pid ?? 'new')),
      user: namespaces.user ?? 'host',
    },
    idMappings: record.idMappings,
    hostname: record.hostname,
    shmPath: files.shm,
    resolvConfPath: files.resolvConf,
    hostsPath: files.hosts,
    hostnamePath: files.hostname,
  };
}
