import type { LogOptions, Pod, PodStatus } from '@podwright/core';
import { type ContainerRef, type PodContainer, parsePod } from '@podwright/core';
import { concatMap, filter, firstValueFrom, startWith, timeout } from 'rxjs';
import { testImages } from '../../host/images.js';
import { slowness } from '../../slowness.js';
import type { TestAgent } from './test-agent.js';

/** A container of a manifest; the image is busybox when none is named. */
export type ContainerInput = Readonly<Record<string, unknown>> & { readonly name: string };

/** A pod without a network of its own and without restarts, which is fast. */
export function testPod(
  name: string,
  containers: readonly ContainerInput[],
  spec: Readonly<Record<string, unknown>> = {},
): Pod {
  return parsePod({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      hostNetwork: true,
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      ...spec,
      containers: containers.map((container) => ({
        image: testImages.busybox,
        imagePullPolicy: 'IfNotPresent',
        ...container,
      })),
    },
  });
}

/** A container that runs a script in the shell of busybox. */
export function shell(name: string, script: string, rest: Readonly<Record<string, unknown>> = {}) {
  return { name, command: ['sh', '-c', script], ...rest };
}

/** The status of a pod as soon as it is as asked; looked at after each thing that happens to it. */
export async function podStatusWhen(
  { runtime, service }: TestAgent,
  uid: string,
  isReached: (status: PodStatus) => boolean,
  timeoutMs = 30_000 * slowness,
): Promise<PodStatus> {
  let last: PodStatus | undefined;
  const statuses = service.events.pipe(
    filter((event) => event.podUid === uid),
    startWith(undefined),
    concatMap(async () => {
      last = await runtime.getPodStatus({ uid });
      return last;
    }),
    filter(isReached),
    timeout({
      first: timeoutMs,
      with: () => {
        throw new Error(
          `After ${timeoutMs} ms the pod is: ${JSON.stringify(last?.containers, undefined, 1)}`,
        );
      },
    }),
  );
  return await firstValueFrom(statuses);
}

/** The status of a pod as soon as all of its containers have ended for good. */
export async function podStatusAtEnd(agent: TestAgent, uid: string, timeoutMs?: number): Promise<PodStatus> {
  return await podStatusWhen(
    agent,
    uid,
    ({ containers }) => containers.every(({ state }) => state === 'exited'),
    timeoutMs,
  );
}

export function containerOf(
  status: { readonly containers: readonly PodContainer[] },
  name: string,
): PodContainer {
  const found = status.containers.find((container) => container.name === name);
  if (!found) throw new Error(`The pod has no container ${name}.`);
  return found;
}

/** Id of a container in its backend, without the `systemd://`. */
export function backendId({ id }: PodContainer): string {
  return id.slice(id.indexOf('://') + 3);
}

/** The lines of a container's output, partial ones joined, as `stream: text`. */
export async function logLines(
  { runtime }: TestAgent,
  container: ContainerRef,
  options: LogOptions = {},
): Promise<string[]> {
  const lines: string[] = [];
  const parts = { stdout: '', stderr: '' };
  for await (const { stream, line, partial } of runtime.getContainerLogs(container, options)) {
    parts[stream] += line.toString('latin1');
    if (partial) continue;
    lines.push(`${stream}: ${parts[stream]}`);
    parts[stream] = '';
  }
  return lines;
}
