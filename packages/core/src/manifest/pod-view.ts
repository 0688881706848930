import { z } from 'zod';

/** A manifest as far as it can be read, so that the checks between fields have their say beside those of the schema. */
const word = z.string().optional().catch(undefined);
const number = z.number().optional().catch(undefined);
const flag = z.boolean().optional().catch(undefined);
const amount = z
  .union([z.string(), z.number().transform(String)])
  .optional()
  .catch(undefined);

function list<T extends z.ZodType>(item: T) {
  return z.array(item).catch([]);
}

function view<T extends z.ZodRawShape>(shape: T) {
  return z.object(shape).partial().optional().catch(undefined);
}

const amounts = z.record(z.string(), amount).optional().catch(undefined);
const resources = view({ limits: amounts, requests: amounts });
const handler = view({
  httpGet: view({ port: z.unknown() }),
  tcpSocket: view({ port: z.unknown() }),
  sleep: view({ seconds: number }),
});
const portEntry = z
  .object({
    name: word,
    containerPort: number,
    hostPort: number,
    hostIP: word,
    protocol: word,
  })
  .partial()
  .catch({});

const container = z
  .object({
    name: word,
    env: list(
      z
        .object({ valueFrom: view({ resourceFieldRef: view({ containerName: word, resource: word }) }) })
        .partial()
        .catch({}),
    ),
    ports: list(portEntry),
    volumeMounts: list(z.object({ name: word, mountPath: word, mountPropagation: word }).partial().catch({})),
    resources,
    resizePolicy: list(z.object({ resourceName: word }).partial().catch({})),
    lifecycle: view({ postStart: handler, preStop: handler, stopSignal: word }),
    livenessProbe: handler,
    readinessProbe: handler,
    startupProbe: handler,
    restartPolicy: word,
    stdin: flag,
    stdinOnce: flag,
    securityContext: view({
      runAsUser: number,
      runAsNonRoot: flag,
      privileged: flag,
      allowPrivilegeEscalation: flag,
      procMount: word,
      capabilities: view({ add: list(z.string().catch('')), drop: list(z.unknown()) }),
      seccompProfile: view({ type: word }),
      appArmorProfile: view({ type: word }),
    }),
  })
  .partial()
  .catch({});

const downwardItems = list(
  z
    .object({ path: word, resourceFieldRef: view({ containerName: word, resource: word }) })
    .partial()
    .catch({}),
);
const items = list(z.object({ path: word }).partial().catch({}));
const source = z
  .object({
    configMap: view({ items }),
    secret: view({ items }),
    downwardAPI: view({ items: downwardItems }),
  })
  .partial()
  .catch({});
const volume = z
  .looseObject({
    name: word,
    downwardAPI: view({ items: downwardItems }),
    projected: view({ sources: list(source) }),
  })
  .partial()
  .catch({});

export const podView = z.object({
  spec: z
    .object({
      initContainers: list(container),
      containers: list(container),
      volumes: list(volume),
      terminationGracePeriodSeconds: number,
      hostNetwork: flag,
      hostPID: flag,
      hostIPC: flag,
      hostUsers: flag,
      shareProcessNamespace: flag,
      hostname: word,
      subdomain: word,
      hostnameOverride: word,
      setHostnameAsFQDN: flag,
      os: view({ name: word }),
      dnsPolicy: word,
      dnsConfig: view({ nameservers: list(z.string().catch('')) }),
      resources,
      securityContext: view({
        runAsUser: number,
        runAsNonRoot: flag,
        sysctls: list(z.object({ name: word }).partial().catch({})),
      }),
    })
    .partial()
    .catch({}),
});

export type PodView = z.infer<typeof podView>;
export type ContainerView = z.infer<typeof container>;
export type PortView = z.infer<typeof portEntry>;
export type VolumeView = z.infer<typeof volume>;
export type Report = (path: readonly PropertyKey[], message: string) => void;

/** A container with its place in the manifest. */
export interface PlacedContainer {
  readonly container: ContainerView;
  readonly path: readonly PropertyKey[];
  /** An init container that has to end before the pod goes on; a sidecar is none. */
  readonly isInit: boolean;
}

export function placedContainers({ spec }: PodView): readonly PlacedContainer[] {
  return [
    ...(spec.initContainers ?? []).map((entry, index) => ({
      container: entry,
      path: ['spec', 'initContainers', index],
      isInit: entry.restartPolicy !== 'Always',
    })),
    ...(spec.containers ?? []).map((entry, index) => ({
      container: entry,
      path: ['spec', 'containers', index],
      isInit: false,
    })),
  ];
}

/** Calls back for each entry whose key came before. */
export function reportRepeated<T>(
  entries: readonly T[],
  keyOf: (entry: T) => string | undefined,
  report: (index: number) => void,
): void {
  const seen = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    const key = keyOf(entry);
    if (key === undefined) continue;
    if (seen.has(key)) report(index);
    seen.add(key);
  }
}
