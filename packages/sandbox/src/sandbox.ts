import { PodwrightError } from '@podwright/core';
import type { ProcessIdentity } from '@podwright/nsenter';
import {
  findTarget,
  type NamespaceMode,
  type NamespaceOptions,
  type TargetCandidate,
} from './namespaces/namespace-mode.js';
import type { NamespaceKind } from './namespaces/namespace-pinner.js';
import { namespacePath, type SandboxNamespaces } from './namespaces/sandbox-namespaces.js';
import { type Registered, Registry } from './registry.js';
import { ownKinds } from './sandbox-paths.js';
import type { SandboxRecord } from './sandbox-record.js';

/** A container as its sandbox knows it; all else of it is the backend's. */
export interface SandboxContainer extends Registered, TargetCandidate {
  readonly name: string;
  readonly attempt: number;
  /** Mode of its PID namespace. */
  readonly pid: NamespaceMode;
}

/** A living sandbox: its record, its namespaces, its first process, and which containers are in it. */
export class Sandbox implements Registered {
  /** Not in the record: whoever makes containers remembers them, and adds them again after a restart. */
  readonly containers = new Registry<SandboxContainer>('container');
  #record: SandboxRecord;

  constructor(
    record: SandboxRecord,
    readonly namespaces: SandboxNamespaces,
  ) {
    this.#record = record;
    if (!record.stopped) namespaces.joinAll(record.namespaces);
  }

  get id(): string {
    return this.#record.id;
  }

  get createdAtMs(): number {
    return this.#record.createdAtMs;
  }

  get record(): SandboxRecord {
    return this.#record;
  }

  /** @throws PodwrightError kind `invalid-argument` for another sandbox's record */
  set record(record: SandboxRecord) {
    if (record.id !== this.id) {
      throw new PodwrightError('invalid-argument', `${record.id} is not sandbox ${this.id}.`, {
        details: { id: record.id },
      });
    }
    this.#record = record;
  }

  /** Its first process. */
  get infra(): ProcessIdentity | undefined {
    return this.#record.infra;
  }

  /** @throws PodwrightError kind `already-exists` */
  setInfra(infra: ProcessIdentity): void {
    const { infra: present } = this.#record;
    if (present !== undefined) {
      throw new PodwrightError(
        'already-exists',
        `Sandbox ${this.id} has a first process already, ${present.pid}: ${infra.pid} cannot become it.`,
        { details: { id: this.id, pid: present.pid } },
      );
    }
    this.#record = { ...this.#record, infra };
  }

  /** Forgets it. Idempotent. */
  removeInfra(): void {
    const { infra: _, ...rest } = this.#record;
    this.#record = rest;
  }

  /** Where a namespace is found on the host: undefined for the host's own; that of the first process where it is not managed. */
  namespacePath(kind: NamespaceKind): string | undefined {
    const own = ownKinds(this.#record).includes(kind);
    return namespacePath(kind, own, this.namespaces.get(kind), this.infra?.pid);
  }

  /**
   * The container whose PID namespace one with these options joins.
   * @throws as `findTarget`
   */
  target(options: NamespaceOptions): SandboxContainer | undefined {
    return findTarget(options, (id) => this.containers.get(id));
  }
}

/** What decides whether containers can be put into a sandbox. */
export interface ReadinessFacts {
  readonly created: boolean;
  /** Its end was asked for; its network may be down already. */
  readonly stopping: boolean;
  /** Its managed namespaces are all there, of this boot. */
  readonly namespacesPresent: boolean;
  /** Undefined for one that needs no first process. */
  readonly infraRunning: boolean | undefined;
}

/** Without a first process, made, not told to end and its namespaces there; with one, that has to be running too. */
export function isReady({ created, stopping, namespacesPresent, infraRunning }: ReadinessFacts): boolean {
  return created && !stopping && namespacesPresent && infraRunning !== false;
}
