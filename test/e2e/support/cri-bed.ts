import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { cri, isServiceError, openChannel, type RpcChannel, type RpcClient } from '@podwright/cri-api';
import { expect } from 'vitest';
import { testImages } from '../../host/images.js';
import { slowness } from '../../slowness.js';
import { type CriTarget, startCriTarget } from './cri-target.js';

type Runtime = RpcClient<typeof cri.RuntimeService>;
/** What a field may be made from, apart from a message that is made already. */
type FieldsOf<Init> = Exclude<Init, undefined | { readonly $typeName: string }>;
/** The fields of the request of a call. */
export type CallInit<Method extends keyof Runtime> = FieldsOf<Parameters<Runtime[Method]>[0]>;

export type PodInit = FieldsOf<CallInit<'runPodSandbox'>['config']>;
export type ContainerInit = FieldsOf<CallInit<'createContainer'>['config']>;
export type ResourcesInit = FieldsOf<CallInit<'updateContainerResources'>['linux']>;
export type SecurityInit = FieldsOf<FieldsOf<ContainerInit['linux']>['securityContext']>;
export type NamespacesInit = FieldsOf<SecurityInit['namespaceOptions']>;

export interface CriPod {
  readonly id: string;
  readonly config: PodInit & { readonly logDirectory: string };
}

export interface Output {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** A line of a container's log file. */
export interface LogLine {
  readonly time: Date;
  readonly stream: string;
  /** `F`, or `P` where the line goes on in the next entry. */
  readonly tag: string;
  readonly text: string;
}

/** Runs until it is stopped, and ends at once on SIGTERM. */
export const PAUSE = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1000 & wait $!; done'];

const WAIT = { timeout: 30_000 * slowness, interval: 20 };

/** A client of a CRI endpoint, and the pods and directories that it has made there. */
export class CriBed implements AsyncDisposable {
  readonly runtime: Runtime;
  readonly images: RpcClient<typeof cri.ImageService>;
  readonly #channel: RpcChannel;
  readonly #pods = new Set<string>();
  readonly #folders = new Set<string>();

  private constructor(readonly target: CriTarget) {
    this.#channel = openChannel(target.address);
    this.runtime = this.#channel.service(cri.RuntimeService);
    this.images = this.#channel.service(cri.ImageService);
  }

  /** Starts an endpoint and has the images at hand that tests use. */
  static async start(...images: readonly string[]): Promise<CriBed> {
    return await CriBed.of(await startCriTarget(), ...images);
  }

  static async of(target: CriTarget, ...images: readonly string[]): Promise<CriBed> {
    const bed = new CriBed(target);
    for (const image of [testImages.busybox, ...images]) await bed.images.pullImage({ image: { image } });
    return bed;
  }

  async runPod(init: PodInit = {}): Promise<CriPod> {
    const config = { ...this.podConfig(), ...init };
    const { podSandboxId } = await this.runtime.runPodSandbox({ config });
    this.#pods.add(podSandboxId);
    return { id: podSandboxId, config: { ...config, logDirectory: config.logDirectory ?? '' } };
  }

  /** A pod of namespaces. */
  async runPodWith(namespaceOptions: NamespacesInit, init: PodInit = {}): Promise<CriPod> {
    return await this.runPod({ ...init, linux: { securityContext: { namespaceOptions } } });
  }

  /** What every pod has: a name of its own. */
  podConfig(): PodInit {
    const uid = randomUUID();
    return { metadata: { name: `pod-${uid}`, namespace: `namespace-${uid}`, uid, attempt: 2 }, linux: {} };
  }

  /** A pod with a directory for log files. */
  async runLoggingPod(init: PodInit = {}): Promise<CriPod> {
    return await this.runPod({ logDirectory: join(await this.folder(), 'logs'), ...init });
  }

  /** A directory of the host that is removed with the pods. */
  async folder(): Promise<string> {
    const folder = await mkdtemp('/run/podwright-cri-');
    this.#folders.add(folder);
    return folder;
  }

  async create(pod: CriPod, init: ContainerInit = {}): Promise<string> {
    const config = {
      metadata: { name: `container-${randomUUID()}`, attempt: 2 },
      image: { image: testImages.busybox },
      command: PAUSE,
      linux: {},
      ...init,
    };
    const { containerId } = await this.runtime.createContainer({
      podSandboxId: pod.id,
      config,
      sandboxConfig: pod.config,
    });
    return containerId;
  }

  /** Creates and starts a container. */
  async start(pod: CriPod, init: ContainerInit = {}): Promise<string> {
    const containerId = await this.create(pod, init);
    await this.runtime.startContainer({ containerId });
    return containerId;
  }

  /** A container that has this security context, started. */
  async startSecured(pod: CriPod, securityContext: SecurityInit, init: ContainerInit = {}): Promise<string> {
    return await this.start(pod, { ...init, linux: { securityContext } });
  }

