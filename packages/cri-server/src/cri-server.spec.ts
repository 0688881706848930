import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { memoryBackendModule } from '@podwright/backend-memory';
import { PodwrightError, RuntimeService } from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { remoteExec, remotePortForward } from '@podwright/cri-streaming';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CriBed, IMAGE, sandboxConfig } from './cri-bed.spec-helper.js';

const { ContainerState, PodSandboxState } = cri;
const backend = () => memoryBackendModule({ registry: { images: [{ reference: IMAGE }] } });

let bed: CriBed;

beforeEach(async () => {
  bed = await CriBed.start(backend());
  await bed.pull();
});

afterEach(async () => {
  await bed[Symbol.asyncDispose]();
});

const otherPod = (uid: string, attempt = 0) => ({
  metadata: { name: uid, namespace: 'default', uid, attempt },
});

/** All that comes from a stream; nothing where there is none. */
const textOf = async (stream: Readable | undefined) => (stream === undefined ? '' : await text(stream));

describe('the life of a pod', () => {
  it('goes from its start to its removal', async () => {
    const podSandboxId = await bed.runSandbox({ labels: { app: 'web' } });
    const containerId = await bed.runScript(podSandboxId, 'sleep 1000');
    expect((await bed.runtime.listContainers()).containers).toMatchObject([
      { id: containerId, podSandboxId, state: ContainerState.CONTAINER_RUNNING },
    ]);
    expect(await bed.runtime.podSandboxStatus({ podSandboxId, verbose: true })).toMatchObject({
      status: { id: podSandboxId, state: PodSandboxState.SANDBOX_READY, labels: { app: 'web' } },
      info: { info: expect.stringContaining('"state":"ready"') },
      containersStatuses: [{ id: containerId, image: { image: IMAGE } }],
    });
    await bed.runtime.stopContainer({ containerId, timeout: 0n });
    expect((await bed.runtime.containerStatus({ containerId, verbose: true })).status).toMatchObject({
      state: ContainerState.CONTAINER_EXITED,
      exitCode: 137,
    });
    await bed.runtime.removeContainer({ containerId });
    await bed.runtime.stopPodSandbox({ podSandboxId });
    expect((await bed.runtime.podSandboxStatus({ podSandboxId })).status?.state).toBe(
      PodSandboxState.SANDBOX_NOTREADY,
    );
    await bed.runtime.removePodSandbox({ podSandboxId });
    expect((await bed.runtime.listPodSandbox()).items).toEqual([]);
  });

  it('is stopped and removed however often it is asked, and when there is nothing', async () => {
    const podSandboxId = await bed.runSandbox();
    const containerId = await bed.runScript(podSandboxId, 'sleep 1000');
    for (let time = 0; time < 2; time++) {
      await bed.runtime.stopContainer({ containerId });
      await bed.runtime.removeContainer({ containerId });
    }
    for (let time = 0; time < 2; time++) await bed.runtime.stopPodSandbox({ podSandboxId });
    for (let time = 0; time < 2; time++) await bed.runtime.removePodSandbox({ podSandboxId });
    await bed.runtime.stopPodSandbox({ podSandboxId });
  });

  it('says once that a container without memory does not end as a whole, where that is asked for', async () => {
    const podSandboxId = await bed.runSandbox();
    const told = () => bed.logged.filter((line) => line.startsWith('warn memory.oom.group is not enforced'));
    const create = (name: string, value: string) =>
      bed.createContainer(podSandboxId, {
        metadata: { name },
        linux: { resources: { unified: { 'memory.oom.group': value } } },
      });
    await create('a', '0');
    expect(told()).toEqual([]);
    await create('b', '1');
    await create('c', '1');
    expect(told()).toHaveLength(1);
  });

  it('has its image named by the id, as a kubelet does, and shows its name', async () => {
    const image = await bed.pull();
    const podSandboxId = await bed.runSandbox();
    const containerId = await bed.createContainer(podSandboxId, { image: { image } });
    const { status: container } = await bed.runtime.containerStatus({ containerId });
    expect(container).toMatchObject({ image: { image: IMAGE }, imageId: image });
    expect(container?.imageRef).toContain('@sha256:');
    expect((await bed.runtime.listContainers()).containers).toMatchObject([
      { imageRef: image, imageId: image },
    ]);
  });

  it('goes on when the server ends', async () => {
    const podSandboxId = await bed.runSandbox();
    const containerId = await bed.runScript(podSandboxId, 'sleep 1000');
    await bed.server[Symbol.asyncDispose]();
    expect((await bed.backend.containerStatus(containerId)).state).toBe('running');
  });
});

