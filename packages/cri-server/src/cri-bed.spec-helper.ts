import 'reflect-metadata';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Message, MessageInitShape } from '@bufbuild/protobuf';
import { Clock, ImageService, Logger, RuntimeService, SystemClock } from '@podwright/core';
import { cri, openChannel, type RpcChannel, type RpcClient } from '@podwright/cri-api';
import { Container, type ContainerModule } from 'inversify';
import { CriServer } from './cri-server.js';
import { criServerModule } from './cri-server-module.js';

export const IMAGE = 'registry.test/app:1';

/** A server over a unix socket in front of a simulated machine, and a client of it. */
export class CriBed implements AsyncDisposable {
  readonly logged: string[] = [];
  readonly runtime: RpcClient<typeof cri.RuntimeService>;
  readonly images: RpcClient<typeof cri.ImageService>;
  #server: CriServer | undefined;

  private constructor(
    private readonly container: Container,
    readonly directory: string,
    readonly socketPath: string,
    private readonly channel: RpcChannel,
  ) {
    this.runtime = channel.service(cri.RuntimeService);
    this.images = channel.service(cri.ImageService);
  }

  /** @param prepare rebinds parts before the server is made */
  static async start(
    backend: ContainerModule,
    prepare: (container: Container) => Promise<void> = async () => undefined,
  ): Promise<CriBed> {
    const directory = await mkdtemp(join(tmpdir(), 'cri-'));
    const socketPath = join(directory, 'run', 'cri.sock');
    const container = new Container({ defaultScope: 'Singleton' });
    const bed = new CriBed(container, directory, socketPath, openChannel(`unix://${socketPath}`));
    const at = (level: string) => (message: string) => void bed.logged.push(`${level} ${message}`);
    container.bind(Clock).toConstantValue(new SystemClock());
    container
      .bind(Logger)
      .toConstantValue({ debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') });
    await container.loadAsync(backend);
    await prepare(container);
    await bed.backend.start();
    await bed.startServer();
    return bed;
  }

  /** Another server in front of the same machine. */
  async startServer(): Promise<void> {
    const { container, socketPath } = this;
    const own = new Container({ defaultScope: 'Singleton' });
    own.bind(Clock).toConstantValue(container.get(Clock));
    own.bind(Logger).toConstantValue(container.get(Logger));
    own.bind(RuntimeService).toConstantValue(this.backend);
    own.bind(ImageService).toConstantValue(container.get(ImageService));
    await own.loadAsync(criServerModule({ socketPath, shutdownGraceMs: 1000 }));
    this.#server = own.get(CriServer);
    await this.#server.start();
  }

  get backend(): RuntimeService {
    return this.container.get(RuntimeService);
  }

  get server(): CriServer {
    if (this.#server === undefined) throw new Error('No server was started.');
    return this.#server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.channel.close();
    await this.server[Symbol.asyncDispose]();
    await this.backend[Symbol.asyncDispose]();
    await rm(this.directory, { recursive: true, force: true });
  }

  async pull(image = IMAGE): Promise<string> {
    return (await this.images.pullImage({ image: { image } })).imageRef;
  }

  /** A pod `web` in `default` of which only `config` is different. */
  async runSandbox(config: SandboxInit = {}): Promise<string> {
    return (await this.runtime.runPodSandbox({ config: sandboxConfig(config) })).podSandboxId;
  }

  async createContainer(podSandboxId: string, config: ContainerInit = {}): Promise<string> {
    const { containerId } = await this.runtime.createContainer({
      podSandboxId,
      config: { metadata: { name: 'app', attempt: 0 }, image: { image: IMAGE }, ...config },
      sandboxConfig: sandboxConfig(),
    });
    return containerId;
  }

  /** A container that runs this script. */
  async runScript(podSandboxId: string, script: string, config: ContainerInit = {}): Promise<string> {
    const containerId = await this.createContainer(podSandboxId, {
      command: ['sh', '-c', script],
      ...config,
    });
    await this.runtime.startContainer({ containerId });
    return containerId;
  }
}

// Without whole messages, which are not to be spread into another.
type ContainerInit = Exclude<MessageInitShape<typeof cri.ContainerConfigSchema>, Message>;
type SandboxInit = Exclude<MessageInitShape<typeof cri.PodSandboxConfigSchema>, Message>;

export function sandboxConfig(config: SandboxInit = {}): SandboxInit {
  return {
    metadata: { name: 'web', namespace: 'default', uid: 'uid-1', attempt: 0 },
    linux: { securityContext: { namespaceOptions: { pid: cri.NamespaceMode.CONTAINER } } },
    ...config,
  };
}
