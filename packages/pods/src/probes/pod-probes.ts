import {
  Clock,
  type Container,
  type ContainerStatus,
  formatContainerId,
  isSidecar,
  Logger,
  messageOf,
  type PodRecord,
  PodStore,
  type ProbeChange,
  type ProbeKind,
  type ProbeResult,
  type ProbeResults,
  type RuntimeEvent,
  RuntimeService,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { type Observable, Subject, type Subscription } from 'rxjs';
import { PodEventHub, type PodIdentity } from '../pod-event-hub.js';
import {
  ContainerProber,
  initialResults,
  type ProbeResultsOfContainer,
  probeOf,
} from './container-prober.js';
import { ProbeResultsFile, type RememberedResults } from './probe-results-file.js';
import { ProbeRunner } from './probe-runner.js';

const KINDS: readonly ProbeKind[] = ['startup', 'liveness', 'readiness'];
const ALL_WELL: ProbeResultsOfContainer = { startup: 'success', liveness: 'success', readiness: 'success' };
const WORDS: Readonly<Record<ProbeKind, string>> = {
  startup: 'Startup',
  liveness: 'Liveness',
  readiness: 'Readiness',
};

/** A container with probes. */
interface Probed {
  readonly pod: PodIdentity;
  readonly container: Container;
  readonly sandboxId: string;
  readonly kind: 'init' | 'app';
  /** Of the present attempt; absent while the container does not run. */
  prober: ContainerProber | undefined;
  attempt: number;
}

/**
 * Asks the probes of all containers that run, from their start to their end, also those that an earlier agent started.
 * The default of `ProbeResults`.
 */
@injectable()
export class PodProbes implements ProbeResults {
  private readonly probed = new Map<string, Probed>();
  private readonly running = new Set<Promise<void>>();
  private readonly subject = new Subject<ProbeChange>();
  private remembered: ReadonlyMap<string, RememberedResults> = new Map();
  private subscription: Subscription | undefined;

  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(PodStore) private readonly store: PodStore,
    @inject(ProbeRunner) private readonly runner: ProbeRunner,
    @inject(ProbeResultsFile) private readonly file: ProbeResultsFile,
    @inject(PodEventHub) private readonly events: PodEventHub,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  get changes(): Observable<ProbeChange> {
    return this.subject;
  }

  /** Begins to ask; takes up the containers that an earlier agent left. */
  async start(): Promise<void> {
    if (this.subscription) return;
    this.remembered = this.file.read();
    this.subscription = this.service.events.subscribe((event) => this.heed(event));
    for (const record of await this.store.list()) await this.refresh(record.uid);
    this.remembered = new Map();
  }

  /** Asks nothing more; resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.subscription?.unsubscribe();
    for (const { prober } of this.probed.values()) prober?.stop();
    await Promise.all(this.running);
  }

  /** Takes in the present manifest of a pod: its probes may be others than before. */
  async refresh(podUid: string): Promise<void> {
    if (!this.subscription) return;
    const record = await this.store.get(podUid);
    if (!record) return;
    for (const status of await this.service.listContainers({ podUid })) this.takeIn(status, record);
  }

  /** Makes a container known before it is started. */
  expect(
    containerId: string,
    sandboxId: string,
    {
      record,
      container,
      kind,
    }: {
      readonly record: PodRecord;
      readonly container: Container;
      readonly kind: 'init' | 'app';
    },
  ): void {
    if (!this.subscription || !hasProbes(container, kind)) return;
    const { uid, namespace, name } = record;
    const pod = { uid, namespace, name };
    this.probed.set(containerId, { pod, container, kind, sandboxId, prober: undefined, attempt: 0 });
  }

  readiness(_podUid: string, _containerName: string, containerId: string): ProbeResult {
    const { startup, readiness } = this.resultsOf(containerId);
    return startup === 'success' ? readiness : 'failure';
  }

  liveness(_podUid: string, _containerName: string, containerId: string): ProbeResult {
    return this.resultsOf(containerId).liveness;
  }

  startup(_podUid: string, _containerName: string, containerId: string): ProbeResult {
    return this.resultsOf(containerId).startup;
  }

  private resultsOf(fullId: string): ProbeResultsOfContainer {
    const probed = this.probed.get(fullId.slice(`${this.service.type}://`.length));
    if (!probed) return ALL_WELL;
    return probed.prober?.results ?? initialResults(probed.container);
  }

  private takeIn(status: ContainerStatus, record: PodRecord): void {
    const { id, metadata, state, attempts, sandboxId } = status;
    const found = containerIn(record, metadata.name);
    const known = this.probed.get(id);
    if (!found || !hasProbes(found.container, found.kind)) {
      known?.prober?.stop();
      this.probed.delete(id);
      return;
    }
    const { container } = found;
    if (known && sameProbes(known.container, container)) return;
    known?.prober?.stop();
    this.expect(id, sandboxId, { record, ...found });
    const now = attempts.at(-1);
    if (state === 'running' && now) this.begin(id, now.startedAtMs, now.attempt);
  }

  private heed(event: RuntimeEvent): void {
    if (!('containerId' in event)) return;
    const probed = this.probed.get(event.containerId);
    if (!probed) return;
    if (event.type === 'container-started') this.begin(event.containerId, event.timestampMs, event.attempt);
    if (event.type === 'container-exited') this.end(probed);
    if (event.type === 'container-removed') {
      this.end(probed);
      this.probed.delete(event.containerId);
      this.save();
    }
  }

  private begin(id: string, startedAtMs: number, attempt: number): void {
    const probed = this.probed.get(id);
    if (!probed) return;
    probed.prober?.stop();
    const { container, sandboxId } = probed;
    const known = this.remembered.get(formatContainerId(this.service.type, id));
    const prober = new ContainerProber(
      { container, containerId: id, sandboxId },
      {
        ...{ runner: this.runner, clock: this.clock, logger: this.logger, startedAtMs },
        ...(known?.attempt === attempt ? { known } : {}),
        onChange: (probe, result) => this.tell(id, probed, probe, result),
        onFailure: (probe, message) => this.complain(probed, probe, message),
      },
    );
    probed.prober = prober;
    probed.attempt = attempt;
    const run = prober.run().catch((error: unknown) => {
      this.logger.error(`Container ${container.name} is not probed any more: ${messageOf(error)}`);
    });
    this.running.add(run);
    void run.then(() => this.running.delete(run));
  }

  private end(probed: Probed): void {
    probed.prober?.stop();
    probed.prober = undefined;
  }

  private tell(id: string, { pod, container, kind }: Probed, probe: ProbeKind, result: ProbeResult): void {
    this.save();
    const containerId = formatContainerId(this.service.type, id);
    this.subject.next({ podUid: pod.uid, containerName: container.name, containerId, probe, result });
    if (probe === 'readiness' || result === 'success') return;
    const { failureThreshold } = probeOf(container, probe) ?? { failureThreshold: 0 };
    const words = `The ${probe} probe has failed ${failureThreshold} times in a row: the container is ended.`;
    this.events.record(pod, 'Unhealthy', words, { container: { name: container.name, kind }, warning: true });
  }

  private complain({ pod, container, kind }: Probed, probe: ProbeKind, message: string): void {
    this.events.record(pod, 'Unhealthy', `${WORDS[probe]} probe failed: ${message}`, {
      container: { name: container.name, kind },
      warning: true,
    });
  }

  private save(): void {
    const entries = [...this.probed].flatMap(([id, { prober, attempt }]) =>
      prober ? [[formatContainerId(this.service.type, id), { ...prober.results, attempt }] as const] : [],
    );
    this.file.write(new Map(entries));
  }
}

function containerIn({ manifest: { spec } }: PodRecord, name: string) {
  const app = spec.containers.find((container) => container.name === name);
  if (app) return { container: app, kind: 'app' } as const;
  const init = spec.initContainers.find((container) => container.name === name);
  return init && ({ container: init, kind: 'init' } as const);
}

/** Init containers that end before the others begin have none: parts of the manifest that nobody looks at. */
function hasProbes(container: Container, kind: 'init' | 'app'): boolean {
  if (kind === 'init' && !isSidecar(container)) return false;
  return KINDS.some((probe) => probeOf(container, probe) !== undefined);
}

function sameProbes(a: Container, b: Container): boolean {
  return KINDS.every((kind) => JSON.stringify(probeOf(a, kind)) === JSON.stringify(probeOf(b, kind)));
}
