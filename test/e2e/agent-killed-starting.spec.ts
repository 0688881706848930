import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { testImages } from '../host/images.js';
import { type Snapshot, takeSnapshot } from '../host/snapshot.mjs';
import { type AgentMessage, AgentProcess } from './support/agent-process.js';
import { leftBehind } from './support/leftovers.js';
import {
  agentConfig,
  makeAgentFolder,
  pullBusybox,
  removeAgentFolder,
  removeAllPods,
  startTestAgent,
} from './support/test-agent.js';
import { shell, testPod } from './support/test-pods.js';

let folder: string;
let before: Snapshot;

beforeAll(async () => {
  folder = await makeAgentFolder();
  await using first = await startTestAgent(folder);
  await pullBusybox(first);
  before = takeSnapshot();
});

afterEach(async () => {
  await using last = await startTestAgent(folder);
  await removeAllPods(last);
});

afterAll(() => removeAgentFolder(folder));

/** A pod with all that has to be made for one: network, port, volumes, an init container. */
function pod(image: string) {
  const volumeMounts = [
    { name: 'memory', mountPath: '/memory' },
    { name: 'disk', mountPath: '/disk' },
  ];
  return testPod(
    'half-started',
    [
      shell('first', 'sleep 100000', {
        image,
        volumeMounts,
        ports: [{ containerPort: 80, hostPort: 18080 }],
      }),
      shell('second', 'sleep 100000', { image, volumeMounts }),
    ],
    {
      hostNetwork: false,
      restartPolicy: 'Always',
      volumes: [
        { name: 'memory', emptyDir: { medium: 'Memory' } },
        { name: 'disk', emptyDir: {} },
      ],
      initContainers: [
        shell('init', 'echo made > /disk/file', { image, volumeMounts, imagePullPolicy: 'IfNotPresent' }),
      ],
    },
  );
}

function isEvent(reason: string, field?: string) {
  return (message: AgentMessage) =>
    message.type === 'event' && message.reason === reason && (field === undefined || message.field === field);
}

/** Nothing of the pod is there; or all of it, when its start had just ended. */
async function expectAllOrNothing(): Promise<void> {
  {
    await using next = await startTestAgent(folder);
    const [started] = await next.runtime.getPods({ all: true });
    if (started !== undefined) {
      const apps = started.containers.filter(({ kind }) => kind === 'app');
      expect(apps.map(({ state }) => state)).toEqual(['running', 'running']);
      expect(started.phase).toBe('Running');
      return;
    }
    const policy = { minAgeMs: 0, maxPerPodContainer: 0, maxContainers: 0 };
    const { errors } = await next.runtime.garbageCollect(policy, { allSourcesReady: true });
    expect(errors).toEqual([]);
  }
  expect(await leftBehind(before, folder)).toEqual([]);
}

describe('of a pod whose agent was killed while it was started, the next agent leaves nothing', () => {
  it.each([
    ['its images are being pulled', isEvent('Pulling'), testImages.layers],
    ['its sandbox was made', isEvent('SandboxCreated'), testImages.busybox],
    ['its init container was made', isEvent('Created', 'spec.initContainers{init}'), testImages.busybox],
    ['its init container runs', isEvent('Started', 'spec.initContainers{init}'), testImages.busybox],
    ['its first container was made', isEvent('Created', 'spec.containers{first}'), testImages.busybox],
    ['its second container was made', isEvent('Created', 'spec.containers{second}'), testImages.busybox],
    ['its first container was started', isEvent('Started', 'spec.containers{first}'), testImages.busybox],
  ])('when %s', async (_when, isReached, image) => {
    const process = AgentProcess.start({ config: agentConfig(folder), pods: [pod(image)] });
    onTestFinished(() => process.kill());
    // An event may come after the start that it tells of.
    await process.until(isReached);
    await process.kill();
    await expectAllOrNothing();
  });

  it.each([0, 20, 40, 70, 100, 150, 200, 300, 450])('after %i ms', async (afterMs) => {
    const process = AgentProcess.start({ config: agentConfig(folder), pods: [pod(testImages.busybox)] });
    onTestFinished(() => process.kill());
    await process.until(({ type }) => type === 'started');
    await delay(afterMs);
    await process.kill();
    await expectAllOrNothing();
  });
});
