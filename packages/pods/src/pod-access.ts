import type { RuntimeAccess } from '@podwright/core';
import type { ServiceIdentifier } from 'inversify';

/** Whether this process is the one that changes pods. */
export const PodAccess: ServiceIdentifier<RuntimeAccess> = Symbol.for('podwright.pods.PodAccess');
