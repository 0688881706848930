import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HostLayout } from '@podwright/backend-systemd';
import { ContainerRuntime, RuntimeService } from '@podwright/core';
import type { ContainerModule } from 'inversify';
import { createContainer } from 'podwright';
import { authRegistry, deadRegistry, testImages, testRegistry } from '../../host/images.js';

export interface TestAgentOptions {
  /** Added to what `agentConfig` has. */
  readonly backendOptions?: Readonly<Record<string, unknown>>;
  readonly modules?: readonly ContainerModule[];
}

/** A runtime with directories and an image store of its own. Disposing of it leaves the directories. */
export interface TestAgent extends AsyncDisposable {
  readonly folder: string;
  readonly layout: HostLayout;
  readonly runtime: ContainerRuntime;
  /** What the runtime stands on, for its events. */
  readonly service: RuntimeService;
}

/** On a tmpfs: the root file system of the throw-away host is an overlay, on which no overlay can stand. */
export async function makeAgentFolder(): Promise<string> {
  return await mkdtemp('/run/podwright-e2e-');
}

export function agentLayout(folder: string): HostLayout {
  return new HostLayout(join(folder, 'state'), join(folder, 'run'));
}

/** The configuration of an agent in a folder; plain data, also for agents that are processes of their own. */
export function agentConfig(folder: string, backendOptions: Readonly<Record<string, unknown>> = {}) {
  const { stateDir, runDir } = agentLayout(folder);
  return {
    backend: 'systemd',
    stateDir,
    runDir,
    configDir: join(folder, 'config'),
    backendOptions: {
      insecureRegistries: [testRegistry, authRegistry.address, deadRegistry],
      restartBackoff: { initialMs: 200, maxMs: 400, resetMs: 600_000 },
      imageStore: { root: join(folder, 'images'), runRoot: join(folder, 'images-run') },
      ...backendOptions,
    },
  };
}

/** Makes an agent and starts it. */
export async function startTestAgent(folder: string, options: TestAgentOptions = {}): Promise<TestAgent> {
  const agent = await makeTestAgent(folder, options);
  await agent.runtime.start();
  return agent;
}

/** Makes an agent that is not started yet. */
export async function makeTestAgent(folder: string, options: TestAgentOptions = {}): Promise<TestAgent> {
  const container = await createContainer(agentConfig(folder, options.backendOptions), {
    ...(options.modules === undefined ? {} : { modules: options.modules }),
  });
  const runtime = container.get(ContainerRuntime);
  return {
    folder,
    layout: agentLayout(folder),
    runtime,
    service: container.get(RuntimeService),
    [Symbol.asyncDispose]: () => runtime[Symbol.asyncDispose](),
  };
}

/** Has the image of most tests at hand, so that no test pulls it on the way. */
export async function pullBusybox({ runtime }: TestAgent): Promise<void> {
  await runtime.ensureImage(testImages.busybox, 'IfNotPresent');
}

/** Removes every pod of an agent. */
export async function removeAllPods({ runtime }: TestAgent): Promise<void> {
  const pods = await runtime.getPods({ all: true });
  await Promise.all(pods.map(({ uid }) => runtime.removePod({ uid }, { graceMs: 0 })));
}

/** Removes what is left of agents in a folder; mounts there are those of the image store. */
export async function removeAgentFolder(folder: string): Promise<void> {
  await promisify(execFile)('sh', [
    '-c',
    'umount -R "$1"/run/* 2>/dev/null; umount "$1"/images/* "$1"/images "$1"/state/containers "$1"/state 2>/dev/null; true',
    'sh',
    folder,
  ]);
  await rm(folder, { recursive: true, force: true });
}
