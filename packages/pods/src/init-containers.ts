import {
  Clock,
  type ContainerStatus,
  crashLoopDelayMs,
  isSidecar,
  nextAttempt,
  type PodRecord,
  PodwrightError,
  type RestartBackoff,
  RuntimeService,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { runToExit } from './container-exit.js';
import { ContainerStarter, type PodMember, type PodSurroundings } from './container-starter.js';
import { lastWords } from './last-words.js';
import { PodEventHub } from './pod-event-hub.js';
import { attemptsOf } from './pod-views.js';
import { StartupWait } from './probes/startup-wait.js';
import { CallerBackoff } from './restart-backoff.js';

/** Runs the init containers of a pod in their order, each to its end; sidecars among them are started and go on. */
@injectable()
export class InitContainers {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(ContainerStarter) private readonly starter: ContainerStarter,
    @inject(StartupWait) private readonly startup: StartupWait,
    @inject(PodEventHub) private readonly events: PodEventHub,
    @inject(CallerBackoff) private readonly backoff: RestartBackoff,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * @param before containers that the pod had: attempts go on counting from theirs
   * @throws PodwrightError kind `container-start-failed` when one fails and the pod's policy is Never
   */
  async runAll(surroundings: PodSurroundings, before: readonly ContainerStatus[] = []): Promise<void> {
    for (const container of surroundings.record.manifest.spec.initContainers) {
      const member = { container, kind: 'init' } as const;
      const earlier = attemptsOf(before, container.name);
      if (isSidecar(container)) await this.startSidecar(surroundings, member, earlier);
      else await this.runInit(surroundings, member, earlier);
    }
  }

  private async startSidecar(
    surroundings: PodSurroundings,
    member: PodMember,
    earlier: readonly ContainerStatus[],
  ): Promise<void> {
    const { record, signal } = surroundings;
    const attempt = nextAttempt(earlier.at(-1));
    const id = await this.starter.create(surroundings, member, { attempt, series: 0 });
    await this.starter.start(record, member, id, signal);
    for (const old of earlier.slice(0, -1)) await this.service.removeContainer(old.id, { signal });
    await this.startup.succeeded(record, member.container, id, signal);
  }

  /** Runs an init container until it has ended well; again and again unless the pod's policy is Never. */
  private async runInit(
    surroundings: PodSurroundings,
    member: PodMember,
    earlier: readonly ContainerStatus[],
  ): Promise<void> {
    const { record, signal } = surroundings;
    const { manifest: pod } = record;
    const { name } = member.container;
    const ids = earlier.map(({ id }) => id);
    for (let attempt = nextAttempt(earlier.at(-1)), series = 0; ; attempt++) {
      const id = await this.starter.create(surroundings, member, { attempt, series });
      ids.push(id);
      // The one before stays for its logs and its exit code.
      while (ids.length > 2) await this.service.removeContainer(ids.shift() ?? '', { signal });
      const run = await this.starter.telling(pod, member, 'started', () =>
        runToExit(this.service, id, signal),
      );
      if (run.exitCode === 0) return;
      if (pod.spec.restartPolicy === 'Never') throw await this.initFailure(record, name, id, run.exitCode);
      const ranMs = (run.finishedAtMs ?? run.startedAtMs) - run.startedAtMs;
      series = ranMs >= this.backoff.resetMs ? 1 : series + 1;
      const delayMs = crashLoopDelayMs(series, this.backoff);
      if (delayMs === 0) continue;
      const message = `Init container ${name} keeps failing and is started again in ${delayMs / 1000} s.`;
      this.events.record(pod.metadata, 'BackOff', message, {
        container: { name, kind: 'init' },
        warning: true,
      });
      await this.clock.sleep(delayMs, signal);
    }
  }

  private async initFailure(
    record: PodRecord,
    container: string,
    id: string,
    exitCode: number | undefined,
  ): Promise<PodwrightError> {
    const log = await lastWords(this.service, id);
    const message = `The init container ${container} ended with exit code ${exitCode ?? 'unknown'}`;
    this.events.record(record, 'Failed', `${message}.`, {
      container: { name: container, kind: 'init' },
      warning: true,
    });
    return new PodwrightError(
      'container-start-failed',
      `${message} and restartPolicy is Never, so the pod ${record.namespace}/${record.name} was not started.${log === '' ? '' : ` Its last output:\n${log}`}`,
      { details: { container, exitCode, log } },
    );
  }
}
