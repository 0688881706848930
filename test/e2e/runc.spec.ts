import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Snapshot, takeSnapshot } from '../host/snapshot.mjs';
import { isUnified } from './support/cgroups.js';
import { expectFailure } from './support/failure.js';
import { leftBehind } from './support/leftovers.js';
import { cgroupOf, hostPidOf, processes, statusField } from './support/processes.js';
import {
  makeAgentFolder,
  pullBusybox,
  removeAgentFolder,
  removeAllPods,
  startTestAgent,
  type TestAgent,
} from './support/test-agent.js';
import {
  backendId,
  containerOf,
  logLines,
  podStatusAtEnd,
  podStatusWhen,
  shell,
  testPod,
} from './support/test-pods.js';

let agent: TestAgent;
let before: Snapshot;

const withRunc = { backendOptions: { ociRuntime: 'runc' } };

function refused(): void {
  it('is refused on the unified hierarchy, and leaves the folder to an agent with crun', async () => {
    const folder = await makeAgentFolder();
    await expectFailure(() => startTestAgent(folder, withRunc), 'unsupported', /runc .*\(v2\).*Use crun/);
    const next = await startTestAgent(folder);
    expect(Object.keys((await next.runtime.version()).components)).toContain('crun');
    await next[Symbol.asyncDispose]();
    await removeAgentFolder(folder);
  });
}

function works(): void {
  beforeAll(async () => {
    agent = await startTestAgent(await makeAgentFolder(), withRunc);
    await pullBusybox(agent);
    await agent.runtime.runPod(testPod('first', [shell('main', 'sleep 100000')]));
    await removeAllPods(agent);
    before = takeSnapshot();
  });

  afterEach(() => removeAllPods(agent));

  afterAll(async () => {
    await agent[Symbol.asyncDispose]();
    await removeAgentFolder(agent.folder);
  });

  it('is what the version says', async () => {
    expect(Object.keys((await agent.runtime.version()).components)).toContain('runc');
  });

  it('a pod runs, logs, takes commands, is killed with its own exit code, and leaves nothing', async () => {
    const script = 'echo out; echo err >&2; trap "exit 5" TERM; sleep 100000 & wait';
    const { uid, ips } = await agent.runtime.runPod(
      testPod('runc', [shell('main', script), shell('short', 'exit 3')], {
        hostNetwork: false,
        terminationGracePeriodSeconds: 10,
      }),
    );
    expect(ips.length).toBeGreaterThan(0);
    const status = await podStatusWhen(agent, uid, (pod) => containerOf(pod, 'short').state === 'exited');
    expect(containerOf(status, 'short')).toMatchObject({ attempts: [{ exitCode: 3, reason: 'Error' }] });

    const main = containerOf(status, 'main');
    const pid = await hostPidOf(agent, main);
    expect(await cgroupOf(pid)).toContain(`podwright-${backendId(main)}.service`);
    expect(await statusField(pid, 'CapEff')).toBe('00000000a80425fb');
    expect(await statusField(pid, 'Seccomp')).toBe('2');

    const ref = { uid, container: 'main' };
    // Unlike crun, runc waits until nobody holds the command's output any more.
    const command = 'echo in; (sleep 100021 >/dev/null 2>&1 &) ; exit 9';
    const ran = await agent.runtime.runInContainer(ref, ['sh', '-c', command]);
    expect({ ...ran, stdout: ran.stdout.toString() }).toMatchObject({ exitCode: 9, stdout: 'in\n' });
    // The command may have ended before its child executes its program.
    const children = () => processes(({ command }) => command === 'sleep 100021');
    await expect.poll(children, { timeout: 20_000 }).toHaveLength(1);
    const [child] = await children();
    expect(await cgroupOf(child?.pid ?? 0)).toBe(await cgroupOf(pid));

    await agent.runtime.killPod({ uid });
    const killed = containerOf(await agent.runtime.getPodStatus({ uid }), 'main');
    expect(killed.attempts).toMatchObject([{ exitCode: 5, reason: 'Error' }]);
    expect((await logLines(agent, ref)).sort()).toEqual(['stderr: err', 'stdout: out']);
    await agent.runtime.removePod({ uid });
    expect(await leftBehind(before, agent.folder)).toEqual([]);
  });

  it('containers that exit at once have the right codes, and are started again', async () => {
    const codes = [0, 1, 2, 3, 4, 5, 6, 7];
    const { uid } = await agent.runtime.runPod(
      testPod(
        'codes',
        codes.map((code) => shell(`code-${code}`, `exit ${code}`)),
      ),
    );
    const { containers } = await podStatusAtEnd(agent, uid);
    expect(containers.map(({ name, attempts }) => `${name} ${attempts.at(-1)?.exitCode}`).sort()).toEqual(
      codes.map((code) => `code-${code} ${code}`),
    );
    const again = await agent.runtime.runPod(
      testPod('again', [shell('main', 'exit 1')], { restartPolicy: 'Always' }),
    );
    await podStatusWhen(agent, again.uid, (pod) => containerOf(pod, 'main').restartCount >= 2);
  });

  it('a device that was not given cannot be opened', async () => {
    const script = 'mknod /dev/tried c 10 237 && echo made && exec 3<>/dev/tried && echo opened';
    const { uid } = await agent.runtime.runPod(testPod('device', [shell('main', script)]));
    await podStatusAtEnd(agent, uid);
    expect(await logLines(agent, { uid })).toEqual([
      'stdout: made',
      expect.stringMatching(/^stderr: .*Operation not permitted$/),
    ]);
  });
}

// What a host with one hierarchy cannot do is not left out there: it has another test.
describe('with runc instead of crun', isUnified ? refused : works);