describe('lists', () => {
  it('have what is asked for, in one answer and as a stream', async () => {
    const first = await bed.runSandbox({ labels: { app: 'a' } });
    const second = await bed.runSandbox({ ...otherPod('uid-2'), labels: { app: 'b' } });
    await bed.runtime.stopPodSandbox({ podSandboxId: second });
    const ids = async (request: { filter?: MessageInitShape<typeof cri.PodSandboxFilterSchema> }) => {
      const listed = (await bed.runtime.listPodSandbox(request)).items.map(({ id }) => id);
      const streamed: string[] = [];
      for await (const { podSandboxes } of bed.runtime.streamPodSandboxes(request))
        streamed.push(...podSandboxes.map(({ id }) => id));
      expect(streamed).toEqual(listed);
      return listed;
    };
    expect(await ids({})).toEqual([second, first]);
    expect(await ids({ filter: { labelSelector: { app: 'a' } } })).toEqual([first]);
    expect(await ids({ filter: { state: { state: PodSandboxState.SANDBOX_NOTREADY } } })).toEqual([second]);
    expect(await ids({ filter: { state: { state: PodSandboxState.SANDBOX_READY } } })).toEqual([first]);
    expect(await ids({ filter: { id: first.slice(0, -1) } })).toEqual([first]);
    expect(await ids({ filter: { id: 'nobody' } })).toEqual([]);
  });

  it('of containers likewise', async () => {
    const podSandboxId = await bed.runSandbox();
    const other = await bed.runSandbox(otherPod('uid-2'));
    const running = await bed.runScript(podSandboxId, 'sleep 1000', { labels: { app: 'a' } });
    const created = await bed.createContainer(podSandboxId, { metadata: { name: 'created', attempt: 0 } });
    const elsewhere = await bed.createContainer(other);
    const ids = async (request: { filter?: MessageInitShape<typeof cri.ContainerFilterSchema> }) => {
      const listed = (await bed.runtime.listContainers(request)).containers.map(({ id }) => id);
      const streamed: string[] = [];
      for await (const { containers } of bed.runtime.streamContainers(request))
        streamed.push(...containers.map(({ id }) => id));
      expect(streamed).toEqual(listed);
      return listed;
    };
    expect(await ids({})).toEqual([elsewhere, created, running]);
    expect(await ids({ filter: { podSandboxId } })).toEqual([created, running]);
    expect(await ids({ filter: { state: { state: ContainerState.CONTAINER_RUNNING } } })).toEqual([running]);
    expect(await ids({ filter: { state: { state: ContainerState.CONTAINER_CREATED } } })).toEqual([
      elsewhere,
      created,
    ]);
    expect(await ids({ filter: { labelSelector: { app: 'a' } } })).toEqual([running]);
    expect(await ids({ filter: { id: created } })).toEqual([created]);
  });
});

describe('ids', () => {
  it('may be cut short', async () => {
    const podSandboxId = await bed.runSandbox();
    const containerId = await bed.runScript(podSandboxId, 'sleep 1000');
    const short = containerId.slice(0, -1);
    expect((await bed.runtime.containerStatus({ containerId: short })).status?.id).toBe(containerId);
    await bed.runtime.execSync({ containerId: short, cmd: ['true'] });
    await bed.runtime.removeContainer({ containerId: short });
    expect((await bed.runtime.listContainers()).containers).toEqual([]);
  });

  it('that several things have in common are refused, and so is none at all', async () => {
    const ids = [await bed.runSandbox(), await bed.runSandbox(otherPod('uid-2'))];
    const [first = '', second = ''] = ids;
    let common = 0;
    while (first[common] === second[common]) common++;
    for (const podSandboxId of [first.slice(0, common), '']) {
      await expect(bed.runtime.removePodSandbox({ podSandboxId })).rejects.toMatchObject({
        code: status.INVALID_ARGUMENT,
      });
    }
    expect((await bed.runtime.listPodSandbox()).items).toHaveLength(2);
  });
});

