import assert from 'node:assert/strict';
import { type ErrorKind, PodwrightError } from '@podwright/core';
import { concatMap, filter, firstValueFrom, merge, type Observable, of } from 'rxjs';

/** Waiting for what has to happen, no longer than the target's patience, and failing when it does not. */
export abstract class Waiting {
  /** The longest that anything is waited for, in milliseconds. */
  abstract readonly patienceMs: number;

  /** The result of a promise, or a failure of the case when it takes longer than the target's patience. */
  async soon<T>(promise: Promise<T>, what: string, withinMs = this.patienceMs): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(new assert.AssertionError({ message: `${what}: not within ${withinMs} ms` })),
        withinMs,
      );
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The first value that is as wanted. It may be waited for later: a failure before that is not lost in between. */
  next<T>(source: Observable<T>, wanted: (value: T) => boolean, what: string): Promise<T> {
    const found = this.soon(firstValueFrom(source.pipe(filter(wanted))), what);
    found.catch(() => undefined);
    return found;
  }

  /** Fails unless the promise is rejected with a PodwrightError of this kind, whose message says something. */
  async rejects(promise: Promise<unknown>, ...kinds: readonly ErrorKind[]): Promise<PodwrightError> {
    const error = await this.soon(promise, `a failure with kind ${kinds.join(' or ')}`).then(
      () => assert.fail(`it succeeded, but has to fail with kind ${kinds.join(' or ')}`),
      (reason: unknown) => reason,
    );
    if (!PodwrightError.is(error)) throw error;
    assert.ok(
      kinds.length === 0 || kinds.includes(error.kind),
      `it failed with kind ${error.kind} (${error.message}), but has to with ${kinds.join(' or ')}`,
    );
    assert.ok(error.message.length > 10, 'the message of an error says what failed and why');
    return error;
  }

  /** The first result of `look` that is one; it looks at once, and whenever `trigger` tells something. */
  async whenever<T>(
    trigger: Observable<unknown>,
    look: () => Promise<T | undefined>,
    what: string,
  ): Promise<T> {
    const looks = merge(of(undefined), trigger).pipe(concatMap(look));
    const found = firstValueFrom(looks.pipe(filter((result) => result !== undefined)));
    return this.soon(found, what);
  }
}
