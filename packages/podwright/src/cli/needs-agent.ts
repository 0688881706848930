import { type Container, isSidecar, type Pod, restartOwner, restartPolicyOf } from '@podwright/core';

/**
 * What of a pod stays undone when the command that has run it has ended, as a warning; undefined when that is nothing.
 * @param supervised `features.supervisedRestart` of the backend
 */
export function agentWarning(pod: Pod, supervised: boolean): string | undefined {
  const { namespace, name } = pod.metadata;
  const fields = fieldsForAgent(pod);
  const restarts = restartsByAgent(pod, supervised);
  const acts = fields.length === 0 ? '' : `acts on ${fields.join(', ')}`;
  const starts = restarts.length === 0 ? '' : `starts ${restarts.join(', ')} of ${namespace}/${name} again`;
  if (!acts && !starts) return undefined;
  const undone = acts && starts ? `${acts}, nor ${starts}` : starts || `${acts} of ${namespace}/${name}`;
  return `warning: when this command has ended nobody ${undone}: that takes a living agent. Put the manifest into a directory and run "podwright agent --manifests DIR".`;
}

/** Fields of a pod that somebody has to be there for, by their paths in the manifest. */
function fieldsForAgent({ spec }: Pod): readonly string[] {
  const lists = { initContainers: spec.initContainers, containers: spec.containers };
  const inContainers = Object.entries(lists).flatMap(([list, containers]) =>
    containers.flatMap((container) =>
      fieldsOf(container, spec.restartPolicy).map((field) => `${list}[${container.name}].${field}`),
    ),
  );
  const volumes = spec.volumes.filter(
    ({ emptyDir }) => emptyDir?.sizeLimit !== undefined && emptyDir.medium !== 'Memory',
  );
  return [
    ...(spec.activeDeadlineSeconds === undefined ? [] : ['activeDeadlineSeconds']),
    ...volumes.map(({ name }) => `volumes[${name}].emptyDir.sizeLimit`),
    ...inContainers,
  ];
}

function fieldsOf(container: Container, podPolicy: Pod['spec']['restartPolicy']): readonly string[] {
  const { startupProbe, livenessProbe, readinessProbe, lifecycle, resources } = container;
  const fields = {
    startupProbe,
    livenessProbe,
    readinessProbe,
    'lifecycle.preStop': lifecycle?.preStop,
    'resources.limits.ephemeral-storage': resources.limits['ephemeral-storage'],
    // It is ended when the app containers have ended for good.
    restartPolicy: isSidecar(container) && podPolicy !== 'Always' ? container.restartPolicy : undefined,
  };
  return Object.entries(fields).flatMap(([field, value]) => (value === undefined ? [] : [field]));
}

/** Names of containers that only an agent starts again. Init containers have ended before the command does. */
function restartsByAgent(pod: Pod, supervised: boolean): readonly string[] {
  const { containers, initContainers } = pod.spec;
  const named = (list: readonly Container[], kind: 'init' | 'app') =>
    list
      .filter((container) => restartPolicyOf(pod, container, kind) !== 'Never')
      .filter((container) => restartOwner(pod, container, kind, supervised).by === 'caller')
      .map(({ name }) => name);
  return [...named(containers, 'app'), ...named(initContainers.filter(isSidecar), 'init')];
}
