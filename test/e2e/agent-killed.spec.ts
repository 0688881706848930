import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogEntry, PodSummary } from '@podwright/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Snapshot, takeSnapshot } from '../host/snapshot.mjs';
import { slowness } from '../slowness.js';
import { type AgentMessage, AgentProcess } from './support/agent-process.js';
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
import { containerOf, logLines, podStatusWhen, shell, testPod } from './support/test-pods.js';

let folder: string;
let signals: string;
let agent: TestAgent | undefined;
let before: Snapshot;

beforeEach(async () => {
  folder = await makeAgentFolder();
  signals = join(folder, 'signals');
  await mkdir(signals);
  await using first = await startTestAgent(folder);
  await pullBusybox(first);
  before = takeSnapshot();
});

afterEach(async () => {
  agent ??= await startTestAgent(folder);
  await removeAllPods(agent);
  await agent[Symbol.asyncDispose]();
  agent = undefined;
  await removeAgentFolder(folder);
});

/** Waits in a container for a file of the test. */
const until = (file: string) => `while [ ! -e /signals/${file} ]; do sleep 0.02; done`;

function pods() {
  const shared = {
    volumes: [{ name: 'signals', hostPath: { path: signals } }],
  };
  const volumeMounts = [{ name: 'signals', mountPath: '/signals' }];
  const ending = (name: string, script: string, rest = {}) =>
    shell(name, `echo ${name} runs; ${until('go')}; ${script}`, { volumeMounts, ...rest });
  return [
    testPod('ticking', [
      shell('clock', 'i=0; while :; do i=$((i + 1)); echo "tick $i"; sleep 0.02; done'),
      shell('quiet', 'sleep 100000'),
    ]),
    testPod(
      'ending',
      [
        ending('zero', 'exit 0'),
        ending('seven', 'echo seven fails >&2; exit 7'),
        // Doubles a text until the memory is used up.
        ending('eater', 'x=0123456789; while :; do x=$x$x; done', {
          resources: { limits: { memory: '24Mi' } },
        }),
        shell('steady', 'sleep 100000'),
      ],
      shared,
    ),
    testPod(
      'restarting',
      [
        shell(
          'again',
          // By a mark of its own: the other file may be there before the first run looks.
          `if [ -e /signals/again ]; then echo run two; sleep 100000; fi; touch /signals/again; echo run one; ${until('go')}; exit 3`,
          {
            volumeMounts,
          },
        ),
      ],
      { ...shared, restartPolicy: 'OnFailure' },
    ),
  ];
}

const isLog = (message: AgentMessage) => message.type === 'log';

function isRunning(message: AgentMessage): message is AgentMessage & { type: 'running' } {
  return message.type === 'running';
}

/** What has to be the same for every agent. */
function facts(summaries: readonly PodSummary[], isStable: (container: string) => boolean = () => true) {
  return summaries
    .map(({ uid, name, createdAtMs, labels, ips, containers }) => ({
      ...{ uid, name, createdAtMs, labels, ips },
      containers: containers
        .filter((container) => isStable(container.name))
        .map(({ name, id, imageId, createdAtMs, restartCount, state, attempts }) => ({
          ...{ name, id, imageId, createdAtMs, restartCount, state, attempts },
        })),
    }))
    .sort((a, b) => a.name.localeCompare(b.name));
}

function podNamed(list: readonly PodSummary[], name: string): PodSummary {
  const found = list.find((pod) => pod.name === name);
  if (!found) throw new Error(`There is no pod ${name}.`);
  return found;
}

