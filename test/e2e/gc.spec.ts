// Leftovers of every kind, planted by hand or by an agent that was killed, and what garbage collection does to them.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GcOptions, GcPolicy } from '@podwright/core';
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest';
import { type Snapshot, takeSnapshot } from '../host/snapshot.mjs';
import { AgentProcess } from './support/agent-process.js';
import { leftBehind } from './support/leftovers.js';
import {
  agentConfig,
  makeAgentFolder,
  pullBusybox,
  removeAgentFolder,
  removeAllPods,
  startTestAgent,
  type TestAgent,
} from './support/test-agent.js';
import { shell, testPod } from './support/test-pods.js';

const NOTHING_ELSE: GcPolicy = { minAgeMs: 3_600_000, maxPerPodContainer: -1, maxContainers: -1 };
const EVERYTHING: GcPolicy = { minAgeMs: 0, maxPerPodContainer: 0, maxContainers: 0 };
const NETWORK = 'gctest';

let folder: string;
let agent: TestAgent | undefined;
let before: Snapshot;

const run = (command: string, ...args: readonly string[]) =>
  execFileSync(command, [...args], { encoding: 'utf8' });
const newId = () => randomBytes(32).toString('hex');

async function newAgent(): Promise<TestAgent> {
  await agent?.[Symbol.asyncDispose]();
  agent = await startTestAgent(folder, { backendOptions: { cniConfDir: join(folder, 'net.d') } });
  return agent;
}

async function collect(policy: GcPolicy, options: GcOptions) {
  const { removed, marked, errors } = await (agent ?? (await newAgent())).runtime.garbageCollect(
    policy,
    options,
  );
  expect(errors).toEqual([]);
  return { removed: [...removed].sort(), marked: [...marked].sort() };
}

beforeEach(async () => {
  folder = await makeAgentFolder();
  // Addresses of this network lie in /var/lib/cni, beside those of other users of CNI.
  mkdirSync(join(folder, 'net.d'));
  const ipam = { type: 'host-local', ranges: [[{ subnet: '10.93.0.0/24' }]] };
  const bridge = { type: 'bridge', bridge: 'gctest0', isGateway: true, ipam };
  const ports = { type: 'portmap', capabilities: { portMappings: true } };
  const config = { cniVersion: '1.0.0', name: NETWORK, plugins: [bridge, ports] };
  writeFileSync(join(folder, 'net.d/10-gc.conflist'), JSON.stringify(config));
  await pullBusybox(await newAgent());
  before = takeSnapshot();
});

afterEach(async () => {
  await removeAllPods(agent ?? (await newAgent()));
  await agent?.[Symbol.asyncDispose]();
  agent = undefined;
  rmSync(`/var/lib/cni/networks/${NETWORK}`, { recursive: true, force: true });
  execFileSync('sh', ['-c', 'ip link delete gctest0 2>/dev/null; true']);
  await removeAgentFolder(folder);
});

/** Leaves one thing of each kind behind, as an agent that lost its records does. @returns what has to stay */
function plant({ layout }: TestAgent): readonly (() => boolean)[] {
  const { stateDir, containersDir, containersRunDir, runtimeRoot, rootfsDir, volumesDir } = layout;
  const [service, half] = [newId(), newId()];
  const foreign = newId();
  const start = (id: string, directory: string, slice: string) =>
    run(
      'systemd-run',
      // Started when the program runs: until then it has yet to enter the directory.
      ...['--quiet', '--property=Type=exec', `--unit=podwright-${id}.service`, `--slice=${slice}`],
      ...[`--working-directory=${directory}`, 'sleep', '100000'],
    );
  mkdirSync(join(containersDir, service), { recursive: true });
  start(service, join(containersDir, service), 'podwright-podgcgone.slice');
  rmSync(join(containersDir, service), { recursive: true });
  start(foreign, '/tmp', 'podwright-podgcother.slice');
  onTestFinished(
    () => void run('systemctl', 'stop', `podwright-${foreign}.service`, 'podwright-podgcother.slice'),
  );
  for (const path of [
    join(containersRunDir, service),
    join(runtimeRoot, service),
    join(rootfsDir, service),
    join(containersDir, `.preparing-${half}`, 'upper'),
    join(containersDir, `.removing-${half}`, 'upper/etc'),
    join(volumesDir, 'gc-gone/data'),
    join(stateDir, 'sandboxes', 'halfmade'),
  ]) {
    mkdirSync(path, { recursive: true });
  }
  const reservation = `/var/lib/cni/networks/${NETWORK}/10.93.0.200`;
  mkdirSync(`/var/lib/cni/networks/${NETWORK}`, { recursive: true });
  writeFileSync(reservation, `${foreign}\r\neth0`);
  return [
    () => run('systemctl', 'is-active', `podwright-${foreign}.service`).trim() === 'active',
    () => existsSync(reservation),
  ];
}

