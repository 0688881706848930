import { chmodSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Logger } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import type { SandboxRecord } from '../sandbox-record.js';
import { fitDns, formatResolvConf, isLoopback, mergeDns, parseResolvConf } from './dns.js';
import { formatHosts, nodeHosts } from './hosts.js';

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
  async writeNames(record: SandboxRecord): Promise<void> {
    const { files, hostname } = record;
    this.#put(files.hostname, `${hostname}\n`);
    this.#put(files.resolvConf, await this.#resolvConf(record));
  }

  /** Writes hosts: the pod's own names, or the host's file with the node's network; and the pod's aliases. */
  async writeHosts(record: SandboxRecord): Promise<void> {
    const { files, network, hostAliases } = record;
    const ofNode = network === 'node' ? await this.#read('/etc/hosts') : undefined;
    this.#put(files.hosts, ofNode === undefined ? formatHosts(record) : nodeHosts(ofNode, hostAliases));
  }

  async #resolvConf({ id, dns, dnsPolicy, network }: SandboxRecord): Promise<string> {
    if (dnsPolicy === 'None') return dns === undefined ? '' : formatResolvConf(dns);
    const text = await this.#nodeResolvConf(network === 'pod');
    // Byte for byte, also what this library does not know.
    if (dns === undefined) return text;
    const { dns: merged, dropped } = fitDns(mergeDns(parseResolvConf(text), dns));
    if (dropped.length > 0) {
      this.logger.warn('a pod’s resolv.conf would have more than resolvers read: the rest is left out', {
        id,
        dropped,
      });
    }
    return formatResolvConf(merged);
  }

  /** As the kubelet does: where the host only has systemd-resolved's stub on loopback, the servers behind it. */
  async #nodeResolvConf(ownNetwork: boolean): Promise<string> {
    const text = (await this.#read('/etc/resolv.conf')) ?? '';
    const { servers } = parseResolvConf(text);
    if (!ownNetwork || !servers.some(isLoopback)) return text;
    const behind = await this.#read(RESOLVED_CONF);
    if (behind !== undefined && servers.includes('127.0.0.53')) return behind;
    this.logger.warn(
      'the host has a name server on loopback, which a pod cannot reach: give the pod a dns configuration',
      { servers },
    );
    return text;
  }

  /** At once, as these are small. */
  #put(path: string, text: string): void {
    const target = this.executor.hostPath(path);
    writeFileSync(target, text);
    // Whatever the umask: users inside the containers have to read it.
    chmodSync(target, 0o644);
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
