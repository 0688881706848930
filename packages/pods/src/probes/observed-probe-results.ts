import type { ProbeKind, ProbeResult, ProbeResults } from '@podwright/core';
import { inject, injectable } from 'inversify';
import { ProbeResultsFile } from './probe-results-file.js';

/** What the agent beside which this process observes has found; `unknown` for what it has not asked. */
@injectable()
export class ObservedProbeResults implements ProbeResults {
  constructor(@inject(ProbeResultsFile) private readonly file: ProbeResultsFile) {}

  readiness(_podUid: string, _containerName: string, containerId: string): ProbeResult {
    return this.result('readiness', containerId);
  }

  liveness(_podUid: string, _containerName: string, containerId: string): ProbeResult {
    return this.result('liveness', containerId);
  }

  startup(_podUid: string, _containerName: string, containerId: string): ProbeResult {
    return this.result('startup', containerId);
  }

  private result(kind: ProbeKind, containerId: string): ProbeResult {
    return this.file.read().get(containerId)?.[kind] ?? 'unknown';
  }
}
