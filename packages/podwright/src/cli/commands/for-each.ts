import type { CliContext } from '../cli-context.js';
import { exitCodeOfError, printError } from '../report-error.js';

/**
 * Does the same for several things; the failure of one does not stop the rest.
 * @returns 0, or the exit code of the first failure
 */
export async function forEach<T>(
  context: CliContext,
  items: readonly T[],
  action: (item: T) => Promise<void>,
): Promise<number> {
  let exitCode = 0;
  for (const item of items) {
    try {
      await action(item);
    } catch (error) {
      if (context.signal.aborted || items.length === 1) throw error;
      await printError(context.stderr, error);
      exitCode ||= exitCodeOfError(error);
    }
  }
  return exitCode;
}
