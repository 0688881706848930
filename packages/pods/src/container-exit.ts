import {
  type ContainerAttempt,
  PodwrightError,
  type RuntimeEvent,
  type RuntimeService,
} from '@podwright/core';
import { concatMap, firstValueFrom, takeUntil, throwIfEmpty } from 'rxjs';
import { abortErrors } from './abort-errors.js';

/**
 * Starts a container and resolves when it has ended.
 * @throws PodwrightError as `startContainer`; kind `cancelled`; `not-found` when it is removed meanwhile
 */
export async function runToExit(
  service: RuntimeService,
  containerId: string,
  signal: AbortSignal,
): Promise<ContainerAttempt> {
  const finished = new AbortController();
  const ended = firstValueFrom(
    service.events.pipe(
      takeUntil(abortErrors(AbortSignal.any([signal, finished.signal]))),
      concatMap((event) => exitIn(event, containerId)),
      throwIfEmpty(() => new PodwrightError('closed', 'The runtime was closed while a container ran.')),
    ),
  );
  // Nobody waits for it when the start itself fails.
  ended.catch(() => undefined);
  try {
    await service.startContainer(containerId, { signal });
    // It may have ended before the event of its end could be heard.
    const status = await service.containerStatus(containerId, { signal });
    const attempt = status.attempts.at(-1);
    return status.state === 'exited' && attempt ? attempt : await ended;
  } finally {
    finished.abort();
  }
}

function exitIn(event: RuntimeEvent, containerId: string): readonly ContainerAttempt[] {
  if (!('containerId' in event) || event.containerId !== containerId) return [];
  if (event.type === 'container-removed') {
    const message = `The container ${containerId} was removed while it was waited for.`;
    throw new PodwrightError('not-found', message, { details: { containerId } });
  }
  return event.type === 'container-exited' ? [event.attempt] : [];
}
