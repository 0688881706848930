import type { ProbeResult, ProbeResults } from '@podwright/core';
import { injectable } from 'inversify';

/** The default: a container without a probe has started, lives and is ready as soon as it runs. */
@injectable()
export class SucceedingProbeResults implements ProbeResults {
  readiness(): ProbeResult {
    return 'success';
  }

  liveness(): ProbeResult {
    return 'success';
  }

  startup(): ProbeResult {
    return 'success';
  }
}
