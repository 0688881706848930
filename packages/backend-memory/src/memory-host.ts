import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import {
  type Clock,
  type ContainerConfig,
  DEFAULT_RESTART_BACKOFF,
  HurriedStops,
  KeyedMutex,
  type Orphan,
  type OrphanMarks,
  type PodSandboxConfig,
  PodwrightError,
  type PortMapping,
  parseImageReference,
  type RestartBackoff,
  type RuntimeEvent,
  SystemClock,
} from '@podwright/core';
import type { ServiceIdentifier } from 'inversify';
import { type Observable, Subject } from 'rxjs';
import { FileTree } from './machine/file-tree.js';
import { SandboxNetwork, streamOf } from './machine/sandbox-network.js';
import type { Program } from './machine/simulated-process.js';
import type { MemoryHostOptions } from './memory-options.js';
import { planProcess } from './pod/process-plan.js';
import { sandboxFiles } from './pod/sandbox-files.js';
import { SimulatedContainer } from './pod/simulated-container.js';
import { SimulatedSandbox } from './pod/simulated-sandbox.js';
import { standardPrograms } from './programs/programs.js';
import { restartDelay } from './restart-delay.js';
import { type ArchiveFormat, writeImageArchive } from './store/image-archive.js';
import { ImageStore } from './store/image-store.js';
import { SimulatedRegistries } from './store/registry.js';

const NODE_IP = '192.0.2.1';
const NODE_HOSTNAME = 'memory-node';
const DEFAULT_IMAGE_CAPACITY_BYTES = 10 * 1024 ** 3;

/**
 * A machine that is simulated: its files, images, networks, sandboxes and containers. It outlives the agents that work
 * on it: give one to several runtimes, one after the other, and each finds what the one before has left.
 */
export class MemoryHost {
  /** Files of the host, as hostPath volumes and image archives see them. */
  readonly files = new FileTree();
  readonly images: ImageStore;
  readonly registries: SimulatedRegistries;
  readonly sandboxes = new Map<string, SimulatedSandbox>();
  readonly containers = new Map<string, SimulatedContainer>();
  /** Images that volumes were made of, by path: they are in use. */
  readonly imageVolumes = new Map<string, { readonly id: string; readonly reference: string }>();
  readonly locks = new KeyedMutex();
  readonly stops: HurriedStops;
  /** When what has no owner was seen first: agents come and go, and this stays. */
  orphanMarks: OrphanMarks = new Map();
  readonly pullMs: number;
  readonly #events = new Subject<RuntimeEvent>();
  readonly #programs: ReadonlyMap<string, Program>;
  /** Of its containers, whoever restarts them. */
  readonly restartBackoff: RestartBackoff;
  readonly #nodeNetwork = new SandboxNetwork([NODE_IP], (ip) => this.#networkOf(ip));
  /** Which sandbox has an address. */
  readonly #leases = new Map<string, string>();
  #made = 0;
  #nextAddress = 2;

  constructor(
    options: MemoryHostOptions = {},
    readonly clock: Clock = new SystemClock(),
  ) {
    this.stops = new HurriedStops(clock);
    this.images = new ImageStore(
      options.imageCapacityBytes ?? DEFAULT_IMAGE_CAPACITY_BYTES,
      options.pinnedImages,
    );
    this.registries = new SimulatedRegistries(options.registry ?? {}, clock.nowMs());
    this.pullMs = options.registry?.pullMs ?? 0;
    this.#programs = new Map([...standardPrograms, ...Object.entries(options.programs ?? {})]);
    this.restartBackoff = { ...DEFAULT_RESTART_BACKOFF, ...options.restartBackoff };
    for (const folder of ['/tmp', '/var/lib', '/etc', '/run']) this.files.makeDirectory(folder);
  }

  get events(): Observable<RuntimeEvent> {
    return this.#events;
  }

