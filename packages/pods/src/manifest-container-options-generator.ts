import {
  type Container,
  type ContainerConfig,
  type ContainerOptionsContext,
  type ContainerOptionsGenerator,
  type ContainerSecurity,
  containerResources,
  expandVariables,
  type Pod,
  type SeccompProfile,
} from '@podwright/core';
import { injectable } from 'inversify';

/**
 * The default: a container's configuration is what its manifest says. `$(VAR)` in command and args is replaced by the
 * container's variables; those of the image are not known here, as in the kubelet.
 */
@injectable()
export class ManifestContainerOptionsGenerator implements ContainerOptionsGenerator {
  async generate(context: ContainerOptionsContext): Promise<ContainerConfig> {
    const { pod, container, env, volumeMounts, attempt } = context;
    const variables = new Map(env.map(({ name, value }) => [name, value]));
    const expand = (words: readonly string[]) => words.map((word) => expandVariables(word, variables));
    return {
      metadata: { name: container.name, attempt },
      image: container.image,
      // An empty list is an absent one, as in Kubernetes.
      ...(container.command?.length ? { command: expand(container.command) } : {}),
      ...(container.args?.length ? { args: expand(container.args) } : {}),
      ...(container.workingDir === undefined ? {} : { workingDir: container.workingDir }),
      env,
      mounts: volumeMounts,
      devices: [],
      labels: {},
      annotations: {},
      resources: containerResources(container),
      security: containerSecurity(pod, container),
      restart: { by: 'caller' },
      ...(container.stdin ? { stdin: true, stdinOnce: container.stdinOnce } : {}),
      ...(container.tty ? { tty: true } : {}),
      ...(container.lifecycle?.stopSignal === undefined
        ? {}
        : { stopSignal: container.lifecycle.stopSignal }),
      terminationMessage: {
        path: container.terminationMessagePath,
        fallbackToLogs: container.terminationMessagePolicy === 'FallbackToLogsOnError',
      },
      terminationGraceMs: pod.spec.terminationGracePeriodSeconds * 1000,
    };
  }
}

/** A container's own settings win over the pod's. */
function containerSecurity(pod: Pod, container: Container): ContainerSecurity {
  const shared = pod.spec.securityContext;
  const own = container.securityContext;
  const merged = {
    privileged: own.privileged,
    runAsUser: own.runAsUser ?? shared.runAsUser,
    runAsGroup: own.runAsGroup ?? shared.runAsGroup,
    runAsNonRoot: own.runAsNonRoot ?? shared.runAsNonRoot,
    // The fsGroup owns the pod's volumes: every container is in it.
    supplementalGroups: [
      ...new Set([...shared.supplementalGroups, ...(shared.fsGroup === undefined ? [] : [shared.fsGroup])]),
    ],
    supplementalGroupsPolicy: shared.supplementalGroupsPolicy,
    addCapabilities: own.capabilities?.add,
    dropCapabilities: own.capabilities?.drop,
    readOnlyRootFilesystem: own.readOnlyRootFilesystem,
    allowPrivilegeEscalation: own.allowPrivilegeEscalation,
    seccomp: seccompProfile(own.seccompProfile ?? shared.seccompProfile),
    appArmor: own.appArmorProfile ?? shared.appArmorProfile,
    seLinux: own.seLinuxOptions ?? shared.seLinuxOptions,
    ...(own.procMount === 'Unmasked' ? { maskedPaths: [], readOnlyPaths: [] } : {}),
  };
  return withoutUndefined(merged);
}

/** The manifest names the path as Kubernetes does, as the profile's. */
function seccompProfile(
  profile: Pod['spec']['securityContext']['seccompProfile'],
): SeccompProfile | undefined {
  if (profile === undefined) return undefined;
  const { type, localhostProfile } = profile;
  return localhostProfile === undefined ? { type } : { type, localhostPath: localhostProfile };
}

type Defined<T> = { readonly [Key in keyof T]?: Exclude<T[Key], undefined> };

function withoutUndefined<T extends object>(value: T): Defined<T> {
  const result: { -readonly [Key in keyof T]?: Exclude<T[Key], undefined> } = {};
  for (const key of keysOf(value)) {
    const field = value[key];
    if (isDefined(field)) result[key] = field;
  }
  return result;
}

function keysOf<T extends object>(value: T): (keyof T)[] {
  return Object.keys(value).filter((key): key is string & keyof T => key in value);
}

function isDefined<T>(value: T): value is Exclude<T, undefined> {
  return value !== undefined;
}
