import { PodwrightError } from '@podwright/core';
import { Deferred } from '../deferred.js';

/** Streams opened here that the peer has neither taken nor refused yet. */
export class AwaitedReplies {
  private readonly replies = new Map<number, Deferred<void>>();

  /**
   * Resolves when the peer has taken the stream.
   * @throws what `refuse` or `refuseAbove` is given; PodwrightError kind `cancelled`
   */
  async wait(streamId: number, signal: AbortSignal | undefined): Promise<void> {
    const reply = new Deferred<void>();
    this.replies.set(streamId, reply);
    const onAbort = () => {
      const message = 'Opening a stream was cancelled by its caller.';
      reply.reject(new PodwrightError('cancelled', message, { cause: signal?.reason }));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      if (signal?.aborted) onAbort();
      await reply.promise;
    } finally {
      this.replies.delete(streamId);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  take(streamId: number): void {
    this.replies.get(streamId)?.resolve();
  }

  refuse(streamId: number, error: unknown): void {
    this.replies.get(streamId)?.reject(error);
  }

  /** Those beyond the last one that the peer has looked at. */
  refuseAbove(lastStreamId: number, error: unknown): void {
    for (const [streamId, reply] of this.replies) {
      if (streamId > lastStreamId) reply.reject(error);
    }
  }
}