  /** A connection to a port of the node, as a client beside the machine would make it: host ports are served. */
  connect(port: number): Duplex {
    const owner = [...this.sandboxes.values()].find(
      (sandbox) => sandbox.ready && sandbox.config.portMappings.some((mapping) => mapping.hostPort === port),
    );
    const target =
      owner?.config.portMappings.find((mapping) => mapping.hostPort === port)?.containerPort ?? port;
    const connection = (owner?.network ?? this.#nodeNetwork).connect('127.0.0.1', target);
    if (!connection) throw new PodwrightError('unreachable', `Nobody listens on port ${port} of the node.`);
    return streamOf(connection);
  }

  /**
   * Writes an image of the registry as an archive onto the host, for loading.
   * @param names that the archive gives it
   * @param format Default `docker`, as `docker save` writes it
   * @throws PodwrightError as a pull of it
   */
  saveImage(
    reference: string,
    path: string,
    names: readonly string[],
    format: ArchiveFormat = 'docker',
  ): void {
    const content = this.registries.resolve(parseImageReference(reference), undefined);
    this.files.writeFile(path, writeImageArchive(content, names, format));
  }

  /** Ends every container without a word to anybody, as cutting the power does. */
  powerOff(): void {
    for (const container of this.containers.values()) void container.stop(0);
  }

  /** Leaves an address behind that belongs to no sandbox, for tests of garbage collection. @returns the address */
  plantOrphan(): string {
    return this.#lease('a sandbox that is gone');
  }

  /** Whether an address is leased. */
  hasLease(ip: string): boolean {
    return this.#leases.has(ip);
  }

  /** Addresses of sandboxes that are not there. */
  orphans(): readonly Orphan[] {
    return [...this.#leases]
      .filter(([, id]) => !this.sandboxes.has(id))
      .map(([ip]) => ({ what: `address ${ip}`, remove: async () => void this.#leases.delete(ip) }));
  }

  /** @throws PodwrightError kind `already-exists`, `port-in-use` */
  addSandbox(config: PodSandboxConfig): SimulatedSandbox {
    const { uid, attempt, name } = config.metadata;
    for (const { config: other, id } of this.sandboxes.values()) {
      if (other.metadata.uid === uid && other.metadata.attempt === attempt) {
        throw new PodwrightError(
          'already-exists',
          `Pod ${name} (${uid}) has sandbox ${id} of attempt ${attempt}.`,
        );
      }
    }
    for (const mapping of config.portMappings) this.#checkPort(mapping);
    const id = randomUUID().replaceAll('-', '');
    const isOwn = config.network === 'pod';
    const ip = isOwn ? this.#lease(id) : NODE_IP;
    const network = isOwn ? new SandboxNetwork([ip], (other) => this.#networkOf(other)) : this.#nodeNetwork;
    const hostname = isOwn ? (config.hostname ?? name) : NODE_HOSTNAME;
    const sandbox = new SimulatedSandbox(
      id,
      this.#made++,
      config,
      this.clock.nowMs(),
      hostname,
      network,
      () => {
        this.#leases.delete(isOwn ? ip : '');
        if (isOwn) network.down();
      },
    );
    this.sandboxes.set(id, sandbox);
    this.emitSandbox(sandbox, 'sandbox-created');
    return sandbox;
  }

  /** @throws PodwrightError kind `image-not-found`, `invalid-argument`, `already-exists`, `failed-precondition` */
  addContainer(sandbox: SimulatedSandbox, config: ContainerConfig): SimulatedContainer {
    const image = this.images.find(config.image);
    if (!image) {
      throw new PodwrightError(
        'image-not-found',
        `Image ${config.image} is not in the store. Pull it first.`,
        {
          details: { reference: config.image },
        },
      );
    }
    const text = (path: string) => {
      const node = new FileTree(image.root).find(path);
      return node?.kind === 'file' ? node.data.toString('utf8') : '';
    };
    const plan = planProcess(config, {
      execution: image.config,
      passwd: text('/etc/passwd'),
      group: text('/etc/group'),
      hostname: sandbox.hostname,
    });
    const id = randomUUID().replaceAll('-', '');
    const container = new SimulatedContainer(
      id,
      this.#made++,
      sandbox,
      config,
      image,
      plan,
      this.clock.nowMs(),
      {
        clock: this.clock,
        hostFiles: this.files,
        programs: this.#programs,
        sandboxFiles: sandboxFiles(sandbox),
        restartDelay: (attempts) => restartDelay(config.restart, attempts, this.restartBackoff),
        emit: (event) => this.#events.next(event),
      },
    );
    this.containers.set(id, container);
    this.emitContainer(container, 'container-created');
    return container;
  }

  emitSandbox(
    sandbox: SimulatedSandbox,
    type: 'sandbox-created' | 'sandbox-stopped' | 'sandbox-removed',
  ): void {
    this.#events.next({ ...this.#eventHead(sandbox), type });
  }

  emitContainer(container: SimulatedContainer, type: 'container-created' | 'container-removed'): void {
    this.#events.next({ ...this.#eventHead(container.sandbox), type, containerId: container.id });
  }

  #eventHead({ id, config }: SimulatedSandbox) {
    return { timestampMs: this.clock.nowMs(), sandboxId: id, podUid: config.metadata.uid };
  }

  #networkOf(ip: string): SandboxNetwork | undefined {
    if (ip === NODE_IP) return this.#nodeNetwork;
    return [...this.sandboxes.values()].find(({ ready, network }) => ready && network.ips.includes(ip))
      ?.network;
  }

  #lease(sandboxId: string): string {
    let ip: string;
    do {
      const number = this.#nextAddress++ % 65_534;
      ip = `10.88.${number >> 8}.${number & 0xff}`;
    } while (this.#leases.has(ip) || ip === '10.88.0.0' || ip === '10.88.0.1');
    this.#leases.set(ip, sandboxId);
    return ip;
  }

  #checkPort(wanted: PortMapping): void {
    const isAny = (ip: string | undefined) =>
      ip === undefined || ip === '' || ip === '0.0.0.0' || ip === '::';
    for (const { ready, config } of this.sandboxes.values()) {
      const taken = config.portMappings.some(
        ({ protocol, hostPort, hostIp }) =>
          protocol === wanted.protocol &&
          hostPort === wanted.hostPort &&
          (isAny(hostIp) || isAny(wanted.hostIp) || hostIp === wanted.hostIp),
      );
      if (ready && taken) {
        throw new PodwrightError(
          'port-in-use',
          `Host port ${wanted.hostPort}/${wanted.protocol} is taken by pod ${config.metadata.name}. Choose another.`,
          { details: { hostPort: wanted.hostPort, protocol: wanted.protocol } },
        );
      }
    }
  }
}

export const MemoryHostToken: ServiceIdentifier<MemoryHost> = Symbol.for(
  'podwright.backend-memory.MemoryHost',
);

/** Whether the machine was made for one runtime alone and is switched off with it. */
export const OwnsMemoryHost: ServiceIdentifier<boolean> = Symbol.for(
  'podwright.backend-memory.OwnsMemoryHost',
);