describe('errors', () => {
  it.each([
    ['PodSandboxStatus', () => bed.runtime.podSandboxStatus({ podSandboxId: 'x' }), status.NOT_FOUND],
    ['ContainerStatus', () => bed.runtime.containerStatus({ containerId: 'x' }), status.NOT_FOUND],
    ['StartContainer', () => bed.runtime.startContainer({ containerId: 'x' }), status.NOT_FOUND],
    ['ExecSync', () => bed.runtime.execSync({ containerId: 'x', cmd: ['a'] }), status.NOT_FOUND],
    ['Exec', () => bed.runtime.exec({ containerId: 'x', cmd: ['a'], stdout: true }), status.NOT_FOUND],
    ['PortForward', () => bed.runtime.portForward({ podSandboxId: 'x' }), status.NOT_FOUND],
    ['CreateContainer', () => bed.createContainer('x'), status.NOT_FOUND],
    [
      'UpdateContainerResources',
      () => bed.runtime.updateContainerResources({ containerId: 'x' }),
      status.NOT_FOUND,
    ],
    [
      'UpdatePodSandboxResources',
      () => bed.runtime.updatePodSandboxResources({ podSandboxId: 'x' }),
      status.NOT_FOUND,
    ],
    ['ReopenContainerLog', () => bed.runtime.reopenContainerLog({ containerId: 'x' }), status.NOT_FOUND],
    [
      'CheckpointContainer',
      () => bed.runtime.checkpointContainer({ containerId: 'x' }),
      status.UNIMPLEMENTED,
    ],
    ['CheckpointPod', () => bed.runtime.checkpointPod({ podSandboxId: 'x' }), status.UNIMPLEMENTED],
    ['RestorePod', () => bed.runtime.restorePod({ checkpointPath: '/x' }), status.UNIMPLEMENTED],
    ['RuntimeConfig', () => bed.runtime.runtimeConfig(), status.UNIMPLEMENTED],
    ['RunPodSandbox', () => bed.runtime.runPodSandbox({}), status.INVALID_ARGUMENT],
    [
      'StopContainer',
      () => bed.runtime.stopContainer({ containerId: 'x', timeout: -1n }),
      status.INVALID_ARGUMENT,
    ],
  ])('%s', async (_method, call, code) => {
    await expect(call()).rejects.toMatchObject({ code });
  });

  it('of a container that does not run', async () => {
    const podSandboxId = await bed.runSandbox();
    const containerId = await bed.createContainer(podSandboxId);
    for (const call of [
      () => bed.runtime.execSync({ containerId, cmd: ['true'] }),
      () => bed.runtime.exec({ containerId, cmd: ['true'], stdout: true }),
      () => bed.runtime.attach({ containerId, stdout: true }),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
    }
  });

  it('of an image that is not there', async () => {
    const podSandboxId = await bed.runSandbox();
    await expect(bed.createContainer(podSandboxId, { image: { image: 'none:1' } })).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
    expect(bed.logged).toContainEqual(expect.stringMatching(/^warn CreateContainer failed: .*none:1/));
  });
});

describe('ExecSync', () => {
  let containerId: string;

  beforeEach(async () => {
    containerId = await bed.runScript(await bed.runSandbox(), 'sleep 1000');
  });

  it('gives the output and the exit code', async () => {
    const cmd = ['sh', '-c', 'echo out; echo err >&2; exit 3'];
    const { stdout, stderr, exitCode } = await bed.runtime.execSync({ containerId, cmd });
    expect([Buffer.from(stdout).toString(), Buffer.from(stderr).toString(), exitCode]).toEqual([
      'out\n',
      'err\n',
      3,
    ]);
  });

  it('ends a command whose time is over', async () => {
    await expect(
      bed.runtime.execSync({ containerId, cmd: ['sleep', '1000'], timeout: 1n }),
    ).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
  });

  it('refuses no command at all', async () => {
    await expect(bed.runtime.execSync({ containerId })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
  });
});

describe('streams', () => {
  let podSandboxId: string;

  beforeEach(async () => {
    podSandboxId = await bed.runSandbox();
  });

  it('of a command', async () => {
    const containerId = await bed.runScript(podSandboxId, 'sleep 1000');
    const cmd = ['sh', '-c', 'cat; echo err >&2; exit 5'];
    const { url } = await bed.runtime.exec({ containerId, cmd, stdin: true, stdout: true, stderr: true });
    const command = await remoteExec(url, { stdin: true });
    command.stdin?.end('hello');
    const { stdout, stderr, exitCode } = command;
    expect([await textOf(stdout), await textOf(stderr), await exitCode]).toEqual(['hello', 'err\n', 5]);
  });

  it('of a terminal', async () => {
    const containerId = await bed.runScript(podSandboxId, 'sleep 1000');
    const { url } = await bed.runtime.exec({
      containerId,
      cmd: ['tty'],
      stdin: true,
      stdout: true,
      tty: true,
    });
    const command = await remoteExec(url, { stdin: true, tty: true });
    expect([await textOf(command.stdout), await command.exitCode]).toEqual(['/dev/pts/0\r\n', 0]);
  });

  it('of a first process', async () => {
    const containerId = await bed.createContainer(podSandboxId, {
      command: ['sh'],
      stdin: true,
      stdinOnce: true,
    });
    await bed.runtime.startContainer({ containerId });
    const { url } = await bed.runtime.attach({ containerId, stdin: true, stdout: true, stderr: true });
    const attached = await remoteExec(url, { stdin: true });
    attached.stdin?.end('echo hello\n');
    attached.stderr?.resume();
    expect(await textOf(attached.stdout)).toBe('hello\n');
    await attached.exitCode;
    expect((await bed.runtime.containerStatus({ containerId })).status?.state).toBe(
      ContainerState.CONTAINER_EXITED,
    );
  });

  it('of a port', async () => {
    await bed.runScript(podSandboxId, 'nc -ll -p 80 -e cat');
    const { url } = await bed.runtime.portForward({ podSandboxId });
    const connection = await remotePortForward(url, 80);
    connection.end('ping');
    expect(await text(connection)).toBe('ping');
  });

  it.each([
    ['a terminal with stderr', { tty: true, stdout: true, stderr: true }],
    ['no stream at all', {}],
  ])('are refused: %s', async (_name, streams) => {
    const containerId = await bed.runScript(podSandboxId, 'sleep 1000');
    await expect(bed.runtime.exec({ containerId, cmd: ['true'], ...streams })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
  });

  it('of a stopped sandbox are refused', async () => {
    await bed.runtime.stopPodSandbox({ podSandboxId });
    await expect(bed.runtime.portForward({ podSandboxId })).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
    });
  });
});

describe('the runtime', () => {
  it('tells its version and what it can do', async () => {
    expect(await bed.runtime.version()).toMatchObject({ runtimeName: 'podwright', runtimeApiVersion: 'v1' });
    const { status: runtime, info, runtimeHandlers, features } = await bed.runtime.status({ verbose: true });
    expect(runtime?.conditions).toMatchObject([
      { type: 'RuntimeReady', status: true },
      { type: 'NetworkReady', status: true },
    ]);
    expect(JSON.parse(info['backend'] ?? '')).toMatchObject({ type: 'memory' });
    expect(runtimeHandlers.map(({ name }) => name)).toEqual(['', ...bed.backend.features.runtimeHandlers]);
    expect(features).toMatchObject({ supplementalGroupsPolicy: true });
    await bed.runtime.updateRuntimeConfig({ runtimeConfig: { networkConfig: { podCidr: '10.0.0.0/24' } } });
    expect(bed.logged).toContainEqual(expect.stringContaining('10.0.0.0/24'));
  });

  it('changes limits', async () => {
    const containerId = await bed.runScript(await bed.runSandbox(), 'sleep 1000');
    await bed.runtime.updateContainerResources({ containerId, linux: { memoryLimitInBytes: 8_000_000n } });
    expect((await bed.runtime.containerStatus({ containerId })).status?.resources?.linux).toMatchObject({
      memoryLimitInBytes: 8_000_000n,
    });
  });
});

describe('repeated calls', () => {
  it('at the same time make one sandbox and one container', async () => {
    const ids = await Promise.all([bed.runSandbox(), bed.runSandbox()]);
    expect(ids[0]).toBe(ids[1]);
    const containers = await Promise.all(ids.map((id) => bed.createContainer(id)));
    expect(containers[0]).toBe(containers[1]);
  });

  const restart = async () => {
    await bed.server[Symbol.asyncDispose]();
    await bed.startServer();
  };

  it('get what may have been made for a call whose answer was lost', async () => {
    const podSandboxId = await bed.runSandbox();
    expect(await bed.runSandbox()).toBe(podSandboxId);
    await restart();
    expect(await bed.runSandbox()).toBe(podSandboxId);
    const containerId = await bed.createContainer(podSandboxId);
    await restart();
    expect(await bed.createContainer(podSandboxId)).toBe(containerId);
  });

  it('of who has the id already are an error', async () => {
    const podSandboxId = await bed.runSandbox();
    const containerId = await bed.runScript(podSandboxId, 'sleep 1000');
    for (const call of [() => bed.runSandbox(), () => bed.runScript(podSandboxId, 'sleep 1000')]) {
      await expect(call()).rejects.toMatchObject({ code: status.ALREADY_EXISTS });
    }
    expect((await bed.runtime.listContainers()).containers).toMatchObject([{ id: containerId }]);
  });

  it('that ask for something else are an error', async () => {
    const podSandboxId = await bed.runSandbox();
    await expect(bed.runSandbox({ labels: { other: 'one' } })).rejects.toMatchObject({
      code: status.ALREADY_EXISTS,
    });
    await bed.createContainer(podSandboxId);
    await expect(bed.createContainer(podSandboxId, { labels: { other: 'one' } })).rejects.toMatchObject({
      code: status.ALREADY_EXISTS,
    });
  });
});

/** A backend that begins sandboxes and does not end with them until it is told to. */
class SlowBackend {
  private readonly gates: (() => void)[] = [];
  readonly begun: AbortSignal[] = [];
  private waiters: (() => void)[] = [];

  wrap(runtime: RuntimeService): RuntimeService {
    const runPodSandbox: RuntimeService['runPodSandbox'] = async (config, options) => {
      const { signal } = options ?? {};
      if (signal) this.begun.push(signal);
      for (const waiter of this.waiters.splice(0)) waiter();
      await new Promise<void>((resolve) => this.gates.push(resolve));
      if (signal?.aborted) throw new PodwrightError('cancelled', 'undone');
      return await runtime.runPodSandbox(config, options);
    };
    return new Proxy(runtime, {
      get: (target, key) => {
        if (key === 'runPodSandbox') return runPodSandbox;
        const value: unknown = Reflect.get(target, key);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  async hasBegun(count: number): Promise<void> {
    while (this.begun.length < count) await new Promise<void>((resolve) => this.waiters.push(resolve));
  }

  goOn(): void {
    for (const gate of this.gates.splice(0)) gate();
  }
}

async function aborted(signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined || signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

describe('a slow backend', () => {
  let slow: SlowBackend;
  let slowBed: CriBed;

  beforeEach(async () => {
    slow = new SlowBackend();
    slowBed = await CriBed.start(backend(), async (container) => {
      const runtime = container.get(RuntimeService);
      (await container.rebind(RuntimeService)).toConstantValue(slow.wrap(runtime));
    });
  });

  afterEach(async () => {
    slow.goOn();
    await slowBed[Symbol.asyncDispose]();
  });

  it('is told of a client whose time is over, and makes the sandbox anew for the next call', async () => {
    // There is a connection, then: a call whose time is over before that never comes to the server.
    await slowBed.runtime.version();
    const late = expect(
      slowBed.runtime.runPodSandbox({ config: sandboxConfig() }, { timeoutMs: 500 }),
    ).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    await slow.hasBegun(1);
    await late;
    // The server learns of it a little later.
    await aborted(slow.begun[0]);
    const again = slowBed.runSandbox();
    slow.goOn();
    await slow.hasBegun(2);
    slow.goOn();
    const podSandboxId = await again;
    expect((await slowBed.runtime.listPodSandbox()).items).toMatchObject([{ id: podSandboxId }]);
  });

  it('has its call cancelled and undone before the server has ended', async () => {
    const call = expect(slowBed.runSandbox()).rejects.toMatchObject({ code: expect.anything() });
    await slow.hasBegun(1);
    const ended = slowBed.server[Symbol.asyncDispose]();
    slow.begun[0]?.addEventListener('abort', () => slow.goOn());
    await ended;
    await call;
    expect(await slowBed.backend.listPodSandboxes()).toEqual([]);
  });

  it('may end a call while the server ends', async () => {
    const call = slowBed.runSandbox();
    await slow.hasBegun(1);
    const ended = slowBed.server[Symbol.asyncDispose]();
    slow.goOn();
    const podSandboxId = await call;
    await ended;
    expect(await slowBed.backend.listPodSandboxes()).toMatchObject([{ id: podSandboxId }]);
  });
});

describe('the end of the server', () => {
  it('ends streams that have no end of their own', async () => {
    const events = bed.runtime.getContainerEvents();
    const seen: unknown[] = [];
    const read = (async () => {
      for await (const event of events) seen.push(event);
    })();
    await bed.runSandbox();
    await bed.server[Symbol.asyncDispose]();
    await read;
  });
});
