import {
  Clock,
  type Container,
  type ContainerKind,
  type ContainerStatus,
  messageOf,
  PodwrightError,
  throwIfAborted,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { PodEventHub, type PodIdentity } from '../pod-event-hub.js';
import { HookRunner } from './hook-runner.js';

/** A container whose hooks are run. */
export interface HookedContainer {
  readonly pod: PodIdentity;
  readonly container: Container;
  readonly kind: ContainerKind;
  readonly status: Pick<ContainerStatus, 'id' | 'sandboxId'>;
}

/** Runs a container's postStart and preStop hooks, and tells of those that fail. */
@injectable()
export class ContainerHooks {
  constructor(
    @inject(HookRunner) private readonly runner: HookRunner,
    @inject(PodEventHub) private readonly events: PodEventHub,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Runs the postStart hook, if there is one.
   * @returns why the container has to be ended; undefined when all is well
   * @throws PodwrightError kind `cancelled`
   */
  async afterStart(hooked: HookedContainer, signal: AbortSignal): Promise<string | undefined> {
    const hook = hooked.container.lifecycle?.postStart;
    if (!hook) return undefined;
    try {
      await this.runner.run(hook, subjectOf(hooked), signal);
      return undefined;
    } catch (error) {
      throwIfAborted(signal);
      this.warn(hooked, 'FailedPostStartHook', `The postStart hook failed: ${messageOf(error)}`);
      return 'Its postStart hook has failed.';
    }
  }

  /**
   * Runs the preStop hook, if there is one and there is time for it.
   * @param graceMs of the container's end, in milliseconds: the hook is broken off then
   * @param options `hurry`: breaks it off, too, when it fires meanwhile
   * @throws PodwrightError kind `cancelled`
   */
  async beforeStop(
    hooked: HookedContainer,
    graceMs: number,
    {
      signal,
      hurry,
    }: { readonly signal?: AbortSignal | undefined; readonly hurry?: AbortSignal | undefined },
  ): Promise<void> {
    const hook = hooked.container.lifecycle?.preStop;
    if (!hook || graceMs <= 0) return;
    const late = new AbortController();
    const done = new AbortController();
    const hurried = hurry?.aborted ? undefined : hurry;
    const ends = [late.signal, signal, hurried].filter((each) => each !== undefined);
    const timer = this.clock.sleep(graceMs, done.signal).then(
      () => late.abort(),
      () => undefined,
    );
    try {
      await this.runner.run(hook, subjectOf(hooked), AbortSignal.any(ends));
    } catch (error) {
      throwIfAborted(signal);
      const why = late.signal.aborted
        ? `it took longer than the grace of ${graceMs / 1000} s`
        : hurried?.aborted
          ? 'a later call with a shorter grace has broken it off'
          : messageOf(error);
      // One that has ended by itself meanwhile needs no word.
      if (!PodwrightError.is(error, 'failed-precondition')) {
        this.warn(hooked, 'FailedPreStopHook', `The preStop hook failed: ${why}`);
      }
    } finally {
      done.abort();
      await timer;
    }
  }

  private warn(
    { pod, container: { name }, kind }: HookedContainer,
    reason: 'FailedPostStartHook' | 'FailedPreStopHook',
    message: string,
  ): void {
    this.events.record(pod, reason, message, { container: { name, kind }, warning: true });
  }
}

function subjectOf({ container, status }: HookedContainer) {
  return { container, containerId: status.id, sandboxId: status.sandboxId };
}
