import { messageOf } from '@podwright/core';

export type CheckState = 'ok' | 'warn' | 'fail';

/** What a check found. */
export interface Finding {
  readonly state: CheckState;
  /** Version, path or what is wrong. */
  readonly found: string;
  /** What to do; absent when it is fine. */
  readonly fix?: string;
}

export interface CheckResult extends Finding {
  readonly name: string;
}

/** One requirement of a host. */
export interface Check {
  readonly name: string;
  run(): Promise<Finding>;
}

export function ok(found: string): Finding {
  return { state: 'ok', found };
}

/** Something works less well, or not at all, without it; pods run all the same. */
export function warn(found: string, fix: string): Finding {
  return { state: 'warn', found, fix };
}

/** No pod runs without it. */
export function fail(found: string, fix: string): Finding {
  return { state: 'fail', found, fix };
}

/** Runs all of them in order; one that breaks is a failure and stops no other. */
export async function runChecks(checks: readonly Check[]): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = [];
  for (const { name, run } of checks) {
    const finding = await run().catch((error: unknown) => fail(messageOf(error), 'see the message'));
    results.push({ name, ...finding });
  }
  return results;
}
