import type { Pod } from '@podwright/core';

/** Fields of a pod that somebody has to be there for, by their paths in the manifest. */
export function fieldsForAgent({ spec }: Pod): readonly string[] {
  const lists = { initContainers: spec.initContainers, containers: spec.containers };
  const inContainers = Object.entries(lists).flatMap(([list, containers]) =>
    containers.flatMap(({ name, livenessProbe, readinessProbe, startupProbe, lifecycle }) => {
      const restarts = spec.restartPolicy !== 'Never' && lifecycle?.postStart !== undefined;
      const fields = {
        startupProbe,
        livenessProbe,
        readinessProbe,
        'lifecycle.postStart': restarts ? true : undefined,
        'lifecycle.preStop': lifecycle?.preStop,
      };
      return Object.entries(fields).flatMap(([field, value]) =>
        value === undefined ? [] : [`${list}[${name}].${field}`],
      );
    }),
  );
  return [...(spec.activeDeadlineSeconds === undefined ? [] : ['activeDeadlineSeconds']), ...inContainers];
}
