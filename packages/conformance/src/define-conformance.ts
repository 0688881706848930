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
  /** Cases that this backend cannot pass for what it stands on, by id, and why: they are listed instead of run. */
  readonly unsupported?: Readonly<Record<string, string>>;
  /** Longest time of one case, in milliseconds. Default 60,000. */
  readonly caseTimeoutMs?: number;
  /** Default: all. */
  readonly cases?: readonly ConformanceCase[];
}

/** Defines the suite as vitest tests, one for each case, grouped by section. */
export function defineConformance(options: ConformanceOptions): void {
  const { name, createTarget, lacks = {}, unsupported = {}, caseTimeoutMs = 60_000 } = options;
  const { cases = conformanceCases } = options;
  const reasonAgainst = ({ id, needs }: ConformanceCase) =>
    needs.map((need) => lacks[need]).find((reason) => reason) ?? unsupported[id];
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
      console.log(report(name, cases.length - left.length, left, lacks, unsupported));
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
      const ids = new Set(conformanceCases.map(({ id }) => id));
      for (const [id, reason] of Object.entries(unsupported)) {
        expect(reason, `why ${id} is unsupported`).not.toBe('');
        expect(ids, 'the cases that are told to be unsupported').toContain(id);
      }
    });
  });
}

function report(
  name: string,
  ran: number,
  left: readonly ConformanceCase[],
  lacks: Readonly<Partial<Record<Need, string>>>,
  unsupported: Readonly<Record<string, string>>,
): string {
  const byNeed = Object.entries(lacks).map(([need, reason]) => {
    const ids = left.filter(({ needs }) => needs.some((each) => each === need)).map(({ id }) => id);
    return `  not applicable for want of ${need} (${reason}): ${ids.join(', ')}`;
  });
  const others = left.filter(({ needs }) => needs.every((need) => lacks[need] === undefined));
  const single = others.map(({ id }) => `  unsupported: ${id} (${unsupported[id]})`);
  return [`conformance of ${name}: ${ran} cases ran, ${left.length} do not apply`, ...byNeed, ...single].join(
    '\n',
  );
}
