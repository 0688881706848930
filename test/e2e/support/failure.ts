import { type ErrorKind, PodwrightError } from '@podwright/core';
import { expect } from 'vitest';

/** Expects one error of this kind whose message says what is asked. */
export async function expectFailure(
  action: () => Promise<unknown>,
  kind: ErrorKind,
  message: RegExp,
): Promise<PodwrightError> {
  const error = await action().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!PodwrightError.is(error)) throw new Error('There was no PodwrightError.', { cause: error });
  expect(`${error.kind}: ${error.message}`).toMatch(new RegExp(`^${kind}: `));
  expect(error.message).toMatch(message);
  // A message is one sentence or a few, not the dump of a program.
  expect(error.message.length).toBeLessThan(700);
  return error;
}
