import { type ContainerStatus, isSidecar, type PodAction, type PodRecord } from '@podwright/core';
import { newestContainer } from './pod-views.js';

/**
 * A pod's record with what it has to know before these actions are done, so that another agent can go on in their middle:
 * which containers are ended to be started again, and which because a probe has failed.
 * @param containers all of the pod
 * @returns the same record when there is nothing to be noted
 */
export function withEnds(
  record: PodRecord,
  actions: readonly PodAction[],
  containers: readonly ContainerStatus[],
): PodRecord {
  const kills = actions.filter((action) => action.action === 'kill-container');
  const starts = new Set(
    actions.flatMap((action) => (action.action === 'start-container' ? [action.container] : [])),
  );
  const running = containers.filter(({ state }) => state === 'running' || state === 'waiting');
  const owed = actions.some(({ action }) => action === 'create-sandbox')
    ? running.map(({ metadata }) => metadata.name)
    : kills.flatMap(({ container }) => (starts.has(container) ? [container] : []));
  const unhealthy = kills.flatMap((kill) => (kill.unhealthy ? [kill.container] : []));
  return withNames(withNames(record, 'owed', owed), 'unhealthy', unhealthy);
}

/**
 * A pod's record when the pod is killed: what has not ended by itself is owed to whoever wants the pod again. That is
 * nothing when an init container has failed it for good.
 * @param containers all of the pod, before the kill
 */
export function withBrokenOff(record: PodRecord, containers: readonly ContainerStatus[]): PodRecord {
  const { restartPolicy, initContainers, containers: apps } = record.manifest.spec;
  const hasEnded = (name: string) => newestContainer(containers, name)?.state === 'exited';
  const hasFailed = initContainers
    .filter((init) => !isSidecar(init) && hasEnded(init.name))
    .some(({ name }) => newestContainer(containers, name)?.attempts.at(-1)?.exitCode !== 0);
  if (hasFailed && restartPolicy === 'Never') return record;
  const open = apps.map(({ name }) => name).filter((name) => !hasEnded(name));
  return withNames(record, 'owed', open);
}

/** A pod's record when a container's successor was made. The same one when nothing of it was noted. */
export function withSuccessor(record: PodRecord, container: string): PodRecord {
  return withoutName(withoutName(record, 'owed', container), 'unhealthy', container);
}

type Names = 'owed' | 'unhealthy';

function withNames(record: PodRecord, field: Names, names: readonly string[]): PodRecord {
  const before = record[field] ?? [];
  const all = [...new Set([...before, ...names])];
  return all.length === before.length ? record : { ...record, [field]: all };
}

function withoutName(record: PodRecord, field: Names, name: string): PodRecord {
  const { [field]: names, ...rest } = record;
  if (!names?.includes(name)) return record;
  const left = names.filter((each) => each !== name);
  return left.length === 0 ? rest : { ...rest, [field]: left };
}
