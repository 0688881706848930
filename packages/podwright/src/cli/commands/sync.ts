import {
  type ContainerRuntime,
  type Pod,
  type PodActionResult,
  type PodStatus,
  PodwrightError,
} from '@podwright/core';
import type { Command } from 'commander';
import { concatMap, filter, firstValueFrom, from, fromEvent, merge, of, takeUntil } from 'rxjs';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { defineCommand, type FormatFlags, formatOption } from '../define-command.js';
import { ExitCode } from '../exit-codes.js';
import { agentWarning } from '../needs-agent.js';
import { note, print, printData } from '../output.js';
import { objectsFor, readManifestFile } from '../parse/manifest-file.js';
import { forEach } from './for-each.js';

const HELP = `
MANIFEST holds Pods, and the ConfigMaps and Secrets that they name; - reads it from standard input. What runs as it says is
left alone. A pod without a uid is the one of its name. It ends with 1 when an action failed.
  podwright sync pod.yaml`;

interface SyncFlags extends FormatFlags {
  readonly persist?: boolean;
}

export function registerSync(program: Command, cli: Cli): void {
  const command = defineCommand(program, 'sync <manifest>', 'make pods be as their manifest says')
    .option('--persist', 'pods come back after a reboot of the host, before any agent runs')
    .addOption(formatOption())
    .addHelpText('after', HELP);
  command.action((path: string, flags: SyncFlags) =>
    cli.run(command, (context) => sync(context, path, flags)),
  );
}

async function sync(context: CliContext, path: string, { output, persist }: SyncFlags): Promise<number> {
  const { pods, objects, documents } = await readManifestFile(context, path);
  if (pods.length === 0) throw new PodwrightError('invalid-manifest', `${path} has no Pod in it.`);
  const given = new Set(documents.flatMap(uidsIn));
  const runtime = await context.openRuntime('exclusive');
  const results: unknown[] = [];
  let failed = false;
  const exitCode = await forEach(context, pods, async (manifest) => {
    const pod = given.has(manifest.metadata.uid) ? manifest : await withKnownUid(runtime, manifest);
    const own = objectsFor(pod.metadata.namespace, objects);
    const result = await runtime.syncPod(pod, {
      ...{ objects: own, signal: context.signal },
      ...(persist === true ? { persist } : {}),
    });
    results.push({ ...result, actions: result.actions.map(toData) });
    if (output === undefined) await printActions(context, pod, result.actions);
    const warning = agentWarning(pod, runtime.features.supervisedRestart);
    if (warning !== undefined) await note(context, warning);
    if (result.actions.some(({ error }) => error !== undefined)) failed = true;
    else if (!(await isInitialized(context, runtime, pod))) failed = true;
  });
  if (output !== undefined) await printData(context, output, results);
  if (!runtime.features.kernel) {
    await note(context, `the backend ${runtime.type} only simulates: the pod ends with this command.`);
  }
  return exitCode || (failed ? ExitCode.failure : ExitCode.ok);
}

/** The uids that a document gives; those of the other pods are made when it is read. */
function uidsIn(document: unknown): readonly string[] {
  if (!isObject(document)) return [];
  const { metadata, items } = document;
  const uid = isObject(metadata) ? metadata['uid'] : undefined;
  const inItems = Array.isArray(items) ? items.flatMap(uidsIn) : [];
  return typeof uid === 'string' ? [uid, ...inItems] : inItems;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

async function withKnownUid(runtime: ContainerRuntime, pod: Pod): Promise<Pod> {
  const { namespace, name } = pod.metadata;
  const known = (await runtime.getPods({ all: true, namespace })).find((each) => each.name === name);
  return known ? { ...pod, metadata: { ...pod.metadata, uid: known.uid } } : pod;
}

async function printActions(
  context: CliContext,
  { metadata }: Pod,
  actions: readonly PodActionResult[],
): Promise<void> {
  const pod = `${metadata.namespace}/${metadata.name}`;
  if (actions.length === 0) await print(context, `${pod} unchanged`);
  for (const { action, container, message, error } of actions) {
    const what = container === undefined ? action : `${action} ${container}`;
    await print(context, `${pod} ${what}: ${error ? `failed: ${error.message}` : message}`);
  }
}

function toData({ error, ...action }: PodActionResult) {
  return { ...action, ...(error ? { error: error.message } : {}) };
}

/** Waits for the init containers, which nobody would start one after the other when this command has ended. */
async function isInitialized(context: CliContext, runtime: ContainerRuntime, pod: Pod): Promise<boolean> {
  const { uid } = pod.metadata;
  const looks = merge(of(undefined), runtime.events.pipe(filter(({ object }) => object.uid === uid))).pipe(
    takeUntil(fromEvent(context.signal, 'abort')),
    concatMap(() => from(runtime.getPodStatus({ uid }))),
  );
  const status = await firstValueFrom(looks.pipe(filter(({ phase }) => phase !== 'Pending')));
  if (hasBegun(status)) return true;
  await note(
    context,
    `${pod.metadata.namespace}/${pod.metadata.name} has failed before its containers started.`,
  );
  return false;
}

function hasBegun({ phase, containers }: PodStatus): boolean {
  return phase !== 'Failed' || containers.some(({ kind, attempts }) => kind === 'app' && attempts.length > 0);
}
