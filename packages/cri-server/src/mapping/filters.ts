import type { ContainerFilter, PodSandboxFilter } from '@podwright/core';
import { cri } from '@podwright/cri-api';

/** What of a filter the backend looks at. Ids may be cut short in the CRI, and states are fewer: see `matchesId`. */
export function toSandboxFilter(filter: cri.PodSandboxFilter | undefined): PodSandboxFilter {
  const state = filter?.state?.state;
  return {
    ...labelsOf(filter?.labelSelector),
    ...(state === undefined
      ? {}
      : { state: state === cri.PodSandboxState.SANDBOX_READY ? 'ready' : 'not-ready' }),
  };
}

export function toContainerFilter(
  filter: { readonly labelSelector: Readonly<Record<string, string>> } | undefined,
): ContainerFilter {
  return labelsOf(filter?.labelSelector);
}

function labelsOf(labels: Readonly<Record<string, string>> = {}) {
  return Object.keys(labels).length === 0 ? {} : { labels };
}

/** Whether an id is the one asked for, or begins with it; an empty one asks for all. */
export function matchesId(id: string, asked: string | undefined): boolean {
  return asked === undefined || id.startsWith(asked);
}
