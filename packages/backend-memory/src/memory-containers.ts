import {
  type CallOptions,
  type ContainerConfig,
  checkContainerResources,
  PodwrightError,
  pidModeOf,
  type StopOptions,
} from '@podwright/core';
import { inject, injectable, type ServiceIdentifier } from 'inversify';
import { type MemoryHost, MemoryHostToken } from './memory-host.js';
import { containerOn, containersIn, sandboxOn } from './memory-lookup.js';
import { checkContainerConfig } from './pod/unsupported.js';

/** Whether the simulated machine restarts containers by itself. */
export const SupervisedRestart: ServiceIdentifier<boolean> = Symbol.for(
  'podwright.backend-memory.SupervisedRestart',
);

/** Makes, starts, stops and removes containers of a simulated machine. */
@injectable()
export class MemoryContainers {
  constructor(
    @inject(MemoryHostToken) private readonly host: MemoryHost,
    @inject(SupervisedRestart) private readonly supervisedRestart: boolean,
  ) {}

  async create(sandboxId: string, config: ContainerConfig, options?: CallOptions): Promise<string> {
    return this.host.locks.run(
      sandboxId,
      async () => {
        const sandbox = sandboxOn(this.host, sandboxId);
        if (!sandbox.ready) {
          throw new PodwrightError('failed-precondition', `Sandbox ${sandboxId} is stopped; make a new one.`);
        }
        const { name, attempt } = config.metadata;
        const twin = containersIn(this.host, sandboxId).find(
          ({ config: { metadata } }) => metadata.name === name && metadata.attempt === attempt,
        );
        if (twin) {
          throw new PodwrightError(
            'already-exists',
            `Sandbox ${sandboxId} has a container ${name} of attempt ${attempt}: ${twin.id}.`,
          );
        }
        checkContainerConfig(config, sandbox.config);
        checkContainerResources(config.resources, `container "${name}"`);
        if (config.pidTarget !== undefined) this.checkPidTarget(config.pidTarget, sandboxId);
        if (config.restart.by === 'backend' && !this.supervisedRestart) {
          throw new PodwrightError(
            'unsupported',
            `Container ${name} is to be restarted by the backend, and this one was told not to (supervisedRestart: false): restart it by its caller.`,
          );
        }
        return this.host.addContainer(sandbox, config).id;
      },
      options?.signal,
    );
  }

  async start(id: string, options?: CallOptions): Promise<void> {
    await this.host.locks.run(
      id,
      async () => {
        const container = containerOn(this.host, id);
        if (container.phase !== 'created') {
          throw new PodwrightError(
            'failed-precondition',
            `Container ${container.config.metadata.name} (${id}) was started before; make a new one to run it again.`,
          );
        }
        if (!container.sandbox.ready) {
          throw new PodwrightError(
            'failed-precondition',
            `Sandbox ${container.sandbox.id} of container ${id} is stopped.`,
          );
        }
        container.start();
      },
      options?.signal,
    );
  }

  async stop(id: string, options?: StopOptions): Promise<void> {
    const graceMs = options?.graceMs ?? this.host.containers.get(id)?.config.terminationGraceMs ?? 0;
    await this.host.stops.run(
      id,
      graceMs,
      (work) => this.host.locks.run(id, work, options?.signal),
      async (hurry) => await this.host.containers.get(id)?.stop(graceMs, options?.signal, hurry),
    );
  }

  async remove(id: string, options?: CallOptions): Promise<void> {
    await this.host.stops.run(
      id,
      0,
      (work) => this.host.locks.run(id, work, options?.signal),
      async () => {
        const container = this.host.containers.get(id);
        if (!container) return;
        await container.stop(0);
        container.log.close();
        this.host.containers.delete(id);
        this.host.emitContainer(container, 'container-removed');
      },
    );
  }

  /** Its processes are not shown: like all that only a kernel has. */
  private checkPidTarget(id: string, sandboxId: string): void {
    const { sandbox, phase, config } = containerOn(this.host, id);
    const { name } = config.metadata;
    if (sandbox.id !== sandboxId) {
      throw new PodwrightError('invalid-argument', `Container ${name} (${id}) is in another sandbox.`);
    }
    if (phase !== 'running') {
      throw new PodwrightError(
        'failed-precondition',
        `Container ${name} (${id}) does not run: it is ${phase}.`,
      );
    }
    const mode = pidModeOf(config, sandbox.config);
    if (mode !== 'container') {
      throw new PodwrightError(
        'failed-precondition',
        `Container ${name} (${id}) has no PID namespace of its own to join, it has that of the ${mode}.`,
      );
    }
  }
}