  /** Starts a container of this pod and gives its log when it has ended. */
  async runToEnd(pod: CriPod, init: ContainerInit): Promise<readonly LogLine[]> {
    const logPath = `${randomUUID()}.log`;
    await this.ended(await this.start(pod, { ...init, logPath }));
    return await this.log(pod, logPath);
  }

  async exec(containerId: string, ...cmd: readonly string[]): Promise<Output> {
    const { stdout, stderr, exitCode } = await this.runtime.execSync({
      containerId,
      cmd: [...cmd],
      timeout: 30n,
    });
    return { stdout: textOf(stdout), stderr: textOf(stderr), exitCode };
  }

  /** The output of a command that has to succeed and to complain of nothing. */
  async output(containerId: string, ...cmd: readonly string[]): Promise<string> {
    const result = await this.exec(containerId, ...cmd);
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    return result.stdout;
  }

  async status(containerId: string): Promise<cri.ContainerStatus> {
    const { status } = await this.runtime.containerStatus({ containerId });
    if (!status) throw new Error(`There is no status of container ${containerId}.`);
    return status;
  }

  async podStatus(pod: CriPod): Promise<cri.PodSandboxStatus> {
    const { status } = await this.runtime.podSandboxStatus({ podSandboxId: pod.id });
    if (!status) throw new Error(`There is no status of pod ${pod.id}.`);
    return status;
  }

  /** Waits until the container has ended. */
  async ended(containerId: string): Promise<cri.ContainerStatus> {
    await expect
      .poll(async () => (await this.status(containerId)).state, WAIT)
      .toBe(cri.ContainerState.CONTAINER_EXITED);
    return await this.status(containerId);
  }

  async log(pod: CriPod, logPath: string): Promise<readonly LogLine[]> {
    return parseLog(await readFile(join(pod.config.logDirectory, logPath), 'utf8'));
  }

  async removePod(podSandboxId: string): Promise<void> {
    await this.runtime.stopPodSandbox({ podSandboxId });
    await this.runtime.removePodSandbox({ podSandboxId });
    this.#pods.delete(podSandboxId);
  }

  /** Removes all that was made here, and all pods of an endpoint that is for these tests only. */
  async clean(): Promise<void> {
    if (this.target.name !== 'other')
      for (const { id } of (await this.runtime.listPodSandbox()).items) this.#pods.add(id);
    await Promise.all([...this.#pods].map((id) => this.removePod(id)));
    for (const folder of this.#folders) await rm(folder, { recursive: true, force: true });
    this.#folders.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.clean();
    this.#channel.close();
    await this.target[Symbol.asyncDispose]();
  }
}

/** Waits until `read` gives what is expected; for what the API has no event for. */
export async function eventually<T>(read: () => T | Promise<T>, matches: (value: T) => boolean): Promise<T> {
  let value: T | undefined;
  await expect
    .poll(async () => {
      value = await read();
      return matches(value) ? 'as expected' : value;
    }, WAIT)
    .toBe('as expected');
  return value as T;
}

/** Expects a call to fail, with one of these codes where some are given. */
export async function expectRefusal(call: Promise<unknown>, ...codes: readonly status[]): Promise<string> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isServiceError(error)) throw new Error('The call was answered without an error.', { cause: error });
  if (codes.length > 0)
    expect(
      codes.map((code) => status[code]),
      error.details,
    ).toContain(status[error.code]);
  return error.details;
}

/** Expects a call that was made before to be refused, or answered with what that one has made. */
export async function expectNoOther(call: Promise<string>, id: string): Promise<void> {
  const answer = await call.catch((error: unknown) => {
    if (isServiceError(error)) return id;
    throw error;
  });
  expect(answer).toBe(id);
}

/** What a call gives; undefined when the runtime says that it does not have such a thing, rather than that it failed. */
export async function unlessUnsupported<T>(call: Promise<T>): Promise<T | undefined> {
  return await call.catch((error: unknown) => {
    if (isServiceError(error) && error.code === status.UNIMPLEMENTED) return undefined;
    throw error;
  });
}

/** The lines of a log file in the format of Kubernetes: time, stream, tag, text. */
export function parseLog(content: string): readonly LogLine[] {
  return content
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [, time, stream, tag, text] =
        /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([FP]) (.*)$/s.exec(
          line,
        ) ?? [];
      if (time === undefined || stream === undefined || tag === undefined || text === undefined)
        throw new Error(`Not a line of a log of Kubernetes: ${line}`);
      return { time: new Date(time), stream, tag, text };
    });
}

/** The text of a log, as lines, of one stream. */
export function textsOf(lines: readonly LogLine[], stream = 'stdout'): readonly string[] {
  return lines.filter((line) => line.stream === stream).map(({ text }) => text);
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}
