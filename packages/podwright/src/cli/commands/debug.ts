import { randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';
import {
  type ContainerRef,
  type ContainerRuntime,
  type EphemeralContainer,
  PodwrightError,
} from '@podwright/core';
import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { defineCommand, type NamespaceFlags, namespaceOption } from '../define-command.js';
import { ExitCode } from '../exit-codes.js';
import { note, print, write } from '../output.js';
import { collectKeyValue } from '../parse/key-value.js';
import { parseContainerRef, parsePodRef } from '../parse/pod-ref.js';
import {
  checkDetachKeys,
  checkTerminal,
  connectSession,
  detachKeysFlag,
} from '../terminal/connect-session.js';
import { openSession, stayAttached } from './attach.js';

interface DebugFlags extends NamespaceFlags {
  readonly image: string;
  readonly container?: string;
  readonly target?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: boolean;
  readonly tty?: boolean;
  readonly detachKeys?: string;
}

const HELP = `
Flags come before the pod's name; all after it is the command. The container shares the pod's network, and with
--target the processes of one of its containers; it is never restarted, and removed with the pod:
  podwright debug --image docker.io/library/busybox -it --target server web -- sh`;

export function registerDebug(program: Command, cli: Cli): void {
  const command = defineCommand(program, 'debug <pod> [command...]', 'add a container to a running pod')
    .passThroughOptions()
    .requiredOption('--image <image>', 'what it is made of')
    .option('-c, --container <name>', 'its name (default: debug- and five characters)')
    .option('--target <name>', 'container of the pod whose processes it sees')
    .option('-e, --env <key=value>', 'an environment variable; may be given again', collectKeyValue)
    .option('-i, --stdin', 'attach to it, with standard input')
    .option('-t, --tty', 'give it a terminal')
    .option(...detachKeysFlag())
    .addOption(namespaceOption())
    .addHelpText('after', HELP);
  command.action((pod: string, words: readonly string[], flags: DebugFlags) =>
    cli.run(command, (context) => debug(context, pod, words, flags)),
  );
}

export async function debug(
  context: CliContext,
  pod: string,
  words: readonly string[],
  flags: DebugFlags,
): Promise<number> {
  const { stdin = false, tty = false, detachKeys } = flags;
  checkTerminal(context, { stdin, tty });
  checkDetachKeys(detachKeys, { typed: stdin && tty, needs: 'needs -i and -t' });
  const container = containerOf(words, flags);
  const runtime = await context.openRuntime('exclusive');
  const { signal } = context;
  await runtime.runEphemeralContainer(parsePodRef(pod, flags.namespace), container, { signal });
  if (!stdin) {
    await print(context, container.name);
    return ExitCode.ok;
  }
  const ref = parseContainerRef(pod, { ...flags, container: container.name });
  if (!tty) return await talk(context, runtime, ref);
  await note(context, `container ${container.name}; what it wrote before this moment is in its log.`);
  return await stayAttached(context, await openSession(context, runtime, ref, true), detachKeys);
}

/** Without a terminal: its output is that of its log, so that what it wrote before anybody was attached is there too. */
async function talk(context: CliContext, runtime: ContainerRuntime, ref: ContainerRef): Promise<number> {
  const { signal } = context;
  const session = await openSession(context, runtime, ref, true).catch((error: unknown) => {
    // It has ended already.
    if (PodwrightError.is(error, 'failed-precondition')) return undefined;
    throw error;
  });
  session?.stdout.resume();
  session?.stderr?.resume();
  const outputs = { stdout: new PassThrough(), stderr: new PassThrough() };
  const follow = async () => {
    for await (const { stream, line, partial } of runtime.getContainerLogs(ref, { signal, follow: true })) {
      await write(outputs[stream], Buffer.concat([line, Buffer.from(partial ? '' : '\n')]), signal);
    }
    for (const output of Object.values(outputs)) output.end();
    const { containers } = await runtime.getPodStatus(ref, { signal });
    const ended = containers.find(({ name }) => name === ref.container);
    return ended?.attempts.at(-1)?.exitCode ?? ExitCode.failure;
  };
  const exitCode = await connectSession(
    context,
    { ...outputs, ...(session?.stdin && { stdin: session.stdin }), resize: async () => undefined },
    {
      tty: false,
      ended: follow().catch((error: unknown) => {
        for (const output of Object.values(outputs)) output.end();
        throw error;
      }),
      leave: async () => undefined,
    },
  );
  await session?.detach();
  return exitCode;
}

function containerOf(words: readonly string[], flags: DebugFlags): EphemeralContainer {
  const command = words[0] === '--' ? words.slice(1) : words;
  const { image, container, target, env, stdin, tty } = flags;
  return {
    name: container ?? `debug-${randomBytes(4).toString('hex').slice(0, 5)}`,
    image,
    ...(command.length === 0 ? {} : { command }),
    ...(env ? { env: Object.entries(env).map(([name, value]) => ({ name, value })) } : {}),
    ...(stdin ? { stdin } : {}),
    ...(tty ? { tty } : {}),
    ...(target === undefined ? {} : { targetContainerName: target }),
  };
}