describe('an agent killed by SIGKILL while three pods run', () => {
  it.each([
    ['after containers began to end', true],
    ['before containers end', false],
  ])(
    '%s: the next one knows all, goes on with logs, and kills what runs',
    { timeout: 120_000 * slowness },
    async (_when, isEarly) => {
      const first = AgentProcess.start({
        config: agentConfig(folder),
        pods: pods(),
        follow: { name: 'ticking', container: 'clock' },
      });
      const { pods: known } = await first.until(isRunning);
      for (let lines = 0; lines < 20; lines++) await first.until(isLog);
      const goAtMs = Date.now();
      if (isEarly) await writeFile(join(signals, 'go'), '');
      await first.kill();
      if (!isEarly) await writeFile(join(signals, 'go'), '');

      agent = await startTestAgent(folder);
      const ending = podNamed(known, 'ending');
      const restarting = podNamed(known, 'restarting');
      const ended = await podStatusWhen(agent, ending.uid, (status) =>
        ['zero', 'seven', 'eater'].every((name) => containerOf(status, name).state === 'exited'),
      );
      const restarted = await podStatusWhen(
        agent,
        restarting.uid,
        (status) => containerOf(status, 'again').restartCount === 1,
      );

      const isSteady = (name: string) => ['clock', 'quiet', 'steady'].includes(name);
      const seen = await agent.runtime.getPods();
      expect(facts(seen, isSteady)).toEqual(facts(known, isSteady));
      for (const [name, exitCode, reason] of [
        ['zero', 0, 'Completed'],
        ['seven', 7, 'Error'],
        ['eater', 137, 'OOMKilled'],
      ] as const) {
        const now = containerOf(ended, name);
        const then = containerOf(ending, name);
        expect(now).toMatchObject({ id: then.id, restartCount: 0, attempts: [{ exitCode, reason }] });
        expect(now.attempts[0]?.startedAtMs).toBe(then.attempts[0]?.startedAtMs);
        expect(now.attempts[0]?.finishedAtMs).toBeGreaterThan(goAtMs - 1000);
        expect(now.attempts[0]?.finishedAtMs).toBeLessThanOrEqual(Date.now());
      }
      const again = containerOf(restarted, 'again');
      expect(again.id).toBe(containerOf(restarting, 'again').id);
      expect(again).toMatchObject({
        state: 'running',
        restartCount: 1,
        attempts: [{ exitCode: 3, reason: 'Error' }, { attempt: 1 }],
      });
      expect(again.attempts[0]?.startedAtMs).toBe(containerOf(restarting, 'again').attempts[0]?.startedAtMs);

      await logsGoOn(agent, first.messages);
      const ref = { uid: restarting.uid, container: 'again' };
      expect(await logLines(agent, ref, { previous: true })).toEqual(['stdout: run one']);
      expect(await logLines(agent, ref)).toEqual(['stdout: run two']);
      expect(await logLines(agent, { uid: ending.uid, container: 'seven' })).toEqual([
        'stdout: seven runs',
        'stderr: seven fails',
      ]);

      // A third agent has nothing but what is on the host, and says the same to the millisecond.
      const second = facts(await agent.runtime.getPods({ all: true }));
      await agent[Symbol.asyncDispose]();
      agent = await startTestAgent(folder);
      expect(facts(await agent.runtime.getPods({ all: true }))).toEqual(second);

      for (const { uid } of known) await agent.runtime.killPod({ uid }, { graceMs: 200 });
      expect(await agent.runtime.getPods()).toEqual([]);
      const killed = await agent.runtime.getPods({ all: true });
      expect(containerOf(podNamed(killed, 'ticking'), 'quiet')).toMatchObject({
        state: 'exited',
        attempts: [{ exitCode: 137, signal: 9, reason: 'Error' }],
      });
      await removeAllPods(agent);
      await agent[Symbol.asyncDispose]();
      agent = undefined;
      expect(await leftBehind(before, folder)).toEqual([]);
    },
  );
});

/** Goes on where the agent before was: the next line comes next, none is lost, none comes twice. */
async function logsGoOn({ runtime }: TestAgent, messages: readonly AgentMessage[]): Promise<void> {
  const logs = messages.flatMap((message) => (message.type === 'log' ? [message] : []));
  const last = logs.at(-1);
  if (!last) throw new Error('The first agent followed no line.');
  const ref = { name: 'ticking', container: 'clock' };
  const followed: string[] = [];
  for await (const entry of runtime.getContainerLogs(ref, { follow: true, afterCursor: last.cursor })) {
    followed.push(entry.line.toString());
    if (followed.length === 300) break;
  }
  const all: LogEntry[] = [];
  for await (const entry of runtime.getContainerLogs(ref)) all.push(entry);
  const ticks = (count: number) => Array.from({ length: count }, (_, i) => `tick ${i + 1}`);
  expect([...logs.map(({ line }) => line), ...followed]).toEqual(ticks(logs.length + 300));
  expect(all.map(({ line }) => line.toString())).toEqual(ticks(all.length));
}
