import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { testImages } from '../host/images.js';
import { type Snapshot, takeSnapshot } from '../host/snapshot.mjs';
import { expectFailure } from './support/failure.js';
import { leftBehind } from './support/leftovers.js';
import {
  agentConfig,
  makeAgentFolder,
  makeTestAgent,
  pullBusybox,
  removeAgentFolder,
  startTestAgent,
} from './support/test-agent.js';
import { podStatusAtEnd, shell, testPod } from './support/test-pods.js';

const CNI_DIR = '/usr/lib/cni';

let folder: string;
let before: Snapshot;

beforeEach(async () => {
  folder = await makeAgentFolder();
  before = takeSnapshot();
});

afterEach(() => removeAgentFolder(folder));

async function run(command: string, ...args: readonly string[]): Promise<void> {
  await promisify(execFile)(command, [...args]);
}

/** A program in the agent's folder that prints this, whatever it is asked. */
async function programThatPrints(text: string): Promise<string> {
  const path = join(folder, 'program');
  await writeFile(path, `#!/bin/sh\ncat <<'END'\n${text}\nEND\n`, { mode: 0o755 });
  return path;
}

async function expectNoStart(backendOptions: Readonly<Record<string, unknown>>, message: RegExp) {
  await using agent = await makeTestAgent(folder, { backendOptions });
  await expectFailure(() => agent.runtime.start(), 'missing-requirement', message);
  // What was missing may be there the next time, and nobody holds the state directory meanwhile.
  await using other = await startTestAgent(folder);
  expect(await other.runtime.getPods({ all: true })).toEqual([]);
}

describe('an agent does not start, and says what to do', () => {
  afterEach(async () => {
    expect(await leftBehind(before, folder)).toEqual([]);
  });

  it.each([
    ...['crun', 'conmon', 'unshare', 'sh', 'mount', 'stat', 'systemd-notify', 'findmnt', 'ip', 'nsenter'],
    ...['journalctl', 'skopeo', 'tar', 'containers-storage', 'script'],
  ])('without %s', async (name) => {
    await expectNoStart(
      { binaries: { [name]: `/nowhere/${name}` } },
      new RegExp(`^${name} (is not|was not found) on this host.*install`),
    );
  });

  it('without several programs, and names each', async () => {
    await expectNoStart(
      { binaries: { skopeo: '/nowhere', ip: '/nowhere', journalctl: '/nowhere' } },
      /ip is not.*apt-get install iproute2.*journalctl.*apt-get install systemd.*skopeo.*apt-get install skopeo/s,
    );
  });

  it.each(['bridge', 'host-local', 'portmap'])('without the CNI plugin %s', async (missing) => {
    const bin = join(folder, 'cni-bin');
    await mkdir(bin);
    for (const name of await readdir(CNI_DIR)) {
      if (name !== missing) await symlink(join(CNI_DIR, name), join(bin, name));
    }
    await expectNoStart(
      { cniBinDirs: [bin] },
      new RegExp(`^${missing} is not on this host.*containernetworking-plugins.*${bin}`),
    );
  });

  it.each([
    ['crun', 'crun version 0.17\ncommit: 0e9229ae34caaebcb86f1fde18de3acaf18c6d9a', /crun.*0\.17.*1\./],
    ['conmon', 'conmon version 2.0.9\ncommit: unknown', /conmon.*2\.0\.9.*2\./],
    ['crun', 'no version at all', /crun/],
    ['skopeo', 'skopeo version 1.4.1', /skopeo 1\.4\.1, and version 1\.9 or newer is needed.*install skopeo/],
    [
      'unshare',
      'unshare from util-linux 2.33',
      /unshare 2\.33, and version 2\.38 or newer.*install util-linux/,
    ],
    ['nsenter', 'nsenter from util-linux 2.33', /nsenter 2\.33, and version 2\.38 or newer/],
  ])('with a %s that says "%s"', async (name, text, message) => {
    const program = await programThatPrints(text);
    await expectNoStart({ binaries: { [name]: program } }, message);
  });

  it('with a runc that is too old', async () => {
    const program = await programThatPrints('runc version 1.0.0-rc8\nspec: 1.0.1-dev');
    await expectNoStart(
      { ociRuntime: 'runc', binaries: { runc: program } },
      /runc 1\.0\.0, and 1\.\d or newer/,
    );
  });

  it.each([
    ["whose directories are root's", 0o700, /Run the agent as root \(it runs as user 65534\)/],
    ['who may write there', 0o777, /The systemd backend needs root/],
  ])('as another user than root %s', async (_who, mode, message) => {
    await chmod(folder, mode);
    const program = fileURLToPath(new URL('support/agent-program.mjs', import.meta.url));
    const work = JSON.stringify({ config: agentConfig(folder), pods: [] });
    const command = [process.execPath, program, work];
    const user = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--'];
    const failure = await promisify(execFile)('setpriv', [...user, ...command]).then(
      () => ({ code: 0, stderr: '' }),
      (error: { code: number; stderr: string }) => error,
    );
    expect(failure.code).toBe(1);
    expect(failure.stderr).toMatch(message);
    expect(failure.stderr).toContain("kind: 'permission-denied'");
  });

  it('when another agent has the state directory', async () => {
    await using _first = await startTestAgent(folder);
    await using second = await makeTestAgent(folder);
    await expectFailure(() => second.runtime.start(), 'failed-precondition', /another agent/);
  });

  it('with options that there are not', async () => {
    await expectFailure(
      () => makeTestAgent(folder, { backendOptions: { binarys: {} } }),
      'invalid-argument',
      /binarys.*Known keys: binaries/s,
    );
  });
});

