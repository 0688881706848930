import { setMaxListeners } from 'node:events';

/**
 * Does something for all items at once. When one fails the others' signal fires, and the first failure is thrown after
 * all have settled, so that nothing is still being made while its maker undoes it.
 */
export async function allOrNone<T, R>(
  items: readonly T[],
  signal: AbortSignal,
  action: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<readonly R[]> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  // Each item has a few; Node would take those of a dozen for a leak.
  setMaxListeners(0, either);
  let failure: { readonly error: unknown } | undefined;
  const results = await Promise.all(
    items.map(async (item) => {
      try {
        return [await action(item, either)];
      } catch (error) {
        failure ??= { error };
        failed.abort(error);
        return [];
      }
    }),
  );
  if (failure) throw failure.error;
  return results.flat();
}
