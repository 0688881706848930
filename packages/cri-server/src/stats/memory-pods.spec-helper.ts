// A simulated host with images, for tests of what stands on a backend.
import { type MemoryOptions, memoryBackendModule } from '@podwright/backend-memory';
import {
  Clock,
  type ContainerConfig,
  type Image,
  ImageService,
  type PodSandboxConfig,
  RuntimeService,
  SystemClock,
} from '@podwright/core';
import { Container } from 'inversify';
import { lastValueFrom } from 'rxjs';

/** Ends at once when it is asked to. */
export const PAUSE = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1000 & wait $!; done'];

export const sandboxConfig = (uid: string, more: Partial<PodSandboxConfig> = {}): PodSandboxConfig => ({
  metadata: { name: `pod-${uid}`, namespace: 'default', uid, attempt: 0 },
  labels: {},
  annotations: {},
  network: 'pod',
  ipc: 'pod',
  pid: 'container',
  portMappings: [],
  ...more,
});

export const containerConfig = (name: string, more: Partial<ContainerConfig> = {}): ContainerConfig => ({
  metadata: { name, attempt: 0 },
  image: 'busybox',
  command: PAUSE,
  env: [],
  mounts: [],
  devices: [],
  labels: {},
  annotations: {},
  resources: {},
  security: {},
  restart: { by: 'caller' },
  terminationGraceMs: 1000,
  ...more,
});

export class MemoryPods implements AsyncDisposable {
  private constructor(
    readonly runtime: RuntimeService,
    readonly images: ImageService,
  ) {}

  static async start(options: MemoryOptions = { registry: { images: [{ reference: 'busybox' }] } }) {
    const container = new Container();
    container.bind(Clock).toConstantValue(new SystemClock());
    await container.load(memoryBackendModule(options));
    const self = new MemoryPods(container.get(RuntimeService), container.get(ImageService));
    await self.runtime.start();
    return self;
  }

  async pull(reference: string): Promise<Image> {
    const last = await lastValueFrom(this.images.pullImage(reference));
    if (last.type !== 'done') throw new Error(`the pull ended with ${last.type}`);
    return last.image;
  }

  async create(sandboxId: string, name: string, more: Partial<ContainerConfig> = {}): Promise<string> {
    return await this.runtime.createContainer(sandboxId, containerConfig(name, more));
  }

  /** Creates and starts a container. */
  async startContainer(sandboxId: string, name: string, more: Partial<ContainerConfig> = {}) {
    const id = await this.create(sandboxId, name, more);
    await this.runtime.startContainer(id);
    return id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runtime[Symbol.asyncDispose]();
  }
}
