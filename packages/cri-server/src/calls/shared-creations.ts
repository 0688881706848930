import { type Logger, messageOf, PodwrightError, throwIfAborted } from '@podwright/core';

interface Creation {
  readonly result: Promise<string>;
  readonly controller: AbortController;
  /** Calls that wait for the result. */
  waiting: number;
  isOver: boolean;
}

/** How something is made, and taken away again when everybody who asked for it has gone meanwhile. */
export interface CreationSteps {
  make(signal: AbortSignal): Promise<string>;
  undo(id: string): Promise<void>;
}

/**
 * Makes each thing once, however often it is asked for at the same time: a call for what is just being made waits for
 * it and gets the same id. When all who wait have gone, the making is cancelled and undone; a call that comes meanwhile
 * waits for that and begins anew. See docs/decisions/0023-repeated-cri-calls.md.
 */
export class SharedCreations {
  private readonly underWay = new Map<string, Creation>();

  constructor(private readonly logger: Logger) {}

  /**
   * @param key what is made: nobody makes another of this key until it is there, or undone
   * @returns its id
   * @throws PodwrightError kind `cancelled` when the signal fires, otherwise what `make` throws
   */
  async run(key: string, steps: CreationSteps, signal: AbortSignal): Promise<string> {
    for (;;) {
      throwIfAborted(signal);
      const creation = this.underWay.get(key) ?? this.begin(key, steps);
      if (!creation.controller.signal.aborted) return await this.join(creation, signal);
      // It fails whatever comes: it is being undone.
      await orAborted(
        creation.result.then(
          () => undefined,
          () => undefined,
        ),
        signal,
      );
    }
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.underWay.values()].map(({ result }) => result));
  }

  private begin(key: string, steps: CreationSteps): Creation {
    const controller = new AbortController();
    const work = async () => {
      try {
        const id = await steps.make(controller.signal);
        if (controller.signal.aborted) {
          // Nobody waits for its error any more.
          await steps.undo(id).catch((error: unknown) => {
            this.logger.warn(
              `${id}, for which nobody waited any more, was not removed: ${messageOf(error)}. It stays until it is removed.`,
            );
          });
          throwIfAborted(controller.signal);
        }
        return id;
      } finally {
        creation.isOver = true;
        this.underWay.delete(key);
      }
    };
    // Not before it is known under its key, which its end takes away.
    const result = Promise.resolve().then(work);
    const creation: Creation = { result, controller, waiting: 0, isOver: false };
    this.underWay.set(key, creation);
    return creation;
  }

  private async join(creation: Creation, signal: AbortSignal): Promise<string> {
    creation.waiting++;
    try {
      return await orAborted(creation.result, signal);
    } finally {
      creation.waiting--;
      if (creation.waiting === 0 && !creation.isOver) {
        creation.controller.abort(
          new PodwrightError('cancelled', 'Nobody waits any more for what was being made: it is undone.'),
        );
      }
    }
  }
}

/** @throws PodwrightError kind `cancelled` as soon as the signal fires */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const done = new AbortController();
  const aborted = new Promise<never>((_resolve, reject) => {
    const cancel = () => {
      try {
        throwIfAborted(signal);
      } catch (error) {
        reject(error);
      }
    };
    signal.addEventListener('abort', cancel, { once: true, signal: done.signal });
    cancel();
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    done.abort();
  }
}
