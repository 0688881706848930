import type { RestartBackoff } from '@podwright/core';
import type { ServiceIdentifier } from 'inversify';

/** How long PodRuntime waits before it starts a container again. A backend that restarts has a setting of its own. */
export const CallerBackoff: ServiceIdentifier<RestartBackoff> = Symbol.for('podwright.pods.CallerBackoff');
