import { CaseContext } from './case-context.js';
import type { ConformanceCase } from './conformance-case.js';
import type { ConformanceTarget } from './conformance-target.js';

/**
 * Runs one case and removes what it made.
 * @param onRestart told of the new target when the case restarts the agent
 * @throws what the case says is wrong
 */
export async function runCase(
  conformanceCase: ConformanceCase,
  target: ConformanceTarget,
  onRestart: (target: ConformanceTarget) => void = () => undefined,
): Promise<void> {
  const context = new CaseContext(target, onRestart);
  let failed = false;
  try {
    await conformanceCase.run(context);
  } catch (error) {
    failed = true;
    throw error;
  } finally {
    // After a failure the cleaning up may fail for the same reason, which the case has told better.
    await context.cleanUp().catch((error: unknown) => {
      if (!failed) throw error;
    });
  }
}
