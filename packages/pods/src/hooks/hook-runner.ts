import { Clock, type Container, PodwrightError, RuntimeService } from '@podwright/core';
import { inject, injectable } from 'inversify';
import { filter } from 'rxjs';
import { PodHttp } from '../probes/pod-http.js';
import type { ProbeSubject } from '../probes/probe-runner.js';

export type Hook = NonNullable<NonNullable<Container['lifecycle']>['postStart']>;

/** Of what a command says that goes into a message, in characters. */
const SAID = 1024;

/** Runs lifecycle hooks of containers. */
@injectable()
export class HookRunner {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(PodHttp) private readonly http: PodHttp,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Resolves when the hook has done its work: a command ended with 0, a server answered with whatever status (as with the
   * kubelet), the time of a sleep is over. A hook ends with its container.
   * @throws PodwrightError kind `command-failed` (exit code), `failed-precondition` (the container has ended), `cancelled`,
   *   and the kinds of `execSync` and `portForward`
   */
  async run(hook: Hook, subject: ProbeSubject, signal: AbortSignal): Promise<void> {
    const { containerId } = subject;
    const over = new AbortController();
    const exits = this.service.events.pipe(
      filter((event) => event.type === 'container-exited' && event.containerId === containerId),
    );
    const subscription = exits.subscribe(() => over.abort());
    try {
      await this.act(hook, subject, AbortSignal.any([signal, over.signal]));
    } catch (error) {
      if (signal.aborted || !over.signal.aborted) throw error;
      throw new PodwrightError('failed-precondition', 'the container has ended before its hook', {
        cause: error,
      });
    } finally {
      subscription.unsubscribe();
    }
  }

  private async act(
    { exec, httpGet, sleep }: Hook,
    subject: ProbeSubject,
    signal: AbortSignal,
  ): Promise<void> {
    if (sleep) await this.clock.sleep(sleep.seconds * 1000, signal);
    if (httpGet) await this.http.get(subject.container, subject.sandboxId, httpGet, signal);
    if (exec) await this.execute(subject.containerId, exec.command, signal);
  }

  private async execute(containerId: string, command: readonly string[], signal: AbortSignal): Promise<void> {
    const options = { signal, outputLimitBytes: 10 * 1024 };
    const { exitCode, stdout, stderr } = await this.service.execSync(containerId, command, options);
    if (exitCode === 0) return;
    const said = `${stdout}${stderr}`.trim().slice(0, SAID);
    throw new PodwrightError(
      'command-failed',
      `the command ${JSON.stringify(command)} ended with exit code ${exitCode}${said === '' ? '' : `: ${said}`}`,
      { details: { command, exitCode } },
    );
  }
}
