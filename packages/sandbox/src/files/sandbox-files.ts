import { chmod, readFile, writeFile } from 'node:fs/promises';
import type { DnsConfig } from '@podwright/core';
import { Logger } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import type { SandboxRecord } from '../sandbox-record.js';
import { formatHosts, formatResolvConf, isLoopback, nameservers } from './pod-files.js';

/** systemd-resolved's own list of servers, beside the stub that /etc/resolv.conf then names. */
const RESOLVED_CONF = '/run/systemd/resolve/resolv.conf';

/** Writes the files of /etc that a pod's containers share. */
@injectable()
export class SandboxFiles {
  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** Writes resolv.conf and hostname, readable by every user of the containers. Needs no network yet. */
  async writeNames({ files, network, hostname, dns }: SandboxRecord): Promise<void> {
    await Promise.all([
      this.#put(files.hostname, `${hostname}\n`),
      this.#resolvConf(dns, network === 'pod').then((text) => this.#put(files.resolvConf, text)),
    ]);
  }

  /** Writes hosts: the pod's own names, or the host's file with the node's network. */
  async writeHosts({ files, network, ips, hostname }: SandboxRecord): Promise<void> {
    const text = network === 'pod' ? formatHosts(ips, hostname) : await this.#read('/etc/hosts');
    await this.#put(files.hosts, text ?? formatHosts([], hostname));
  }

  /** As the kubelet does: where the host only has systemd-resolved's stub on loopback, the servers behind it. */
  async #resolvConf(dns: DnsConfig | undefined, ownNetwork: boolean): Promise<string> {
    if (dns) return formatResolvConf(dns);
    const text = (await this.#read('/etc/resolv.conf')) ?? '';
    if (!ownNetwork || !nameservers(text).some(isLoopback)) return text;
    const behind = await this.#read(RESOLVED_CONF);
    if (behind !== undefined && nameservers(text).includes('127.0.0.53')) return behind;
    this.logger.warn(
      'the host has a name server on loopback, which a pod cannot reach: give the pod a dns configuration',
      {
        servers: nameservers(text),
      },
    );
    return text;
  }

  async #put(path: string, text: string): Promise<void> {
    const target = this.executor.hostPath(path);
    await writeFile(target, text);
    // Whatever the umask: users inside the containers have to read it.
    await chmod(target, 0o644);
  }

  /** A file as the host sees it: from inside a container its links lead elsewhere, so the host itself has to read it. */
  async #read(path: string): Promise<string | undefined> {
    if (this.executor.hostPath(path) === path) {
      return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      });
    }
    const { exitCode, stdout } = await this.executor.run({
      command: 'cat',
      args: ['--', path],
      okExitCodes: [0, 1],
    });
    return exitCode === 0 ? stdout.toString() : undefined;
  }
}
