import { createHash } from 'node:crypto';
import { Logger, messageOf, PodwrightError, type PullEvent, type PullOptions } from '@podwright/core';
import { inject, injectable } from 'inversify';
import { Observable, ReplaySubject, share } from 'rxjs';
import { recordedName } from './image-lookup.js';
import { ImagePuller } from './image-puller.js';

/** Pulls of one reference with the same credentials at the same time are one pull; its last subscriber cancels it. */
@injectable()
export class SharedPulls {
  readonly #running = new Map<string, Observable<PullEvent>>();
  readonly #cancels = new Map<Promise<void>, AbortController>();
  #isClosed = false;

  constructor(
    @inject(ImagePuller) private readonly puller: ImagePuller,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** See `ImageService.pullImage`. */
  pull(reference: string, options: PullOptions = {}): Observable<PullEvent> {
    return new Observable((subscriber) => this.#shared(reference, options).subscribe(subscriber));
  }

  /** Cancels what runs, and resolves when nothing of it is left. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const reason = new PodwrightError('closed', 'The image service was closed.');
    for (const cancel of this.#cancels.values()) cancel.abort(reason);
    await Promise.all(this.#cancels.keys());
  }

  #shared(reference: string, options: PullOptions): Observable<PullEvent> {
    if (this.#isClosed) throw new PodwrightError('closed', 'The image service was closed: it pulls no more.');
    const key = JSON.stringify([recordedName(reference), credentialsKey(options)]);
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const fresh = this.#cold(reference, options, () => {
      if (this.#running.get(key) === fresh) this.#running.delete(key);
    }).pipe(share({ connector: () => new ReplaySubject<PullEvent>() }));
    this.#running.set(key, fresh);
    return fresh;
  }

  #cold(reference: string, options: PullOptions, onEnd: () => void): Observable<PullEvent> {
    return new Observable<PullEvent>((subscriber) => {
      const cancel = new AbortController();
      const run = async () => {
        try {
          const image = await this.puller.pull(
            reference,
            options,
            (event) => subscriber.next(event),
            cancel.signal,
          );
          onEnd();
          subscriber.next({ type: 'done', image });
          subscriber.complete();
        } catch (error) {
          onEnd();
          if (subscriber.closed) this.logger.debug('pull cancelled', { reference, how: messageOf(error) });
          else subscriber.error(error);
        }
      };
      const ended = run().finally(() => this.#cancels.delete(ended));
      this.#cancels.set(ended, cancel);
      return () => {
        onEnd();
        cancel.abort(
          new PodwrightError('cancelled', `The pull of ${reference} was cancelled by its caller.`),
        );
      };
    });
  }
}

/** Somebody with other credentials must not get an image on the strength of mine. */
function credentialsKey({ auth, authFile, credentials = [] }: PullOptions): string {
  return createHash('sha256')
    .update(JSON.stringify([auth?.username, auth?.password, authFile, credentials]))
    .digest('hex');
}
