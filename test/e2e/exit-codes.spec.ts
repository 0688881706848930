import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fewer, slowness } from '../slowness.js';
import {
  makeAgentFolder,
  pullBusybox,
  removeAgentFolder,
  removeAllPods,
  startTestAgent,
  type TestAgent,
} from './support/test-agent.js';
import { containerOf, podStatusAtEnd, podStatusWhen, shell, testPod } from './support/test-pods.js';

const CODES = [0, 1, 2, 3, 4, 5, 6, 7] as const;

let agent: TestAgent;

beforeAll(async () => {
  agent = await startTestAgent(await makeAgentFolder());
  await pullBusybox(agent);
});

afterEach(() => removeAllPods(agent));

afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await removeAgentFolder(agent.folder);
});

describe('containers that exit at once', () => {
  it('many of them, 5 pods of 10 at a time: every code is right', {
    timeout: 240_000 * slowness,
  }, async () => {
    const count = fewer(20);
    const numbers = Array.from({ length: 10 * count }, (_, number) => number);
    const pods = Array.from({ length: count }, (_, index) =>
      testPod(
        `codes-${index}`,
        numbers.slice(index * 10, index * 10 + 10).map((number) => shell(`c${number}`, `exit ${number % 8}`)),
      ),
    );
    const waiting = [...pods];
    const seen: string[] = [];
    const runNext = async (): Promise<void> => {
      const pod = waiting.shift();
      if (pod === undefined) return;
      const { uid } = await agent.runtime.runPod(pod);
      const { containers } = await podStatusAtEnd(agent, uid, 120_000 * slowness);
      for (const { name, attempts } of containers) {
        const ends = attempts.map(({ exitCode, reason, signal }) => `${exitCode} ${reason} ${signal}`);
        seen.push(`${name} ${ends.join(', ')}`);
      }
      await agent.runtime.removePod({ uid });
      await runNext();
    };
    await Promise.all([1, 2, 3, 4, 5].map(runNext));
    const expected = numbers.map(
      (number) => `c${number} ${number % 8} ${number % 8 === 0 ? 'Completed' : 'Error'} undefined`,
    );
    expect(seen.sort()).toEqual(expected.sort());
  });

  it('with OnFailure all but those of code 0 are started again, each with its own code each time', async () => {
    const containers = CODES.map((code) => shell(`code-${code}`, `exit ${code}`));
    const { uid } = await agent.runtime.runPod(
      testPod('failing', containers, { restartPolicy: 'OnFailure' }),
    );
    const status = await podStatusWhen(agent, uid, (pod) =>
      CODES.every((code) =>
        code === 0
          ? containerOf(pod, 'code-0').state === 'exited'
          : containerOf(pod, `code-${code}`).restartCount >= 2,
      ),
    );
    expect(containerOf(status, 'code-0').restartCount).toBe(0);
    for (const code of CODES) {
      const ended = containerOf(status, `code-${code}`).attempts.filter(
        ({ finishedAtMs }) => finishedAtMs !== undefined,
      );
      expect(ended.map(({ exitCode }) => exitCode)).toEqual(ended.map(() => code));
    }
  });

  it('with Always that of code 0 is started again too', async () => {
    const pod = testPod('always', [shell('main', 'exit 0')], { restartPolicy: 'Always' });
    const { uid } = await agent.runtime.runPod(pod);
    const status = await podStatusWhen(agent, uid, (now) => containerOf(now, 'main').restartCount >= 2);
    const { attempts } = containerOf(status, 'main');
    expect(attempts.slice(0, 2)).toMatchObject([
      { attempt: 0, exitCode: 0, reason: 'Completed' },
      { attempt: 1, exitCode: 0, reason: 'Completed' },
    ]);
  });
});
