import { createServer, type Server, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { type ContainerRuntime, messageOf, type PodRef, PodwrightError } from '@podwright/core';
import { type Command, InvalidArgumentError } from 'commander';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { defineCommand, type NamespaceFlags, namespaceOption } from '../define-command.js';
import { note, print } from '../output.js';
import { parsePodRef } from '../parse/pod-ref.js';
import { type PortPair, parsePortPair } from '../parse/port-pair.js';

interface PortForwardFlags extends NamespaceFlags {
  readonly address: string;
}

const HELP = `
  podwright port-forward web 8080:80        port 8080 here for port 80 in the pod
  podwright port-forward web 80 :443        the same port; a free one`;

export function registerPortForward(program: Command, cli: Cli): void {
  const command = defineCommand(
    program,
    'port-forward <pod> <ports...>',
    'reach TCP ports of a pod here, until interrupted',
  )
    .option('--address <address>', 'where to listen', '127.0.0.1')
    .addOption(namespaceOption())
    .addHelpText('after', HELP);
  command.action((pod: string, ports: readonly string[], flags: PortForwardFlags) =>
    cli.run(command, (context) => portForward(context, pod, ports, flags)),
  );
}

export async function portForward(
  context: CliContext,
  pod: string,
  ports: readonly string[],
  flags: PortForwardFlags,
): Promise<void> {
  const pairs = ports.map(pairOf);
  const runtime = await context.openRuntime('observe');
  const { uid, namespace, name, sandboxReady } = await runtime.getPodStatus(
    parsePodRef(pod, flags.namespace),
    {
      signal: context.signal,
    },
  );
  if (!sandboxReady) {
    throw new PodwrightError(
      'failed-precondition',
      `The pod ${namespace}/${name} does not run: no port of it can be reached.`,
    );
  }
  const forwarder = new Forwarder(context, runtime, { uid });
  try {
    for (const pair of pairs) await forwarder.listen(flags.address, pair);
    await untilAborted(context.signal);
  } finally {
    await forwarder.close();
  }
}

function pairOf(text: string): PortPair {
  try {
    return parsePortPair(text);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new PodwrightError('invalid-argument', error.message);
  }
}

/** Listens here, and connects each connection to the pod. */
class Forwarder {
  private readonly servers: Server[] = [];
  private readonly sockets = new Set<Socket>();

  constructor(
    private readonly context: CliContext,
    private readonly runtime: ContainerRuntime,
    private readonly pod: PodRef,
  ) {}

  async listen(address: string, { local, remote }: PortPair): Promise<void> {
    // Half-open: a client that has sent all may still wait for the answer.
    const server = createServer({ allowHalfOpen: true }, (socket) => void this.serve(socket, remote));
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(address, local, error)));
      server.listen(local, address, resolve);
    });
    this.servers.push(server);
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : local;
    const host = address.includes(':') ? `[${address}]` : address;
    await print(this.context, `Forwarding from ${host}:${port} to port ${remote}`);
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await Promise.all(
      this.servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
    );
  }

  private async serve(socket: Socket, remote: number): Promise<void> {
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
    // A client that goes away ends its own connection only.
    socket.on('error', () => socket.destroy());
    try {
      const { signal } = this.context;
      const connection = await this.runtime.portForward(this.pod, remote, { signal });
      await Promise.all([pipeline(socket, connection), pipeline(connection, socket)]);
    } catch (error) {
      const isGone = socket.destroyed && !PodwrightError.is(error);
      socket.destroy();
      if (!this.context.signal.aborted && !isGone) {
        await note(this.context, `a connection to port ${remote} failed: ${messageOf(error)}`);
      }
    }
  }
}

function cannotListen(address: string, port: number, error: NodeJS.ErrnoException): PodwrightError {
  const where = `${address}:${port}`;
  if (error.code === 'EADDRINUSE') {
    return new PodwrightError(
      'port-in-use',
      `${where} is taken on this machine: choose another port, or :PORT for a free one.`,
      { cause: error },
    );
  }
  return new PodwrightError(
    error.code === 'EACCES' ? 'permission-denied' : 'invalid-argument',
    `This machine cannot listen on ${where}: ${error.message}.`,
    { cause: error },
  );
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