it('finds every kind of leftover, tells it in a dry run, marks it, and removes it after its grace, and nothing of others', async () => {
  const first = await newAgent();
  const pod = testPod('lost', [shell('main', 'sleep 100000')], { hostNetwork: false });
  await first.runtime.runPod(pod);
  const [sandbox] = await first.service.listPodSandboxes();
  const [container] = await first.service.listContainers();
  await first[Symbol.asyncDispose]();
  agent = undefined;
  // Its records are lost while it runs: its unit, its slice, its namespaces, mounts, network and address stay.
  for (const name of ['pods', 'containers', 'sandboxes'])
    rmSync(join(first.layout.stateDir, name), { recursive: true });
  const second = await newAgent();
  const others = plant(second);
  const leases = () => readdirSync(`/var/lib/cni/networks/${NETWORK}`).filter((name) => /^10\./.test(name));
  expect(leases()).toHaveLength(2);

  const dry = await collect(NOTHING_ELSE, { dryRun: true, orphanGraceMs: 0 });
  for (const what of [
    `unit podwright-${container?.id}.service`,
    `network ${NETWORK} (eth0) of sandbox ${sandbox?.id}`,
    `namespaces and files of sandbox ${sandbox?.id}`,
    'namespaces and files of sandbox halfmade',
    'volumes of pod gc-gone',
  ]) {
    expect(dry.removed).toContain(what);
  }
  expect(dry.removed.filter((what) => /^directory .*\.(preparing|removing)-/.test(what))).toHaveLength(2);
  expect(dry.removed.filter((what) => /^slice podwright-pod/.test(what)).length).toBeGreaterThanOrEqual(2);

  const marked = await collect(NOTHING_ELSE, {});
  expect(marked).toEqual({ removed: [], marked: dry.removed });
  expect(leases()).toHaveLength(2);
  const swept = await collect(NOTHING_ELSE, { orphanGraceMs: 0 });
  expect(swept.removed).toEqual(dry.removed);
  expect(await collect(NOTHING_ELSE, { orphanGraceMs: 0 })).toEqual({ removed: [], marked: [] });
  expect(leases()).toEqual(['10.93.0.200']);
  for (const isThere of others) expect(isThere()).toBe(true);
  await second[Symbol.asyncDispose]();
  agent = undefined;
  // What is somebody else's, and the bridge of the host's own network.
  const foreign = /gcother|gctest|sleep|podwright-[0-9a-f]{64}\.service|podwright\.slice/;
  expect(await leftBehind(before, folder, foreign)).toEqual([]);
});

it('a lost pod that was to come back leaves no unit file, link or setting, and those of others stay', async () => {
  const units = '/etc/systemd/system';
  const files = () =>
    [units, `${units}.control`]
      .filter((directory) => existsSync(directory))
      .flatMap((directory) => readdirSync(directory, { encoding: 'utf8', recursive: true }))
      .filter((name) => name.includes('podwright-'));
  const others = files();
  const first = await newAgent();
  const pod = testPod('back', [shell('main', 'sleep 100000')], { restartPolicy: 'Always' });
  await first.runtime.runPod(pod, { persist: true });
  const [container] = await first.service.listContainers();
  await first.service.updateContainerResources(container?.id ?? '', { pidsLimit: 100 });
  const foreign = join(units, `podwright-${newId()}.service`);
  writeFileSync(foreign, '[Service]\nWorkingDirectory=/elsewhere\nExecStart=/bin/true\n');
  onTestFinished(() => rmSync(foreign, { force: true }));
  await first[Symbol.asyncDispose]();
  agent = undefined;
  for (const name of ['pods', 'containers', 'sandboxes'])
    rmSync(join(first.layout.stateDir, name), { recursive: true });
  await newAgent();
  const { removed } = await collect(NOTHING_ELSE, { orphanGraceMs: 0 });
  expect(removed).toContain(`unit file ${join(units, `podwright-${container?.id}.service`)}`);
  expect(removed.filter((what) => /^unit file .*podwright-pod-.*-sandbox\.service$/.test(what))).toHaveLength(
    1,
  );
  expect(existsSync(foreign)).toBe(true);
  rmSync(foreign);
  expect(files()).toEqual(others);
});

