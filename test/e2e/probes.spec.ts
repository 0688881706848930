import type { PodEvent, PodStatus } from '@podwright/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  makeAgentFolder,
  pullBusybox,
  removeAgentFolder,
  removeAllPods,
  startTestAgent,
  type TestAgent,
} from './support/test-agent.js';
import { shell, testPod } from './support/test-pods.js';

let folder: string;
let agent: TestAgent;
let events: PodEvent[];

beforeEach(async () => {
  folder = await makeAgentFolder();
  agent = await startTestAgent(folder);
  await pullBusybox(agent);
  events = [];
  agent.runtime.events.subscribe((event) => events.push(event));
});

afterEach(async () => {
  await removeAllPods(agent);
  await agent[Symbol.asyncDispose]();
  await removeAgentFolder(folder);
});

const WAIT = { timeout: 40_000, interval: 100 };
const QUICK = { periodSeconds: 1, timeoutSeconds: 10, failureThreshold: 1 };
const POD_IP = "$(ip -4 addr show eth0 | sed -n 's/.*inet \\([0-9.]*\\).*/\\1/p')";

const status = (uid: string) => agent.runtime.getPodStatus({ uid });
const readiness = ({ containers }: PodStatus) =>
  Object.fromEntries(containers.map(({ name, ready }) => [name, ready]));
const messages = (container: string) =>
  events
    .filter(({ reason, object }) => reason === 'Unhealthy' && object.fieldPath?.includes(`{${container}}`))
    .map(({ message }) => message);

describe('probes over the pod network', () => {
  it('reach a server at the pod’s IP, and take none at the loopback address for one that others reach', async () => {
    const tcp = (port: number) => ({ readinessProbe: { tcpSocket: { port }, ...QUICK } });
    const http = (port: number) => ({ readinessProbe: { httpGet: { port }, ...QUICK } });
    const serve = (address: string) => `mkdir /w; echo hi >/w/index.html; exec httpd -f -h /w -p ${address}`;
    const pod = testPod(
      'served',
      [
        shell('at-ip', serve(`${POD_IP}:8001`), http(8001)),
        shell('anywhere', serve('8002'), tcp(8002)),
        shell('loopback', serve('127.0.0.1:8003'), http(8003)),
        shell('nobody', 'exec sleep 100000', tcp(8004)),
      ],
      { hostNetwork: false },
    );
    const { uid } = await agent.runtime.runPod(pod);
    await expect
      .poll(async () => readiness(await status(uid)), WAIT)
      .toEqual({ 'at-ip': true, anywhere: true, loopback: false, nobody: false });
    // One of them, as a probe of a busy machine may be over its time.
    const says = (container: string, text: RegExp) =>
      expect.poll(() => messages(container), WAIT).toContainEqual(expect.stringMatching(text));
    await says('loopback', /Readiness probe failed: .*8003 of \d+\.\d+\.\d+\.\d+/);
    await says('nobody', /ECONNREFUSED/);
  });

  it('end with their pod', async () => {
    const readinessProbe = { exec: { command: ['false'] }, ...QUICK };
    const { uid } = await agent.runtime.runPod(
      testPod('short', [shell('a', 'sleep 100000', { readinessProbe })]),
    );
    await expect.poll(() => messages('a').length, WAIT).toBeGreaterThan(0);
    await agent.runtime.killPod({ uid }, { graceMs: 0 });
    const count = messages('a').length;
    // A second pod with the same period tells that the time for another answer has passed.
    await agent.runtime.runPod(testPod('other', [shell('b', 'sleep 100000', { readinessProbe })]));
    await expect.poll(() => messages('b').length, WAIT).toBeGreaterThan(2);
    expect(messages('a')).toHaveLength(count);
  });
});
