import { once } from 'node:events';
import { chmod } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import type { Writable } from 'node:stream';
import type { ExecSession, PullEvent, RuntimeEvent, TerminalSize } from '@podwright/core';
import type { Observable } from 'rxjs';
import { Channel, type Message, toWire } from './channel.js';
import { deliver, pump } from './pipes.js';
import type { FarServices } from './remote-host.js';

/** What may be called, besides what answers with streams. */
const ASYNC_METHODS: Readonly<Record<string, readonly string[]>> = {
  runtime: [
    ...['version', 'status', 'runPodSandbox', 'stopPodSandbox', 'removePodSandbox', 'podSandboxStatus'],
    ...['listPodSandboxes', 'createContainer', 'startContainer', 'stopContainer', 'removeContainer'],
    ...['listContainers', 'containerStatus', 'execSync', 'updateContainerResources', 'reopenContainerLog'],
    ...['updatePodSandboxResources', 'listContainerStats', 'listPodSandboxStats'],
  ],
  images: ['imageStatus', 'listImages', 'removeImage', 'loadImage', 'imageFsInfo'],
  volumes: ['setUp', 'update', 'usage', 'tearDown'],
};

type Call = Message & { readonly type: 'call' };

/**
 * Serves the services of another backend to agents with the backend `remote`. The services have to be started.
 * @param path of the Unix socket to listen at; only this user may connect
 * @returns what stops it: calls that go on are broken off, pods run on
 */
export async function serveBackend(services: FarServices, path: string): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    void serve(services, new Channel(socket));
  });
  server.listen(path);
  await once(server, 'listening');
  await chmod(path, 0o600);
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** One connection, one call. */
async function serve(services: FarServices, channel: Channel): Promise<void> {
  const { value: call } = await channel.messages.next();
  if (call?.type !== 'call') return channel.close();
  const caller = new Caller(channel);
  try {
    await answer(services, call, caller);
  } catch (error) {
    // When the caller is gone there is nobody to tell it.
    await channel.send({ type: 'error', error: toWire(error) }).catch(() => undefined);
  }
  channel.end();
}

/** Whoever made a call, and what else it says. */
class Caller {
  /** Where what it sends goes. */
  sinks: { readonly 0?: Writable } = {};
  /** The command that it runs, or the container that it is attached to. */
  session: Pick<ExecSession, 'resize' | 'kill'> | undefined;
  readonly #abort = new AbortController();
  readonly #gone = new AbortController();

  constructor(readonly channel: Channel) {
    void this.#listen();
  }

  /** Fires when the caller cancels. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  result(value: unknown): Promise<void> {
    return this.channel.send({ type: 'result', value });
  }

  whenGone(action: () => void): void {
    if (this.#gone.signal.aborted) action();
    else this.#gone.signal.addEventListener('abort', action);
  }

  async #listen(): Promise<void> {
    for await (const message of this.channel.messages) {
      if (message.type === 'abort') this.#abort.abort();
      else if (message.type === 'resize') await this.#resize(message.size);
      else if (message.type === 'kill') await this.#tell(this.session?.kill());
      else await deliver(message, this.sinks);
    }
    this.#gone.abort();
  }

  async #resize(size: TerminalSize): Promise<void> {
    const failure = await this.session?.resize(size).then(
      () => undefined,
      (error: unknown) => ({ error: toWire(error) }),
    );
    await this.channel.send({ type: 'resized', ...failure }).catch(() => undefined);
  }

  /** When a command could not be told something, whoever reads its output hears of it. */
  async #tell(telling: Promise<void> | undefined): Promise<void> {
    await telling?.catch((error: unknown) =>
      this.channel.send({ type: 'broken', pipe: 1, error: toWire(error) }),
    );
  }
}

