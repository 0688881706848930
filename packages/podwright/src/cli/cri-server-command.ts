import { ImageService, Logger, messageOf, PodStore, PodwrightError, RuntimeService } from '@podwright/core';
import { type Command, Option } from 'commander';
import type { Container } from 'inversify';
import type { ResolvedRuntimeConfig } from '../runtime-config.js';
import type { Cli } from './cli.js';
import type { CliContext } from './cli-context.js';
import { clientVersion } from './commands/version.js';
import { handedSocket, parseIp, parseListen, parsePort } from './cri-server-addresses.js';
import { defineCommand } from './define-command.js';
import type { GlobalFlags } from './global-flags.js';

const DEFAULT_SOCKET = '/run/podwright/cri.sock';
const KEEP_NETWORK_MS = 600_000;

interface CriServerFlags extends GlobalFlags {
  /** A path. */
  readonly listen: string;
  readonly streamingAddress: string;
  readonly streamingPort: number;
  readonly cgroupDriver?: 'systemd' | 'cgroupfs';
  /** Also without the flag. */
  readonly defaultNetwork: boolean;
}

const HELP = `
Serves the Container Runtime Interface of Kubernetes, version v1, with the backend of the configuration:
  podwright cri-server &
  crictl --runtime-endpoint unix:///run/podwright/cri.sock info
  kubelet --container-runtime-endpoint unix:///run/podwright/cri.sock ...
Only root can use the socket. A socket that systemd hands over (socket activation) is taken in its place, and systemd is told
when clients are served (Type=notify). SIGTERM ends the server and leaves the pods running; the next one knows them all.
Failed calls are told on standard error. While the server runs no agent can use the same state directory: the kubelet would
take the agent's pods for leftovers.`;

export function registerCriServer(program: Command, cli: Cli): void {
  const command = defineCommand(
    program,
    'cri-server',
    'let a kubelet or crictl run pods here, until interrupted',
  )
    .addOption(
      new Option('--listen <socket>', 'the unix socket to serve')
        .argParser(parseListen)
        .default(DEFAULT_SOCKET, `unix://${DEFAULT_SOCKET}`),
    )
    .addOption(
      new Option('--streaming-address <ip>', 'where exec, attach and port-forward are served')
        .argParser(parseIp)
        .default('127.0.0.1'),
    )
    .addOption(
      new Option('--streaming-port <port>', 'its port; 0: any free one').argParser(parsePort).default(0),
    )
    .addOption(
      new Option(
        '--cgroup-driver <driver>',
        'what kubelets are told (default: systemd with the backend systemd, else nothing)',
      ).choices(['systemd', 'cgroupfs']),
    )
    .option(
      '--no-default-network',
      'not ready for pods with a network until one is configured, as on a node of a cluster',
    )
    .addHelpText('after', HELP);
  command.action(() => {
    const flags = command.optsWithGlobals<CriServerFlags>();
    return cli.run(command, (context) => serve(context, flags));
  });
}

async function serve(context: CliContext, flags: CriServerFlags): Promise<void> {
  const { listen, streamingAddress, streamingPort, cgroupDriver, lockTimeout = 10 } = flags;
  const socketFd = handedSocket(context.env, process.pid);
  const config = withNetwork(context.config, flags);
  // Loaded for this command only: it is large.
  const { CriServer, criServerModule } = await import('@podwright/cri-server');
  const container = await context.createContainer(config, {
    access: 'exclusive',
    lockTimeoutMs: lockTimeout * 1000,
  });
  if (!context.config.debug) (await container.rebind(Logger)).toConstantValue(logTo(context));
  await container.loadAsync(
    criServerModule({
      socketPath: listen,
      ...(socketFd === undefined ? {} : { socketFd }),
      version: clientVersion(),
      ...(cgroupDriver === undefined ? {} : { cgroupDriver }),
      streaming: { host: streamingAddress, port: streamingPort },
    }),
  );
  // Its lock: nobody else changes what is in the state directory.
  const store = container.get(PodStore);
  await store.open();
  try {
    const runtime = container.get(RuntimeService);
    try {
      await runtime.start();
      await using server = container.get(CriServer);
      await server.start();
      await notifyReady(context, container);
      await interrupted(context.signal);
      container.get(Logger).info('The server ends; pods run on');
    } finally {
      await container.get(ImageService)[Symbol.asyncDispose]?.();
      await runtime[Symbol.asyncDispose]();
    }
  } finally {
    await store.close();
  }
}

/**
 * Pods come and go one by one under a kubelet: what they share need not be made anew for each.
 * @throws PodwrightError kind `invalid-argument`
 */
function withNetwork(
  config: ResolvedRuntimeConfig,
  { defaultNetwork }: CriServerFlags,
): ResolvedRuntimeConfig {
  const { backend, backendOptions } = config;
  if (backend === 'systemd') {
    const off = defaultNetwork ? {} : { defaultNetwork };
    return { ...config, backendOptions: { keepNetworkMs: KEEP_NETWORK_MS, ...backendOptions, ...off } };
  }
  if (defaultNetwork) return config;
  throw new PodwrightError(
    'invalid-argument',
    `--no-default-network is for the backend systemd: the backend ${backend} leaves networks to its runtime. Leave it out.`,
  );
}

/** Tells systemd, where it waits for that (sd_notify(3)): Node itself has no datagrams of unix sockets. */
async function notifyReady({ env }: CliContext, container: Container): Promise<void> {
  const socket = env['NOTIFY_SOCKET'];
  if (socket === undefined) return;
  const { HostExecutor } = await import('@podwright/nsenter');
  if (!container.isBound(HostExecutor)) return;
  try {
    await container.get(HostExecutor).run({
      command: 'systemd-notify',
      args: ['--ready', `--pid=${process.pid}`],
      env: { NOTIFY_SOCKET: socket },
      timeoutMs: 10_000,
    });
  } catch (error) {
    container.get(Logger).warn(`systemd was not told that the server is ready: ${messageOf(error)}`);
  }
}

function interrupted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** To standard error, a line each; the journal adds the time. */
function logTo({ stderr }: CliContext): Logger {
  const at = (level: string) => (message: string, fields?: Readonly<Record<string, unknown>>) => {
    stderr.write(`${level} ${message}${fields === undefined ? '' : ` ${JSON.stringify(fields)}`}\n`);
  };
  return { debug: () => undefined, info: at('info'), warn: at('warn'), error: at('error') };
}
