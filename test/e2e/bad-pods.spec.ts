import { once } from 'node:events';
import { createServer } from 'node:net';
import type { ErrorKind } from '@podwright/core';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { absentImage, authRegistry, deadRegistry, testImages } from '../host/images.js';
import { type Snapshot, takeSnapshot } from '../host/snapshot.mjs';
import { expectFailure } from './support/failure.js';
import { leftBehind } from './support/leftovers.js';
import {
  makeAgentFolder,
  pullBusybox,
  removeAgentFolder,
  removeAllPods,
  startTestAgent,
  type TestAgent,
} from './support/test-agent.js';
import { type ContainerInput, shell, testPod } from './support/test-pods.js';

let agent: TestAgent;
let before: Snapshot;

beforeAll(async () => {
  agent = await startTestAgent(await makeAgentFolder());
  await pullBusybox(agent);
  // What the first pod makes for all of them stays as long as the agent lives.
  await agent.runtime.runPod(testPod('first', [shell('main', 'sleep 100000')]));
  await removeAllPods(agent);
  before = takeSnapshot();
});

afterEach(() => removeAllPods(agent));

afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await removeAgentFolder(agent.folder);
});

/** Expects that running a pod fails so, and that nothing of it is left. */
async function expectRefusal(run: () => Promise<unknown>, kind: ErrorKind, message: RegExp): Promise<void> {
  await expectFailure(run, kind, message);
  expect(await leftBehind(before, agent.folder)).toEqual([]);
}

const refuse = (pod: Parameters<TestAgent['runtime']['runPod']>[0], kind: ErrorKind, message: RegExp) =>
  expectRefusal(() => agent.runtime.runPod(pod), kind, message);

/** A manifest that `parsePod` has not seen. */
function unchecked(change: (manifest: Record<string, Record<string, unknown>>) => void) {
  const pod = structuredClone(testPod('unchecked', [shell('main', 'sleep 100000')]));
  change(pod as never);
  return pod;
}

describe('a manifest that is wrong', () => {
  it.each([
    ['has no containers', (pod) => delete pod['spec']?.['containers'], /spec\.containers/],
    ['has an unknown field', (pod) => Object.assign(pod['spec'] ?? {}, { hostNetwrok: true }), /hostNetwrok/],
    [
      'has a field that is not supported yet',
      (pod) => Object.assign(pod['spec'] ?? {}, { nodeSelector: { a: 'b' } }),
      /nodeSelector/,
    ],
    [
      'has a name that is none',
      (pod) => Object.assign(pod['metadata'] ?? {}, { name: 'No Name' }),
      /No Name/,
    ],
  ] satisfies [string, (pod: Record<string, Record<string, unknown>>) => unknown, RegExp][])(
    '%s',
    async (_what, change, message) => {
      await refuse(unchecked(change), 'invalid-manifest', message);
    },
  );

  it('is privileged and must not gain privileges', async () => {
    const securityContext = { privileged: true, allowPrivilegeEscalation: false };
    await expectRefusal(
      async () => agent.runtime.runPod(testPod('both', [{ name: 'main', securityContext }])),
      'invalid-manifest',
      /allowPrivilegeEscalation/,
    );
  });
});

describe('an image', () => {
  const withImage = (image: string) =>
    testPod('pulling', [{ ...shell('main', 'sleep 100000'), image, imagePullPolicy: 'Always' }]);

  it('that does not exist', async () => {
    await refuse(withImage(absentImage), 'image-not-found', /podwright\/absent/);
  });

  it('of a registry that cannot be reached', async () => {
    await refuse(withImage(`${deadRegistry}/podwright/busybox:1`), 'unreachable', /127\.0\.0\.1:5009/);
  });

  it('of a registry that wants a password', async () => {
    await refuse(withImage(authRegistry.busybox), 'unauthorized', /127\.0\.0\.1:5001/);
  });

  it('with a wrong password, which the message does not tell', async () => {
    const auth = { username: authRegistry.username, password: 'wrong-4711' };
    const error = await expectFailure(
      () => agent.runtime.ensureImage(authRegistry.busybox, 'Always', { auth }),
      'unauthorized',
      /127\.0\.0\.1:5001/,
    );
    expect(JSON.stringify([error.message, error.details, String(error.cause)])).not.toContain('4711');
    expect(await leftBehind(before, agent.folder)).toEqual([]);
  });

  it('that is not there and must not be pulled', async () => {
    const never = { ...shell('main', 'true'), image: absentImage, imagePullPolicy: 'Never' };
    await refuse(testPod('never', [never]), 'image-not-found', /Never/);
  });
});

