import { mkdir, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { testImages } from '../host/images.js';
import { takeSnapshot } from '../host/snapshot.mjs';
import { slowness } from '../slowness.js';
import { agentProgram, writeAgentImage } from './support/agent-image.js';
import { leftBehind } from './support/leftovers.js';
import {
  agentConfig,
  makeAgentFolder,
  removeAgentFolder,
  startTestAgent,
  type TestAgent,
} from './support/test-agent.js';
import { podStatusAtEnd, testPod } from './support/test-pods.js';

const IMAGE = 'localhost/agent:1';

let outer: TestAgent;

beforeAll(async () => {
  outer = await startTestAgent(await makeAgentFolder());
  const layout = join(outer.folder, 'agent-image');
  await mkdir(layout);
  await writeAgentImage(layout);
  await outer.runtime.loadImage(layout, { reference: IMAGE });
  await rm(layout, { recursive: true });
}, 120_000 * slowness);

afterAll(async () => {
  await outer[Symbol.asyncDispose]();
  await removeAgentFolder(outer.folder);
});

/** Runs the agent in a pod to its end. @returns what it told, by step; what else was said; and its exit code */
async function runAgent(
  folder: string,
  options: Readonly<Record<string, unknown>>,
  spec = {},
  mountPropagation = 'HostToContainer',
) {
  const config = agentConfig(folder, { inContainer: {}, ...options });
  const work = { config, folder, image: testImages.busybox };
  const { uid } = await outer.runtime.runPod(
    testPod(
      'agent',
      [
        {
          name: 'agent',
          image: IMAGE,
          imagePullPolicy: 'Never',
          args: [agentProgram, JSON.stringify(work)],
          securityContext: { privileged: true },
          volumeMounts: [
            { name: 'host', mountPath: '/rootfs', mountPropagation },
            { name: 'state', mountPath: config.stateDir },
          ],
        },
      ],
      {
        hostPID: true,
        ...spec,
        volumes: [
          { name: 'host', hostPath: { path: '/' } },
          { name: 'state', hostPath: { path: config.stateDir, type: 'DirectoryOrCreate' } },
        ],
      },
    ),
  );
  const status = await podStatusAtEnd(outer, uid, 150_000 * slowness);
  const lines: string[] = [];
  for await (const { line } of outer.runtime.getContainerLogs({ uid })) lines.push(line.toString());
  await outer.runtime.removePod({ uid });
  const steps: Record<string, unknown> = {};
  const said: string[] = [];
  for (const line of lines) {
    const { step, ...fields } = line.startsWith('{"step"') ? JSON.parse(line) : { step: undefined };
    if (step === undefined) said.push(line);
    else steps[step] = fields;
  }
  return { steps, said, exitCode: status.containers[0]?.attempts.at(-1)?.exitCode };
}

describe.each(['oci', 'nsenter'])('an agent in a container, with the exec handler %s', (execHandler) => {
  let folder: string;

  beforeEach(async () => {
    folder = await makeAgentFolder();
    await mkdir(join(folder, 'mounted'));
    await symlink('mounted', join(folder, 'relative'));
    await symlink(join(folder, 'relative'), join(folder, 'link'));
    return () => removeAgentFolder(folder);
  });

  it(
    'mounts, resolves links and runs pods on a host whose programs its image lacks, and leaves nothing',
    async () => {
      const before = takeSnapshot();
      const { steps, said, exitCode } = await runAgent(folder, {
        execHandler,
        allowUnconfined: execHandler === 'nsenter',
        defaultBridge: 'pwinner0',
        defaultSubnet: '10.123.0.0/24',
      });
      expect(said).toEqual([]);
      expect(steps).toEqual({
        lacks: { found: [] },
        mounted: { isMountPoint: true },
        resolved: { path: join(folder, 'mounted') },
        status: { conditions: [] },
        running: { phase: 'Running' },
        log: { line: 'serving' },
        command: { output: 'hello\nhttpd\n', exitCode: 3 },
        terminal: { output: '/dev/pts/0\r\n', exitCode: 0 },
        forwarded: { answer: expect.stringMatching(/^HTTP\/1\.[01] 200 OK\r\n(.*\r\n)+\r\npage\n$/) },
        removed: { pods: 0 },
        unmounted: { isMountPoint: false },
        done: {},
      });
      expect(exitCode).toBe(0);
      expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(`${folder}/mounted`);
      // The agent outside is still there, with what it keeps mounted.
      expect(await leftBehind(before, folder, new RegExp(outer.folder))).toEqual([]);
    },
    120_000 * slowness,
  );
});

it.each([
  ['without the network of the host', 'hostNetwork: true', { hostNetwork: false }, 'HostToContainer'],
  ['that does not see mounts of the host', 'mountPropagation: HostToContainer', {}, 'None'],
])(
  'an agent in a container %s says so, and what to do: %s',
  async (_, fix, spec, mountPropagation) => {
    const folder = await makeAgentFolder();
    await mkdir(join(folder, 'mounted'));
    await symlink(join(folder, 'mounted'), join(folder, 'link'));
    const { steps, exitCode } = await runAgent(folder, {}, spec, mountPropagation);
    await removeAgentFolder(folder);
    expect(exitCode).toBe(1);
    expect(steps['failed']).toMatchObject({
      kind: 'missing-requirement',
      message: expect.stringContaining(fix),
    });
  },
  120_000 * slowness,
);
