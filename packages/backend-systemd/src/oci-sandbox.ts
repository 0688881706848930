import type { OciSandbox } from '@podwright/oci';
import type { SandboxRecord } from '@podwright/sandbox';

/** What the OCI document needs to know of a sandbox. */
export function ociSandbox(record: SandboxRecord): OciSandbox {
  const { namespaces, files } = record;
  return {
    namespaces: {
      network: namespaces.network ?? 'host',
      ipc: namespaces.ipc ?? 'host',
      uts: namespaces.uts ?? 'host',
      pid: record.pid === 'node' ? 'host' : 'new',
    },
    hostname: record.hostname,
    shmPath: files.shm,
    resolvConfPath: files.resolvConf,
    hostsPath: files.hosts,
    hostnamePath: files.hostname,
    sysctls: record.sysctls,
  };
}