describe('a pod is refused, and nothing of it is left', () => {
  it('when a CNI plugin went missing', async () => {
    const bin = join(folder, 'cni-bin');
    await symlink(CNI_DIR, bin);
    await using agent = await startTestAgent(folder, { backendOptions: { cniBinDirs: [bin] } });
    await pullBusybox(agent);
    await rm(bin);
    before = takeSnapshot();
    const pod = testPod('no-network', [shell('main', 'sleep 100000')], { hostNetwork: false });
    await expectFailure(() => agent.runtime.runPod(pod), 'missing-requirement', /plugin.*cni-bin/s);
    expect(await leftBehind(before, folder)).toEqual([]);
  });

  it.each([64, 400, 500, 600, 800])('when %i KiB are all the space for the state', async (kib) => {
    const { stateDir } = agentConfig(folder);
    await mkdir(stateDir);
    await run('mount', '-t', 'tmpfs', '-o', `mode=700,size=${kib}k`, 'tmpfs', stateDir);
    {
      await using agent = await startTestAgent(folder);
      await pullBusybox(agent);
      before = takeSnapshot();
      // What the environment takes makes the container's files larger than the space.
      const env = [{ name: 'LARGE', value: 'x'.repeat(100_000) }];
      const containers = ['one', 'two', 'three'].map((name) => shell(name, 'sleep 100000', { env }));
      const pod = testPod('large', containers, { hostNetwork: false });
      await expectFailure(() => agent.runtime.runPod(pod), 'no-space', /space/);
      expect(await agent.runtime.getPods({ all: true })).toEqual([]);
    }
    expect(await leftBehind(before, folder)).toEqual([]);
  });

  it('when there is no space for its image', async () => {
    const root = join(folder, 'images');
    await mkdir(root);
    await run('mount', '-t', 'tmpfs', '-o', 'mode=700,size=400k', 'tmpfs', root);
    await using agent = await startTestAgent(folder);
    before = takeSnapshot();
    await expectFailure(
      () => agent.runtime.runPod(testPod('large', [shell('main', 'sleep 100000')])),
      'no-space',
      /space/,
    );
    expect(await leftBehind(before, folder)).toEqual([]);
    expect(await agent.runtime.isImagePresent(testImages.busybox)).toBe(false);
  });
});

it('a state directory on an overlay, as the root of this host is one, has its containers in memory', async () => {
  const onRoot = await mkdtemp('/opt/podwright-e2e-');
  try {
    const imageStore = { root: join(folder, 'images'), runRoot: join(folder, 'images-run') };
    {
      await using agent = await startTestAgent(onRoot, { backendOptions: { imageStore } });
      await pullBusybox(agent);
      const { uid } = await agent.runtime.runPod(testPod('layered', [shell('main', 'echo > /made; exit 7')]));
      const { containers } = await podStatusAtEnd(agent, uid);
      expect(containers.map(({ attempts }) => attempts.map(({ exitCode }) => exitCode))).toEqual([[7]]);
      await agent.runtime.removePod({ uid });
    }
    expect(await leftBehind(before, onRoot)).toEqual([]);
  } finally {
    await removeAgentFolder(onRoot);
  }
});
