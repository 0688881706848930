import {
  type AttachEnd,
  type AttachOptions,
  type AttachSession,
  type ContainerAttempt,
  PodwrightError,
} from '@podwright/core';
import { ConmonAttach } from '@podwright/oci';
import { inject, injectable } from 'inversify';
import { concatMap, filter, firstValueFrom, map, startWith } from 'rxjs';
import type { ContainerRecord } from './container-record.js';
import { ContainerStatuses } from './container-statuses.js';
import { ContainerStore } from './container-store.js';
import { ContainerWatcher } from './container-watcher.js';
import { HostLayout } from './host-layout.js';

/** Connects clients to containers' first processes, through the sockets of their monitors. */
@injectable()
export class ContainerAttach {
  constructor(
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(ContainerStatuses) private readonly statuses: ContainerStatuses,
    @inject(ContainerWatcher) private readonly watcher: ContainerWatcher,
    @inject(ConmonAttach) private readonly conmon: ConmonAttach,
  ) {}

  /** @throws PodwrightError as `RuntimeService.attach` */
  async attach(id: string, { stdin = false, signal }: AttachOptions): Promise<AttachSession> {
    const record = this.store.require(id);
    const { config } = record;
    const { name } = config.metadata;
    if (stdin && config.stdin !== true) {
      throw new PodwrightError(
        'failed-precondition',
        `Container "${name}" has no standard input: it was created without stdin. Attach to its output only, or create it with stdin: true.`,
        { details: { id } },
      );
    }
    const { state, attempts } = await this.statuses.of(record);
    const attempt = attempts.at(-1)?.attempt;
    if (state !== 'running' || attempt === undefined) {
      throw new PodwrightError(
        'failed-precondition',
        `Container "${name}" cannot be attached to: it does not run, it is ${state}.`,
        { details: { id, state } },
      );
    }
    const bundle = this.layout.container(id).bundle;
    const terminal = config.tty === true;
    const connection = await this.conmon.connect({
      bundle,
      stdin,
      terminal,
      holdInput: config.stdin === true && config.stdinOnce === true && !stdin,
      ...(signal === undefined ? {} : { signal }),
    });
    const ended = connection.ended.then(
      async (how): Promise<AttachEnd> =>
        how === 'left'
          ? { type: 'detached' }
          : { type: 'exited', exitCode: await this.exitCode(record, attempt) },
    );
    ended.catch(() => undefined);
    return {
      ...(connection.stdin && { stdin: connection.stdin }),
      stdout: connection.stdout,
      ...(connection.stderr && { stderr: connection.stderr }),
      ended,
      resize: async (size) => {
        if (terminal) return await this.conmon.resize(bundle, size);
        throw new PodwrightError(
          'failed-precondition',
          `Container "${name}" has no terminal to resize: it was created without tty.`,
          { details: { id } },
        );
      },
      detach: () => connection.leave(),
    };
  }

  /** conmon closes its sockets a moment before the attempt is on record. */
  private async exitCode(record: ContainerRecord, attempt: number): Promise<number> {
    const ended = (attempts: readonly ContainerAttempt[]) =>
      attempts.find((each) => each.attempt === attempt && each.finishedAtMs !== undefined);
    const look = async () =>
      this.store.get(record.id) === undefined ? 'removed' : ended((await this.statuses.of(record)).attempts);
    const found = await firstValueFrom(
      this.watcher.events.pipe(
        filter((event) => 'containerId' in event && event.containerId === record.id),
        startWith(undefined),
        concatMap(look),
        filter((each) => each !== undefined),
        map((each) => (each === 'removed' ? undefined : each.exitCode)),
      ),
      { defaultValue: undefined },
    );
    if (found !== undefined) return found;
    throw new PodwrightError(
      'unavailable',
      `How container "${record.config.metadata.name}" ended is not known: it was removed meanwhile, or this runtime was closed.`,
      { details: { id: record.id } },
    );
  }
}
