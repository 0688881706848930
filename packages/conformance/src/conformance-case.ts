import type { RuntimeFeatures } from '@podwright/core';
import type { CaseContext } from './case-context.js';

/**
 * What not every backend can show. A target that lacks one says why; nothing is left out without a word. `execRefusal`:
 * commands that would be less confined than their container are refused, where the exec handler has gaps.
 */
export type Need = FeatureNeed | 'hostPort' | 'orphans' | 'execRefusal';

/** Needs that a backend's `features` tell too: what it says it has, it has to show. */
export type FeatureNeed = keyof {
  [Name in keyof RuntimeFeatures as RuntimeFeatures[Name] extends boolean ? Name : never]: true;
};

/** One behaviour that every backend has. */
export interface ConformanceCase {
  /** `section/name`, unique. */
  readonly id: string;
  readonly section: string;
  /** What a user sees. */
  readonly title: string;
  readonly needs: readonly Need[];
  readonly run: (context: CaseContext) => Promise<void>;
}

/** The cases of one section. */
export function section(
  name: string,
  cases: Readonly<
    Record<
      string,
      { readonly title: string; readonly needs?: readonly Need[]; readonly run: ConformanceCase['run'] }
    >
  >,
): readonly ConformanceCase[] {
  return Object.entries(cases).map(([id, { title, needs = [], run }]) => ({
    id: `${name}/${id}`,
    section: name,
    title,
    needs,
    run,
  }));
}
