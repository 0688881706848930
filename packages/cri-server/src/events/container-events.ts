import { RuntimeService } from '@podwright/core';
import type { cri } from '@podwright/cri-api';
import { inject, injectable } from 'inversify';
import { ContainerStatuses } from '../calls/container-statuses.js';
import { type CriEvent, EventFeed } from './event-feed.js';
import { EventQueue } from './event-queue.js';

/** As many as containerd keeps for its clients. */
const MAX_UNREAD = 1000;

/** The CRI's container events for any number of clients. It listens to the backend while there is one. */
@injectable()
export class ContainerEvents {
  #feed: EventFeed | undefined;

  constructor(
    @inject(RuntimeService) private readonly runtime: RuntimeService,
    @inject(ContainerStatuses) private readonly statuses: ContainerStatuses,
  ) {}

  /**
   * What happens from the first read on, until the signal fires.
   * @throws PodwrightError kind `unavailable` when the client was too slow; what reading a status failed with. A client
   *   then lists everything and asks for events again, as a kubelet does.
   */
  async *stream(
    _request: cri.GetEventsRequest,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<CriEvent> {
    const client = new EventQueue<CriEvent>(MAX_UNREAD);
    const feed = this.#listen();
    feed.add(client);
    try {
      yield* client.items(signal);
    } finally {
      if (feed.remove(client) === 0) this.#end(feed);
    }
  }

  #listen(): EventFeed {
    if (this.#feed !== undefined) return this.#feed;
    const feed = new EventFeed(this.runtime, this.statuses, () => this.#end(feed));
    this.#feed = feed;
    return feed;
  }

  #end(feed: EventFeed): void {
    feed[Symbol.dispose]();
    if (this.#feed === feed) this.#feed = undefined;
  }
}