async function answer(services: FarServices, call: Call, caller: Caller): Promise<void> {
  const { runtime, images } = services;
  const { channel } = caller;
  const args = call.args.map((arg, index) =>
    index === call.signalAt ? { ...(arg as object), signal: caller.signal } : arg,
  );
  switch (`${call.service}.${call.method}`) {
    case 'runtime.features':
      return caller.result(runtime.features);
    case 'runtime.removeOrphans': {
      const report = await runtime.removeOrphans(...(args as Parameters<typeof runtime.removeOrphans>));
      return caller.result({ ...report, errors: report.errors.map(toWire) });
    }
    case 'runtime.events':
      return sendAll(runtime.events, caller);
    case 'images.pullImage':
      return sendAll(images.pullImage(...(args as Parameters<typeof images.pullImage>)), caller);
    case 'runtime.containerLogs': {
      const [id, options] = args as Parameters<typeof runtime.containerLogs>;
      // The caller's going away ends it as well, whether or not it brought a signal.
      const gone = new AbortController();
      caller.whenGone(() => gone.abort());
      const signal = AbortSignal.any([caller.signal, gone.signal]);
      await caller.result(undefined);
      for await (const value of runtime.containerLogs(id, { ...options, signal })) {
        await channel.send({ type: 'item', value });
      }
      return channel.send({ type: 'end' });
    }
    case 'runtime.exec': {
      const session = await runtime.exec(...(args as Parameters<typeof runtime.exec>));
      caller.whenGone(() => void session.kill());
      caller.session = session;
      if (session.stdin) caller.sinks = { 0: session.stdin };
      await caller.result({ stdin: session.stdin !== undefined, stderr: session.stderr !== undefined });
      await Promise.all([pump(session.stdout, channel, 1), pump(session.stderr, channel, 2)]);
      return channel.send({ type: 'exit', code: await session.exitCode });
    }
    case 'runtime.attach': {
      const session = await runtime.attach(...(args as Parameters<typeof runtime.attach>));
      caller.whenGone(() => void session.detach());
      caller.session = { resize: (size) => session.resize(size), kill: () => session.detach() };
      if (session.stdin) caller.sinks = { 0: session.stdin };
      await caller.result({ stdin: session.stdin !== undefined, stderr: session.stderr !== undefined });
      await Promise.all([pump(session.stdout, channel, 1), pump(session.stderr, channel, 2)]);
      const end = await session.ended;
      return channel.send(end.type === 'exited' ? { type: 'exit', code: end.exitCode } : { type: 'exit' });
    }
    case 'runtime.portForward': {
      const connection = await runtime.portForward(...(args as Parameters<typeof runtime.portForward>));
      caller.whenGone(() => connection.destroy());
      caller.sinks = { 0: connection };
      await caller.result(undefined);
      return pump(connection, channel, 1);
    }
    default: {
      if (!ASYNC_METHODS[call.service]?.includes(call.method)) {
        throw new Error(
          `There is no ${call.service}.${call.method} here: is the other side of another version?`,
        );
      }
      const service = services[call.service as keyof FarServices];
      const method: unknown = Reflect.get(service, call.method);
      if (typeof method !== 'function') throw new Error(`The far side has no ${call.method}.`);
      return caller.result(await Reflect.apply(method, service, args));
    }
  }
}

/** Sends what an Observable tells until it ends or the caller is gone. */
async function sendAll(source: Observable<PullEvent | RuntimeEvent>, caller: Caller): Promise<void> {
  let sent = caller.result(undefined);
  await new Promise<void>((resolve, reject) => {
    const subscription = source.subscribe({
      next: (value) => {
        sent = sent.then(() => caller.channel.send({ type: 'item', value }));
        // A failure means that the caller is gone, and ends it.
        sent.catch(() => undefined);
      },
      error: reject,
      complete: resolve,
    });
    caller.whenGone(() => {
      subscription.unsubscribe();
      resolve();
    });
  });
  await sent;
  await caller.channel.send({ type: 'end' });
}
