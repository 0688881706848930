import { join } from 'node:path';
import type { VolumePaths } from '@podwright/sandbox';
import type { ServiceIdentifier } from 'inversify';

/** Where this backend keeps what the runtime does not tell again. One directory for each sandbox and container. */
export class BackendLayout {
  constructor(
    private readonly stateDir: string,
    private readonly runDir: string,
    private readonly options: {
      readonly logDir?: string | undefined;
      readonly seccompProfileRoot?: string | undefined;
    },
  ) {}

  get sandboxesDir(): string {
    return join(this.stateDir, 'cri', 'sandboxes');
  }

  get containersDir(): string {
    return join(this.stateDir, 'cri', 'containers');
  }

  get orphanMarksFile(): string {
    return join(this.stateDir, 'cri', 'orphans.json');
  }

  get logsDir(): string {
    return this.options.logDir ?? join(this.stateDir, 'logs');
  }

  get seccompProfileRoot(): string {
    return this.options.seccompProfileRoot ?? join(this.stateDir, 'seccomp');
  }

  /** Parts of volumes are bound below it: mounts, which end with the host's run. */
  partsDir(containerKey: string): string {
    return join(this.runDir, 'cri', 'parts', containerKey);
  }

  sandbox(key: string) {
    const directory = join(this.sandboxesDir, key);
    return { directory, hosts: join(directory, 'hosts'), logs: join(this.logsDir, key) };
  }

  container(key: string) {
    const directory = join(this.containersDir, key);
    return { directory, message: join(directory, 'termination-message') };
  }

  get volumes(): VolumePaths {
    return {
      volumesDir: join(this.stateDir, 'volumes'),
      memoryVolumesDir: join(this.runDir, 'volumes'),
      objectVolumesDir: join(this.runDir, 'objects'),
    };
  }
}

export const BackendLayoutToken: ServiceIdentifier<BackendLayout> = Symbol.for(
  'podwright.backend-cri.BackendLayout',
);