it.each(['rm', 'gc'] as const)(
  'a pod whose sandbox has a broken record is removed whole by %s',
  async (how) => {
    const first = await newAgent();
    const ports = [{ containerPort: 80, hostPort: 18_093 }];
    const pod = () => testPod('broken', [shell('main', 'sleep 100000', { ports })], { hostNetwork: false });
    const { uid } = await first.runtime.runPod(pod());
    const [sandbox] = await first.service.listPodSandboxes();
    const [container] = await first.service.listContainers();
    await first[Symbol.asyncDispose]();
    agent = undefined;
    writeFileSync(join(first.layout.sandboxesDir, sandbox?.id ?? '', 'sandbox.json'), '');
    const second = await newAgent();
    const broken = `sandbox ${sandbox?.id}, whose record cannot be read`;
    // Its container runs.
    expect(await collect(NOTHING_ELSE, { orphanGraceMs: 0 })).toEqual({ removed: [], marked: [] });
    if (how === 'rm') await second.runtime.removePod({ uid });
    else {
      await second.service.removeContainer(container?.id ?? '');
      expect((await collect(NOTHING_ELSE, {})).marked).toContain(broken);
      expect((await collect(NOTHING_ELSE, { orphanGraceMs: 0 })).removed).toContain(broken);
      await second.runtime.removePod({ uid });
    }
    const { removed, marked } = await collect(NOTHING_ELSE, { orphanGraceMs: 0 });
    // An image keeps its mark until garbage is collected.
    expect([removed.filter((what) => !what.startsWith('mark of use of image')), marked]).toEqual([[], []]);
    await second[Symbol.asyncDispose]();
    agent = undefined;
    expect(await leftBehind(before, folder, /gctest/)).toEqual([]);
  },
);

it('of several failing removals each is told, and the rest goes', async () => {
  const { layout, runtime } = await newAgent();
  const [stuck, free] = [newId(), newId()];
  const busy = join(layout.rootfsDir, stuck);
  for (const path of [busy, join(layout.containersRunDir, free)]) mkdirSync(path, { recursive: true });
  // Not empty: it may be somebody's root file system.
  writeFileSync(join(busy, 'file'), '');
  const { removed, errors } = await runtime.garbageCollect(NOTHING_ELSE, { orphanGraceMs: 0 });
  expect(removed).toEqual([`directory ${join(layout.containersRunDir, free)}`]);
  expect(errors.map(({ message }) => message)).toEqual([
    expect.stringContaining(`${busy} could not be removed: ENOTEMPTY`),
  ]);
  rmSync(busy, { recursive: true });
});

it.each([5, 40, 120, 300])(
  'an agent killed %s ms after it began to remove pods leaves nothing that the next one does not collect',
  async (delayMs) => {
    await agent?.[Symbol.asyncDispose]();
    agent = undefined;
    const volumes = [{ name: 'data', emptyDir: {} }];
    const volumeMounts = [{ name: 'data', mountPath: '/data' }];
    const pods = [1, 2, 3].map((number) =>
      testPod(`pod${number}`, [shell('main', 'sleep 100000', { volumeMounts })], {
        volumes,
        hostNetwork: false,
      }),
    );
    const config = agentConfig(folder, { cniConfDir: join(folder, 'net.d') });
    const killed = AgentProcess.start({ config, pods, removeAll: true });
    onTestFinished(() => killed.kill());
    await killed.until(({ type }) => type === 'removing');
    // Any moment is a good one: the removal takes about half a second.
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    await killed.kill();
    const next = await newAgent();
    for (const { uid } of await next.runtime.getPods({ all: true }))
      await next.runtime.killPod({ uid }, { graceMs: 0 });
    await collect(EVERYTHING, { allSourcesReady: true, orphanGraceMs: 0 });
    expect(await next.runtime.getPods({ all: true })).toEqual([]);
    await next[Symbol.asyncDispose]();
    agent = undefined;
    expect(await leftBehind(before, folder, /gctest/)).toEqual([]);
  },
);
