// Debian's containerd on the throw-away host, with all that it keeps in a directory of its own.
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { cri, openChannel } from '@podwright/cri-api';
import { deadRegistry, testImages, testRegistry } from '../../host/images.js';
import { slowness } from '../../slowness.js';

const run = promisify(execFile);
const READY_MS = 20_000 * slowness;
/** Public registries that the one of the tests answers for; the host is not on the internet. */
const MIRRORED = ['registry.k8s.io', 'gcr.io', 'docker.io'];

export interface ContainerdOptions {
  /** Default: 10.94.0.0/16 */
  readonly subnet?: string;
  /** Default: `cni-cri0` */
  readonly bridge?: string;
}

/**
 * A containerd with its CRI plugin, as a unit of this host's systemd. Its containers are made by crun: runc gives up on a
 * host without CAP_SYS_RESOURCE. The registries of the tests have to be there (`host.mjs up --images`).
 */
export class Containerd {
  private constructor(
    /** Everything of it lies below; on a tmpfs, as overlays cannot lie on overlays. */
    readonly folder: string,
    readonly bridge: string,
    private readonly unit: string,
  ) {}

  /** As gRPC takes it. */
  get address(): string {
    return `unix://${this.socket}`;
  }

  get socket(): string {
    return join(this.folder, 'containerd.sock');
  }

  /** Images and layers. */
  get root(): string {
    return join(this.folder, 'root');
  }

  /** Starts it, and resolves when it answers and says that runtime and network are ready. */
  static async start({
    subnet = '10.94.0.0/16',
    bridge = 'cni-cri0',
  }: ContainerdOptions = {}): Promise<Containerd> {
    const folder = await mkdtemp('/run/podwright-containerd-');
    // Users of other ids, in user namespaces too, pass through it to their volumes.
    await chmod(folder, 0o711);
    const unit = `${folder.slice('/run/'.length)}.service`;
    const self = new Containerd(folder, bridge, unit);
    await mkdir(join(folder, 'net.d'));
    await writeFile(join(folder, 'net.d/10-bridge.conflist'), JSON.stringify(self.network(subnet)));
    await writeFile(join(folder, 'config.toml'), self.configuration());
    try {
      // Without Delegate systemd would clean up the control groups that it makes; its shims outlive a stop of it alone.
      await run('systemd-run', [
        ...['--quiet', `--unit=${unit}`, '--property=Delegate=yes', '--property=KillMode=process'],
        ...['--', 'containerd', '--config', join(folder, 'config.toml')],
      ]);
      await self.ready();
    } catch (cause) {
      const log = await self.log();
      await self.stop().catch(() => undefined);
      throw new Error(`containerd did not start. Its log:\n${log}`, { cause });
    }
    return self;
  }

  /** Ends the daemon, and leaves its containers running; `restart` brings it back. */
  async kill(): Promise<void> {
    await run('systemctl', ['kill', '--kill-whom=main', '--signal=SIGKILL', this.unit]);
  }

  /** Starts the daemon anew, over the containers that run. */
  async restart(): Promise<void> {
    await run('systemctl', ['restart', this.unit]);
    await this.ready();
  }

  /** The end of what it has logged. */
  async log(): Promise<string> {
    const { stdout } = await run('journalctl', [
      '--no-pager',
      '-q',
      '-o',
      'cat',
      '-n',
      '60',
      '-u',
      this.unit,
    ]);
    return stdout;
  }

  /** Removes its pods and images, ends it and removes all that is its own. */
  async stop(): Promise<void> {
    await this.removePods().catch((error: unknown) => {
      console.error(`Pods of containerd could not be removed: ${String(error)}`);
    });
    // With its shims, should a pod have been left; the stop waits for the end, and only a failed unit is to be reset.
    for (const args of [['kill', '--signal=SIGKILL'], ['stop'], ['reset-failed']])
      await run('systemctl', [...args, this.unit]).catch(() => undefined);
    for (const path of await mountsBelow(this.folder)) await run('umount', ['--lazy', path]);
    await run('ip', ['link', 'delete', this.bridge]).catch(() => undefined);
    await rm(this.folder, { recursive: true, force: true });
  }

  private async removePods(): Promise<void> {
    const channel = openChannel(this.address);
    try {
      const client = channel.service(cri.RuntimeService);
      const { items } = await client.listPodSandbox({}, { timeoutMs: 10_000 });
      for (const { id } of items) {
        await client.stopPodSandbox({ podSandboxId: id }, { timeoutMs: 20_000 });
        await client.removePodSandbox({ podSandboxId: id }, { timeoutMs: 20_000 });
      }
    } finally {
      channel.close();
    }
  }

  /** It listens before it has taken up what runs, and refuses calls until then. */
  private async ready(): Promise<void> {
    const channel = openChannel(this.address);
    try {
      await channel.waitForReady(READY_MS);
      const runtime = channel.service(cri.RuntimeService);
      for (const end = Date.now() + READY_MS; ; ) {
        const problem = await runtime.status({}, { timeoutMs: READY_MS }).then(
          ({ status }) => status?.conditions.find((condition) => !condition.status)?.message,
          (error: unknown) => String(error),
        );
        if (problem === undefined) return;
        if (Date.now() > end) throw new Error(`containerd is not ready: ${problem}`);
        await setTimeout(50);
      }
    } finally {
      channel.close();
    }
  }

  private network(subnet: string): object {
    const ipam = { type: 'host-local', dataDir: join(this.folder, 'leases'), ranges: [[{ subnet }]] };
    return {
      cniVersion: '1.0.0',
      name: 'containerd-test',
      plugins: [
        {
          ...{ type: 'bridge', bridge: this.bridge, isGateway: true, ipMasq: true, hairpinMode: true },
          ipam: { ...ipam, routes: [{ dst: '0.0.0.0/0' }] },
        },
        { type: 'portmap', capabilities: { portMappings: true } },
      ],
    };
  }

  /** Of containerd 1.6. Registries on loopback are asked over plain HTTP without being told to. */
  private configuration(): string {
    const cri = 'plugins."io.containerd.grpc.v1.cri"';
    const { folder } = this;
    return `version = 2
root = "${this.root}"
state = "${join(folder, 'state')}"
[grpc]
address = "${this.socket}"
[ttrpc]
address = "${this.socket}.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
path = "${join(folder, 'opt')}"
[${cri}]
sandbox_image = "${testImages.pause}"
stream_server_address = "127.0.0.1"
stream_server_port = "0"
stats_collect_period = 1
disable_apparmor = true
restrict_oom_score_adj = true
[${cri}.cni]
bin_dir = "/usr/lib/cni"
conf_dir = "${join(folder, 'net.d')}"
[${cri}.containerd]
snapshotter = "overlayfs"
default_runtime_name = "crun"
[${cri}.containerd.runtimes.crun]
runtime_type = "io.containerd.runc.v2"
[${cri}.containerd.runtimes.crun.options]
BinaryName = "/usr/bin/crun"
SystemdCgroup = false
[${cri}.registry.mirrors."${testRegistry}"]
endpoint = ["http://${testRegistry}"]
[${cri}.registry.mirrors."${deadRegistry}"]
endpoint = ["http://${deadRegistry}"]
${MIRRORED.map((name) => `[${cri}.registry.mirrors."${name}"]\nendpoint = ["http://${testRegistry}"]`).join('\n')}
`;
  }
}

/** The deepest first. */
async function mountsBelow(folder: string): Promise<readonly string[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).trim().split('\n');
  return lines
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path.startsWith(`${folder}/`))
    .reverse();
}
