// A throw-away host with pods of the command line, for tests that reboot it.
import { join } from 'node:path';
import { REPOSITORY, removeStaleHosts, ThrowawayHost } from './throwaway-host.mjs';

/** The command line, as the host runs it. */
export const CLI = join(REPOSITORY, 'packages/podwright/dist/command/podwright.js');
export const IMAGE = '127.0.0.1:5000/podwright/busybox:1';

/** Unit file of an agent that starts at boot. */
export const AGENT = `[Unit]
After=network.target dbus.service
[Service]
ExecStart=${process.execPath} ${CLI} agent --manifests /etc/podwright/manifests
[Install]
WantedBy=multi-user.target
`;

const CONFIG = `backendOptions:
  insecureRegistries: ["127.0.0.1:5000"]
  insecurePolicy: true
`;

export class RebootBed {
  /** @param purpose part of the host's name */
  constructor(purpose) {
    this.purpose = purpose;
    this.host = new ThrowawayHost(`${purpose}-${process.pid}`);
  }

  async start() {
    await removeStaleHosts(this.purpose);
    await this.host.up();
    await this.sh(`cd / && node ${join(REPOSITORY, 'test/host/registry.mjs')} up`);
    await this.write('/etc/podwright/config.yaml', CONFIG);
  }

  /**
   * @param ok exit codes that are none of a failure
   * @returns what it wrote to its standard output
   */
  async sh(script, ok = [0]) {
    const { exitCode, stdout, stderr } = await this.host.exec('sh', ['-c', script], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeoutMs: 120_000,
    });
    if (!ok.includes(exitCode)) throw new Error(`${script}: ${exitCode}\n${stdout}${stderr}`);
    return stdout.toString();
  }

  async podwright(words) {
    return await this.sh(`node ${CLI} ${words}`);
  }

  async statusOf(pod) {
    return JSON.parse(await this.podwright(`inspect --raw -o json ${pod}`));
  }

  async write(path, text) {
    await this.sh(`mkdir -p "$(dirname ${path})"; cat >${path} <<'EOF'\n${text}\nEOF`);
  }
}

/** The unit of a pod's last container. */
export function unitOf(status) {
  return `podwright-${status.containers.at(-1).id.replace('systemd://', '')}.service`;
}
