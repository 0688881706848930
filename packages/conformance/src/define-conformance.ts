import { messageOf } from '@podwright/core';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { conformanceCases } from './cases/all-cases.js';
import type { ConformanceCase, Need } from './conformance-case.js';
import type { ConformanceTarget } from './conformance-target.js';
import { runCase } from './run-case.js';

export interface ConformanceOptions {
  /** Of the backend, for the report. */
  readonly name: string;
  /** Makes the agent that the cases work with; it is disposed of at the end. */
  readonly createTarget: () => Promise<ConformanceTarget>;
  /** What this backend cannot show, and why: such cases are listed with the reason instead of run. */
  readonly lacks?: Readonly<Partial<Record<Need, string>>>;
  /** Longest time of one case, in milliseconds. Default 60,000. */
  readonly caseTimeoutMs?: number;
  /** Default: all. */
  readonly cases?: readonly ConformanceCase[];
}

/** Defines the suite as vitest tests, one for each case, grouped by section. */
export function defineConformance(options: ConformanceOptions): void {
  const { name, createTarget, lacks = {}, caseTimeoutMs = 60_000, cases = conformanceCases } = options;
  const reasonAgainst = ({ needs }: ConformanceCase) =>
    needs.map((need) => lacks[need]).find((reason) => reason);
  const left = cases.filter((each) => reasonAgainst(each) !== undefined);

  describe(`conformance of ${name}`, () => {
    let target: ConformanceTarget | undefined;

    beforeEach(async () => {
      target ??= await createTarget();
    }, caseTimeoutMs);

    // A case that fails may leave a target that is no good for others, such as one whose agent did not start again.
    afterEach(async ({ task }) => {
      if (task.result?.state !== 'fail') return;
      const spoilt = target;
      target = undefined;
      await spoilt?.[Symbol.asyncDispose]().catch((error: unknown) => {
        console.error(`The target of the case that failed could not be disposed of: ${messageOf(error)}`);
      });
    }, caseTimeoutMs);

    afterAll(async () => {
      await target?.[Symbol.asyncDispose]();
      console.log(report(name, cases.length - left.length, left, lacks));
    }, caseTimeoutMs);

    const applying = cases.filter((each) => reasonAgainst(each) === undefined);
    for (const section of new Set(applying.map((each) => each.section))) {
      describe(section, () => {
        for (const each of applying.filter((candidate) => candidate.section === section)) {
          it(`${each.title} [${each.id}]`, { timeout: caseTimeoutMs }, async () => {
            if (!target) throw new Error('The target could not be made.');
            await runCase(each, target, (restarted) => {
              target = restarted;
            });
          });
        }
      });
    }

    it('says why each case that was left out does not apply', () => {
      const features: Readonly<Record<string, unknown>> = { ...target?.runtime.features };
      for (const [need, reason] of Object.entries(lacks)) {
        expect(reason, `why it lacks ${need}`).not.toBe('');
        expect(features[need] ?? false, `its features say that it has ${need}`).toBe(false);
      }
    });
  });
}

function report(
  name: string,
  ran: number,
  left: readonly ConformanceCase[],
  lacks: Readonly<Partial<Record<Need, string>>>,
): string {
  const lines = Object.entries(lacks).map(([need, reason]) => {
    const ids = left.filter(({ needs }) => needs.some((each) => each === need)).map(({ id }) => id);
    return `  not applicable for want of ${need} (${reason}): ${ids.join(', ')}`;
  });
  return [`conformance of ${name}: ${ran} cases ran, ${left.length} do not apply`, ...lines].join('\n');
}