describe('a container', () => {
  const withContainer = (container: ContainerInput, spec = {}) =>
    testPod('refused', [shell('good', 'sleep 100000'), container], { hostNetwork: false, ...spec });

  it.each([
    [
      'whose command is not in the image',
      { command: ['/no/such/program'] },
      'container-start-failed',
      /\/no\/such\/program/,
    ],
    [
      'whose command is not to be found in $PATH',
      { command: ['no-such'] },
      'container-start-failed',
      /no-such/,
    ],
    ['whose command is a directory', { command: ['/etc'] }, 'container-start-failed', /\/etc/],
    [
      'whose working directory is a file',
      { command: ['true'], workingDir: '/etc/passwd' },
      'container-start-failed',
      /passwd/,
    ],
    [
      'that must not be root, of an image that is',
      { command: ['true'], securityContext: { runAsNonRoot: true } },
      'invalid-argument',
      /runAsNonRoot|root/,
    ],
    [
      'with a capability that there is not',
      { command: ['true'], securityContext: { capabilities: { add: ['NO_SUCH'] } } },
      'invalid-argument',
      /NO_SUCH/,
    ],
  ] as const)('%s', async (_what, container, kind, message) => {
    await refuse(withContainer({ name: 'bad', ...container }), kind, message);
  });

  it('of an image that names no command', async () => {
    const pod = withContainer({ name: 'bad', image: testImages.noCommand });
    await refuse(pod, 'invalid-argument', /command/);
  });

  it('that comes first and fails', async () => {
    const image = testImages.busybox;
    const initContainers = [shell('init', 'echo no luck >&2; exit 3', { image })];
    const pod = withContainer(shell('main', 'true'), { initContainers });
    await refuse(pod, 'container-start-failed', /init.*3[\s\S]*no luck/);
  });
});

describe('a volume', () => {
  const withPath = (hostPath: Readonly<Record<string, unknown>>) =>
    testPod('volumes', [shell('main', 'sleep 100000', { volumeMounts: [{ name: 'v', mountPath: '/v' }] })], {
      volumes: [
        { name: 'first', emptyDir: { medium: 'Memory' } },
        { name: 'v', hostPath },
      ],
    });

  it('of a path that is not there', async () => {
    await refuse(withPath({ path: '/no/such/path' }), 'not-found', /\/no\/such\/path/);
  });

  it('of a path that is something else', async () => {
    await refuse(
      withPath({ path: '/etc/passwd', type: 'Directory' }),
      'failed-precondition',
      /\/etc\/passwd/,
    );
  });
});

describe('what is taken', () => {
  const PORT = 18_090;
  const withPort = (name: string) =>
    testPod(name, [shell('main', 'sleep 100000', { ports: [{ containerPort: 80, hostPort: PORT }] })], {
      hostNetwork: false,
    });

  it('a host port by another pod', async () => {
    const { uid } = await agent.runtime.runPod(withPort('holder'));
    await expectFailure(() => agent.runtime.runPod(withPort('other')), 'port-in-use', /18090/);
    expect((await agent.runtime.getPods({ all: true })).map((pod) => pod.uid)).toEqual([uid]);
    await agent.runtime.removePod({ uid }, { graceMs: 0 });
    expect(await leftBehind(before, agent.folder)).toEqual([]);
  });

  it('a host port by a process of the host', async () => {
    const server = createServer().listen(PORT, '0.0.0.0');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    await refuse(withPort('other'), 'port-in-use', /18090/);
  });

  it.each([
    ['a name by another pod', (uid: string) => ({ name: 'same', uid: `${uid.slice(0, -1)}z` })],
    ['a uid by another pod', (uid: string) => ({ name: 'another', uid })],
  ])('%s', async (_what, metadata) => {
    const { uid } = await agent.runtime.runPod(testPod('same', [shell('main', 'sleep 100000')]));
    const again = testPod('same', [shell('main', 'sleep 100000')]);
    const pod = { ...again, metadata: { ...again.metadata, ...metadata(uid) } };
    await expectFailure(() => agent.runtime.runPod(pod), 'already-exists', new RegExp(uid));
    expect(await agent.runtime.getPods()).toMatchObject([{ uid, phase: 'Running' }]);
    await agent.runtime.removePod({ uid }, { graceMs: 0 });
    expect(await leftBehind(before, agent.folder)).toEqual([]);
  });
});
