import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { Logger, messageOf, type ProbeKind, type ProbeResult, systemErrorCode } from '@podwright/core';
import { inject, injectable, type ServiceIdentifier } from 'inversify';
import type { ProbeResultsOfContainer } from './container-prober.js';

/** File in which results are remembered; undefined: nowhere. */
export type ProbeResultsPath = string | undefined;
export const ProbeResultsPath: ServiceIdentifier<ProbeResultsPath> = Symbol.for(
  'podwright.pods.ProbeResultsPath',
);

/** Results of one attempt of a container. */
export interface RememberedResults extends ProbeResultsOfContainer {
  readonly attempt: number;
}

const VERSION = 1;
const KINDS: readonly ProbeKind[] = ['startup', 'liveness', 'readiness'];
const RESULTS: readonly ProbeResult[] = ['success', 'failure', 'unknown'];

/**
 * What probes last said, by `backend://id`, for the next agent and for those who observe beside one. Losing it harms
 * nothing: containers then count as not ready until they were asked again.
 */
@injectable()
export class ProbeResultsFile {
  constructor(
    @inject(ProbeResultsPath) private readonly path: ProbeResultsPath,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  read(): ReadonlyMap<string, RememberedResults> {
    if (this.path === undefined) return new Map();
    try {
      return parseResults(JSON.parse(readFileSync(this.path, 'utf8')));
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') {
        this.logger.warn(`Earlier results of probes cannot be read: ${messageOf(error)}`, {
          path: this.path,
        });
      }
      return new Map();
    }
  }

  /** At once, so that who is told of a result finds it here: a few bytes, when a result has changed. */
  write(results: ReadonlyMap<string, RememberedResults>): void {
    if (this.path === undefined) return;
    const next = `${this.path}.new`;
    try {
      const text = JSON.stringify({ version: VERSION, results: Object.fromEntries(results) });
      writeFileSync(next, text, { mode: 0o600 });
      renameSync(next, this.path);
    } catch (error) {
      this.logger.warn(`Results of probes cannot be written: ${messageOf(error)}`, { path: this.path });
    }
  }
}

function parseResults(file: unknown): ReadonlyMap<string, RememberedResults> {
  if (!isObject(file) || file['version'] !== VERSION || !isObject(file['results'])) {
    throw new Error(`it is no file of version ${VERSION}`);
  }
  return new Map(
    Object.entries(file['results']).flatMap(([id, value]) => {
      const [startup, liveness, readiness] = KINDS.map((kind) =>
        RESULTS.find((result) => isObject(value) && value[kind] === result),
      );
      const attempt = isObject(value) ? value['attempt'] : undefined;
      if (!startup || !liveness || !readiness || typeof attempt !== 'number') return [];
      return [[id, { attempt, startup, liveness, readiness }] as const];
    }),
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
