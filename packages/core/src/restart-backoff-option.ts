import { z } from 'zod';
import { DEFAULT_RESTART_BACKOFF } from './deciders/crash-loop.js';

/** `restartBackoff` among the options of a backend, which binds what it comes to as `RestartBackoff`. */
export const restartBackoffOption = z
  .strictObject({
    initialMs: z.int().min(0).default(DEFAULT_RESTART_BACKOFF.initialMs),
    maxMs: z.int().min(0).default(DEFAULT_RESTART_BACKOFF.maxMs),
    resetMs: z.int().min(1).default(DEFAULT_RESTART_BACKOFF.resetMs),
  })
  .refine(({ initialMs, maxMs }) => initialMs <= maxMs, 'initialMs may not be greater than maxMs')
  .default(DEFAULT_RESTART_BACKOFF)
  .describe('delay before a restart: none, then initialMs, doubled up to maxMs; anew after a run of resetMs');
