import { PodwrightError } from '@podwright/core';
import { injectable, type ServiceIdentifier } from 'inversify';

/** Stands for every key there is. */
export const EVERYTHING = '*';

/** Held until disposed of; disposing twice does nothing. */
export interface StoreLease extends Disposable {}

/**
 * Keeps pulls, removals and container creations of this process from undoing each other. Keys are image ids
 * (`Image.id`), digests of layers, or `EVERYTHING`. Whoever needs images or layers to stay takes them `shared`;
 * whoever removes takes them `exclusive`. Granted in order of asking, so nobody starves.
 */
export interface StoreLocks {
  /** @throws PodwrightError kind `cancelled` when the signal fires while it waits */
  shared(keys: Iterable<string>, signal?: AbortSignal): Promise<StoreLease>;
  /** @throws PodwrightError kind `cancelled` when the signal fires while it waits */
  exclusive(keys: Iterable<string>, signal?: AbortSignal): Promise<StoreLease>;
  /** As `exclusive`, but undefined when it would have to wait. */
  tryExclusive(keys: Iterable<string>): StoreLease | undefined;
}

export const StoreLocks: ServiceIdentifier<StoreLocks> = Symbol.for('podwright.images.StoreLocks');

interface Request {
  readonly keys: ReadonlySet<string>;
  readonly exclusive: boolean;
  granted: boolean;
  readonly grant: () => void;
}

/** Locks of one process, in memory. */
@injectable()
export class InProcessStoreLocks implements StoreLocks {
  /** In order of asking; the granted ones among them. */
  readonly #requests: Request[] = [];

  shared(keys: Iterable<string>, signal?: AbortSignal): Promise<StoreLease> {
    return this.#acquire(keys, false, signal);
  }

  exclusive(keys: Iterable<string>, signal?: AbortSignal): Promise<StoreLease> {
    return this.#acquire(keys, true, signal);
  }

  tryExclusive(keys: Iterable<string>): StoreLease | undefined {
    const request = newRequest(keys, true, () => undefined);
    this.#requests.push(request);
    this.#grantWhatCan();
    if (request.granted) return this.#leaseOf(request);
    this.#drop(request);
    return undefined;
  }

  #acquire(keys: Iterable<string>, exclusive: boolean, signal?: AbortSignal): Promise<StoreLease> {
    return new Promise((resolve, reject) => {
      const cancelled = () => {
        this.#drop(request);
        const message = 'Waiting for the image store was cancelled by its caller.';
        reject(new PodwrightError('cancelled', message, { cause: signal?.reason }));
      };
      const request = newRequest(keys, exclusive, () => {
        signal?.removeEventListener('abort', cancelled);
        resolve(this.#leaseOf(request));
      });
      if (signal?.aborted) {
        cancelled();
        return;
      }
      signal?.addEventListener('abort', cancelled, { once: true });
      this.#requests.push(request);
      this.#grantWhatCan();
    });
  }

  #grantWhatCan(): void {
    this.#requests.forEach((request, index) => {
      if (request.granted || this.#requests.slice(0, index).some((earlier) => conflict(earlier, request)))
        return;
      request.granted = true;
      request.grant();
    });
  }

  #leaseOf(request: Request): StoreLease {
    return { [Symbol.dispose]: () => this.#drop(request) };
  }

  #drop(request: Request): void {
    const index = this.#requests.indexOf(request);
    if (index < 0) return;
    this.#requests.splice(index, 1);
    this.#grantWhatCan();
  }
}

function newRequest(keys: Iterable<string>, exclusive: boolean, grant: () => void): Request {
  return { keys: new Set(keys), exclusive, granted: false, grant };
}

function conflict(a: Request, b: Request): boolean {
  if (!a.exclusive && !b.exclusive) return false;
  if (a.keys.has(EVERYTHING) || b.keys.has(EVERYTHING)) return true;
  return [...a.keys].some((key) => b.keys.has(key));
}
