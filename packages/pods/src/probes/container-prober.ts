import {
  type Clock,
  type Container,
  type Logger,
  messageOf,
  PodwrightError,
  type ProbeKind,
  type ProbeResult,
} from '@podwright/core';
import { decideProbe, initialProbeState, type ProbeState } from './decide-probe.js';
import type { Probe, ProbeAnswer, ProbeRunner, ProbeSubject } from './probe-runner.js';

export type ProbeResultsOfContainer = Readonly<Record<ProbeKind, ProbeResult>>;

export interface ProberOptions {
  readonly runner: ProbeRunner;
  readonly clock: Clock;
  readonly logger: Logger;
  /** When this attempt of the container began; initial delays count from there. */
  readonly startedAtMs: number;
  /** What an earlier agent knew of the same attempt. */
  readonly known?: ProbeResultsOfContainer;
  readonly onChange: (probe: ProbeKind, result: ProbeResult) => void;
  readonly onFailure: (probe: ProbeKind, message: string) => void;
}

/** Before anything was asked. What has no probe has succeeded. */
export function initialResults(container: Container): ProbeResultsOfContainer {
  const of = (kind: ProbeKind) => (probeOf(container, kind) ? initialProbeState(kind).result : 'success');
  return { startup: of('startup'), liveness: of('liveness'), readiness: of('readiness') };
}

/** The probe of a kind in the manifest. */
export function probeOf(container: Container, kind: ProbeKind): Probe | undefined {
  return container[`${kind}Probe`];
}

/** Asks the probes of one attempt of a container until it is stopped: first startup, then the two others side by side. */
export class ContainerProber {
  readonly #states: Record<ProbeKind, ProbeState>;
  readonly #end = new AbortController();

  constructor(
    private readonly subject: ProbeSubject,
    private readonly options: ProberOptions,
  ) {
    const results = { ...initialResults(subject.container), ...options.known };
    const state = (kind: ProbeKind): ProbeState => ({ result: results[kind], run: undefined });
    this.#states = {
      startup: state('startup'),
      // A failure that the earlier agent acted on, or did not come to: asked anew.
      liveness: state('liveness').result === 'failure' ? initialProbeState('liveness') : state('liveness'),
      readiness: state('readiness'),
    };
    if (this.#states.startup.result === 'failure') this.#states.startup = initialProbeState('startup');
  }

  get results(): ProbeResultsOfContainer {
    const { startup, liveness, readiness } = this.#states;
    return { startup: startup.result, liveness: liveness.result, readiness: readiness.result };
  }

  /** Resolves when it was stopped, or nothing is left to ask. */
  async run(): Promise<void> {
    try {
      await this.#askUntil('startup', ({ result }) => result !== 'unknown');
      if (this.results.startup !== 'success') return;
      await Promise.all([
        this.#askUntil('liveness', ({ result }) => result === 'failure'),
        this.#askUntil('readiness', () => false),
      ]);
    } catch (error) {
      if (!this.#end.signal.aborted) throw error;
    }
  }

  stop(): void {
    this.#end.abort(new PodwrightError('cancelled', 'The container is not probed any more.'));
  }

  async #askUntil(kind: ProbeKind, isOver: (state: ProbeState) => boolean): Promise<void> {
    const probe = probeOf(this.subject.container, kind);
    const { clock, startedAtMs } = this.options;
    const { signal } = this.#end;
    if (!probe || isOver(this.#states[kind])) return;
    let nextMs = startedAtMs + probe.initialDelaySeconds * 1000;
    for (;;) {
      const waitMs = nextMs - clock.nowMs();
      if (waitMs > 0) await clock.sleep(waitMs, signal);
      const begunMs = clock.nowMs();
      const answer = await this.options.runner.run(probe, this.subject, signal);
      this.#take(kind, probe, answer);
      if (isOver(this.#states[kind])) return;
      // From beginning to beginning; one that took longer than a period is followed at once.
      nextMs = Math.max(clock.nowMs(), begunMs + probe.periodSeconds * 1000);
    }
  }

  #take(kind: ProbeKind, probe: Probe, { outcome, message }: ProbeAnswer): void {
    if (outcome === 'error') {
      const { container, containerId } = this.subject;
      this.options.logger.warn(
        `The ${kind} probe of container ${container.name} could not be asked: ${message}`,
        {
          containerId,
        },
      );
      return;
    }
    const before = this.#states[kind];
    this.#states[kind] = decideProbe(before, outcome, probe);
    if (outcome === 'failure') this.#tell(() => this.options.onFailure(kind, message));
    const { result } = this.#states[kind];
    if (result !== before.result) this.#tell(() => this.options.onChange(kind, result));
  }

  /** A listener's failure must not end the probes. */
  #tell(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.options.logger.error(`A probe's result could not be told: ${messageOf(error)}`);
    }
  }
}
